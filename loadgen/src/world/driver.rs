//! A driver: drives from errand to errand, waits at lights, stops with the
//! engine on or off, or stands for good.
//!
//! The way is a row of straight legs, each made when the one before it is over,
//! so that a driver costs some bytes, however long it drives.

use geofence::Position;

use super::city::{City, Node, Road, blend};
use crate::draws::{Draws, key};

/// Where on its road a stop is, as a share of the road: clear of crossings and
/// of the edges of districts.
pub(super) const SITE_SHARE: f64 = 0.3;

/// Share of the errands that lead to a known site rather than anywhere.
const ERRANDS_TO_SITES: f64 = 0.7;
/// Share of the crossings at which a driver has to wait, and how long.
const RED_LIGHTS: f64 = 0.15;
const RED_LIGHT_MS: (i64, i64) = (4_000, 35_000);
/// Longest time on the road before the run begins.
const BEFORE_MS_MAX: i64 = 180_000;

/// What a vehicle is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Goes from one site to the next.
    Courier,
    /// Stands, engine off.
    Parked,
    /// Stands, engine running.
    Idling,
}

/// How long a stop lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopTimes {
    /// At least, milliseconds.
    pub shortest_ms: i64,
    /// At most, milliseconds. Seven stops of ten last at most a quarter of the
    /// way up to it.
    pub longest_ms: i64,
}

/// One straight stretch of a way, driven at one speed, or a time spent at one
/// place. Covers `start_ms` and not `end_ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    /// Where it begins.
    pub from: Position,
    /// Where it ends; the same where the vehicle stands.
    pub to: Position,
    /// When it begins, milliseconds since the start of the run.
    pub start_ms: i64,
    /// When it ends, later than it begins.
    pub end_ms: i64,
    /// Whether the engine runs.
    pub engine_on: bool,
    /// Metres per second; 0 where the vehicle stands.
    pub speed_mps: f32,
}

impl Leg {
    /// Where the vehicle is at `t_ms`, which the leg covers or ends at.
    #[must_use]
    pub fn position(&self, t_ms: i64) -> Position {
        if t_ms == self.end_ms || self.from == self.to {
            return self.to;
        }
        let share = (t_ms - self.start_ms) as f64 / (self.end_ms - self.start_ms) as f64;
        blend(self.from, self.to, share)
    }

    /// Whether the vehicle moves.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.from != self.to
    }
}

/// One driver and its way.
#[derive(Clone, Debug)]
pub struct Driver {
    draws: Draws,
    leg: Leg,
    plan: Plan,
}

/// What comes after the leg.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// At a crossing, on the way to a road.
    Drive { at: Node, goal: Road, waited: bool },
    /// At its goal.
    Stop { at: Road },
    /// At its goal, with these times left, engine on and off in turn.
    Stand { at: Road, left_ms: [u32; 2] },
    /// For good.
    Stay,
}

/// The road with the site of this number.
pub(super) fn site_of(city: &City, seed: u64, number: u64) -> Road {
    city.any_road(&mut Draws::new(key(seed, "site", number)))
}

/// What drivers know of their world.
#[derive(Clone, Copy, Debug)]
pub struct Errands<'c> {
    /// Where they drive.
    pub city: &'c City,
    /// The seed of all.
    pub seed: u64,
    /// Sites that they are sent to.
    pub sites: u32,
    /// How long they stop.
    pub stops: StopTimes,
}

impl Driver {
    /// The driver of vehicle `number`; a parked one stands at `place`, or at
    /// any site.
    #[must_use]
    pub fn new(errands: &Errands<'_>, number: u32, role: Role, place: Option<Position>) -> Self {
        let mut draws = Draws::new(key(errands.seed, "driver", number.into()));
        let home = errands.goal(&mut draws);
        let place = place.unwrap_or_else(|| errands.city.along(home, SITE_SHARE));
        let start_ms = -draws.within(1, BEFORE_MS_MAX);
        let standing = |engine_on| Leg {
            from: place,
            to: place,
            start_ms,
            end_ms: i64::MAX,
            engine_on,
            speed_mps: 0.0,
        };
        match role {
            Role::Parked => Self { draws, leg: standing(false), plan: Plan::Stay },
            Role::Idling => Self { draws, leg: standing(true), plan: Plan::Stay },
            Role::Courier => {
                let leg = Leg { end_ms: start_ms + 1, ..standing(true) };
                let plan = if draws.chance(0.4) {
                    Plan::Stop { at: home }
                } else {
                    Plan::Stand { at: home, left_ms: [0; 2] }
                };
                let mut driver = Self { draws, leg, plan };
                while driver.leg.end_ms <= 0 {
                    driver.go_on(errands);
                }
                driver
            }
        }
    }

    /// The leg it is on.
    #[must_use]
    pub fn leg(&self) -> &Leg {
        &self.leg
    }

    /// Takes the next leg, which begins where and when the last one ends.
    pub fn go_on(&mut self, errands: &Errands<'_>) {
        let city = errands.city;
        match self.plan {
            Plan::Stay => {}
            Plan::Stop { at } => {
                let [first, second, third] = self.stop_phases(errands.stops);
                self.plan = Plan::Stand { at, left_ms: [second, third] };
                // The engine is on first, if for no time at all.
                if first == 0 {
                    self.go_on(errands);
                } else {
                    self.stand(first, true);
                }
            }
            Plan::Stand { at, left_ms: [0, 0] } => {
                let goal = loop {
                    let goal = errands.goal(&mut self.draws);
                    if goal != at {
                        break goal;
                    }
                };
                let end = nearer_end(at, goal);
                self.plan = Plan::Drive { at: end, goal, waited: false };
                self.drive(city, city.crossing(end), at.is_arterial());
            }
            Plan::Stand { at, left_ms: [0, on] } => {
                self.plan = Plan::Stand { at, left_ms: [0, 0] };
                self.stand(on, true);
            }
            Plan::Stand { at, left_ms: [off, on] } => {
                self.plan = Plan::Stand { at, left_ms: [0, on] };
                self.stand(off, false);
            }
            Plan::Drive { at, goal, waited } => {
                if !waited && self.draws.chance(RED_LIGHTS) {
                    let wait = self.draws.within(RED_LIGHT_MS.0, RED_LIGHT_MS.1) as u32;
                    self.plan = Plan::Drive { at, goal, waited: true };
                    self.stand(wait, true);
                } else if at == goal.from || at == goal.to() {
                    self.plan = Plan::Stop { at: goal };
                    self.drive(city, city.along(goal, SITE_SHARE), goal.is_arterial());
                } else {
                    let road = self.next_road(at, nearer_node(goal, at));
                    let next = if road.from == at { road.to() } else { road.from };
                    self.plan = Plan::Drive { at: next, goal, waited: false };
                    self.drive(city, city.crossing(next), road.is_arterial());
                }
            }
        }
    }

    /// Times of a stop: engine on, off, on again.
    fn stop_phases(&mut self, stops: StopTimes) -> [u32; 3] {
        let StopTimes { shortest_ms, longest_ms } = stops;
        let most = if self.draws.chance(0.7) {
            shortest_ms + (longest_ms - shortest_ms) / 4
        } else {
            longest_ms
        };
        let whole = self.draws.within(shortest_ms, most) as u32;
        match self.draws.below(10) {
            0..4 => [whole, 0, 0],
            4..8 => [0, whole, 0],
            _ => {
                let part = self.draws.within(1, i64::from(whole / 2).max(1)) as u32;
                [part, whole.saturating_sub(2 * part).max(1), part]
            }
        }
    }

    /// Eastward or northward, whichever is left; at random if both are.
    fn next_road(&mut self, at: Node, goal: Node) -> Road {
        let columns = i32::from(goal.column) - i32::from(at.column);
        let rows = i32::from(goal.row) - i32::from(at.row);
        let northward = columns == 0 || (rows != 0 && self.draws.chance(0.5));
        let from = match (northward, columns < 0, rows < 0) {
            (true, _, true) => Node { row: at.row - 1, ..at },
            (false, true, _) => Node { column: at.column - 1, ..at },
            _ => at,
        };
        Road { from, northward }
    }

    fn stand(&mut self, for_ms: u32, engine_on: bool) {
        let (place, start_ms) = (self.leg.to, self.leg.end_ms);
        let end_ms = start_ms + i64::from(for_ms.max(1));
        self.leg = Leg { from: place, to: place, start_ms, end_ms, engine_on, speed_mps: 0.0 };
    }

    fn drive(&mut self, city: &City, to: Position, arterial: bool) {
        let (from, start_ms) = (self.leg.to, self.leg.end_ms);
        let (low, high) = if arterial { (130, 180) } else { (70, 110) };
        let wanted_mps = self.draws.within(low, high) as f64 / 10.0;
        let length_m = city.scale().distance_m(from, to);
        let time_ms = ((length_m / wanted_mps * 1e3) as i64).max(1);
        let speed_mps = (length_m / time_ms as f64 * 1e3) as f32;
        self.leg =
            Leg { from, to, start_ms, end_ms: start_ms + time_ms, engine_on: true, speed_mps };
    }
}

impl Errands<'_> {
    fn goal(&self, draws: &mut Draws) -> Road {
        if self.sites > 0 && draws.chance(ERRANDS_TO_SITES) {
            site_of(self.city, self.seed, draws.below(self.sites.into()))
        } else {
            self.city.any_road(draws)
        }
    }
}

fn blocks_between(a: Node, b: Node) -> u32 {
    u32::from(a.column.abs_diff(b.column)) + u32::from(a.row.abs_diff(b.row))
}

/// The end of `road` that is nearer to `node`.
fn nearer_node(road: Road, node: Node) -> Node {
    let (from, to) = (road.from, road.to());
    if blocks_between(to, node) < blocks_between(from, node) { to } else { from }
}

/// The end of `road` by which one leaves it for `goal`.
fn nearer_end(road: Road, goal: Road) -> Node {
    nearer_node(road, goal.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        City::new(9, Position::from_degrees(48.0, 11.0).unwrap(), 12)
    }

    fn errands(city: &City) -> Errands<'_> {
        let stops = StopTimes { shortest_ms: 15_000, longest_ms: 600_000 };
        Errands { city, seed: 9, sites: 40, stops }
    }

    #[test]
    fn a_way_has_no_gaps_in_time_or_place_and_no_impossible_speed() {
        let city = city();
        let errands = errands(&city);
        for number in 0..50 {
            let mut driver = Driver::new(&errands, number, Role::Courier, None);
            let (mut stood, mut drove) = (0, 0);
            for _ in 0..300 {
                let before = *driver.leg();
                driver.go_on(&errands);
                let leg = *driver.leg();
                assert_eq!((leg.from, leg.start_ms), (before.to, before.end_ms));
                assert!(leg.end_ms > leg.start_ms);
                if leg.is_moving() {
                    drove += 1;
                    assert!((6.9..18.1).contains(&leg.speed_mps), "{leg:?}");
                    assert!(leg.engine_on);
                } else {
                    stood += 1;
                    assert_eq!(leg.speed_mps, 0.0);
                }
            }
            assert!(stood > 20 && drove > 20, "{stood} {drove}");
        }
    }

    #[test]
    fn the_first_leg_covers_the_start_of_the_run() {
        let city = city();
        let errands = errands(&city);
        for number in 0..100 {
            let driver = Driver::new(&errands, number, Role::Courier, None);
            assert!(driver.leg().start_ms <= 0 && driver.leg().end_ms > 0);
        }
        let place = Position { lat: 1, lon: 2 };
        let mut parked = Driver::new(&errands, 1, Role::Parked, Some(place));
        parked.go_on(&errands);
        assert_eq!((parked.leg().from, parked.leg().end_ms), (place, i64::MAX));
    }

    #[test]
    fn two_stops_in_a_row_at_different_places_are_far_apart() {
        let city = city();
        let errands = errands(&city);
        let mut driver = Driver::new(&errands, 3, Role::Courier, None);
        let mut last: Option<Position> = None;
        for _ in 0..2_000 {
            driver.go_on(&errands);
            let leg = driver.leg();
            if leg.is_moving() {
                continue;
            }
            if let Some(last) = last.filter(|&last| last != leg.from) {
                assert!(city.scale().distance_m(last, leg.from) > 50.0);
            }
            last = Some(leg.from);
        }
    }
}
