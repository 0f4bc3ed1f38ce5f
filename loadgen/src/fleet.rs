//! All vehicles in the order of their fixes, and the truth as it comes about.
//!
//! One pass, in bounded memory: a vehicle costs its driver, its last fix and
//! what is open of its truth. Vehicles take turns, so that the schedule alone
//! says when each looks; hot vehicles take an extra share of the turns.

use geofence::Position;

use crate::draws::{Draws, key};
use crate::fences::Fences;
use crate::schedule::{Curve, DueTimes};
use crate::truth::{Expect, Piece, Record, Scratch, Tracker, TrueFix};
use crate::windows::Windows;
use crate::world::{City, Driver, Errands, Role, StopTimes};

/// What a fleet is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetPlan {
    /// The seed of everything.
    pub seed: u64,
    /// Vehicles, at least 1.
    pub vehicles: u32,
    /// How long stops last.
    pub stops: StopTimes,
    /// Sites that drivers are sent to.
    pub sites: u32,
    /// Share of vehicles that stand with the engine off.
    pub parked: f64,
    /// Share of vehicles that stand with the engine running.
    pub idling: f64,
    /// Share of vehicles that stand exactly on a fence's edge.
    pub on_edge: f64,
    /// Share of vehicles that never tell whether their engine runs.
    pub no_ignition: f64,
    /// Vehicles with a share of the pings of their own, and that share.
    pub hot: Option<Hot>,
    /// Tunnels and dead zones: times without any fix.
    pub gaps: Option<Windows>,
}

/// Vehicles that look far more often than others.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hot {
    /// How many.
    pub vehicles: u32,
    /// Their share of all pings, together.
    pub share: f64,
}

/// One look of one vehicle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Number of the vehicle.
    pub vehicle: u32,
    /// Counts its fixes from 1.
    pub seq: u32,
    /// When, milliseconds since the start of the run.
    pub t_ms: i64,
    /// Where it really is.
    pub position: Position,
    /// Its real speed, metres per second.
    pub speed_mps: f32,
    /// Its real course, degrees clockwise from north; `None` while it stands.
    pub heading_deg: Option<f32>,
    /// Whether its engine runs; `None` if it never tells.
    pub engine_on: Option<bool>,
}

struct Vehicle {
    driver: Driver,
    tracker: Tracker,
    seq: u32,
    tells_engine: bool,
    /// Since when it has been standing on its present leg, or the legs before
    /// it.
    standing_since_ms: Option<i64>,
    /// Since when the engine has been as it is.
    engine_since_ms: i64,
}

/// The vehicles under way.
pub struct Fleet<'w> {
    plan: &'w FleetPlan,
    errands: Errands<'w>,
    fences: &'w Fences,
    expect: &'w Expect,
    due: DueTimes<'w>,
    length_ms: i64,
    vehicles: Vec<Vehicle>,
    /// Turns so far, and those of them that were not a hot vehicle's.
    slot: u64,
    turn: u64,
    way: Vec<Piece>,
    scratch: Scratch,
}

impl<'w> Fleet<'w> {
    /// The fleet at the start of the run.
    #[must_use]
    pub fn new(
        plan: &'w FleetPlan,
        city: &'w City,
        fences: &'w Fences,
        expect: &'w Expect,
        curve: &'w Curve,
    ) -> Self {
        let errands = Errands { city, seed: plan.seed, sites: plan.sites, stops: plan.stops };
        let edges = fences.edge_places();
        let vehicle = |number| Vehicle::new(plan, &errands, &edges, number);
        Self {
            plan,
            errands,
            fences,
            expect,
            due: curve.due_times(),
            length_ms: curve.length_ms(),
            vehicles: (0..plan.vehicles.max(1)).map(vehicle).collect(),
            slot: 0,
            turn: 0,
            way: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// The next fix, in order of time; what it makes known of the truth goes to
    /// `take`. `None` at the end of the schedule, after [`Self::end`] is due.
    pub fn next_fix(&mut self, take: &mut dyn FnMut(Record)) -> Option<Fix> {
        loop {
            let t_ms = self.due.next()?;
            let number = self.whose_turn();
            if self.plan.is_silent(number, t_ms) {
                continue;
            }
            let vehicle = &mut self.vehicles[number as usize];
            // A vehicle looks at most once a millisecond.
            if vehicle.tracker.last().is_some_and(|last| last.0 >= t_ms) {
                continue;
            }
            return Some(self.look(number, t_ms, take));
        }
    }

    /// Ends the run at `t_ms` if it has not ended before.
    pub fn cut(&mut self, t_ms: i64) {
        self.length_ms = self.length_ms.min(t_ms);
    }

    /// Tells what the end of the run decides.
    pub fn end(&mut self, take: &mut dyn FnMut(Record)) {
        for (number, vehicle) in self.vehicles.iter_mut().enumerate() {
            let world = (self.fences, self.expect);
            vehicle.tracker.end(world, number as u32, self.length_ms, take);
        }
    }

    fn whose_turn(&mut self) -> u32 {
        let count = self.vehicles.len() as u64;
        if let Some(hot) = self.plan.hot {
            self.slot += 1;
            let mut draws = Draws::new(key(self.plan.seed, "turn", self.slot));
            if draws.chance(hot.share) {
                return draws.below(u64::from(hot.vehicles).clamp(1, count)) as u32;
            }
        }
        let number = self.turn % count;
        self.turn += 1;
        number as u32
    }

    fn look(&mut self, number: u32, t_ms: i64, take: &mut dyn FnMut(Record)) -> Fix {
        let vehicle = &mut self.vehicles[number as usize];
        let true_fix = vehicle.drive_to(t_ms, &self.errands, &mut self.way);
        let world = (self.fences, self.expect);
        vehicle.tracker.step(world, number, &self.way, &true_fix, &mut self.scratch, take);
        vehicle.seq += 1;
        let leg = vehicle.driver.leg();
        Fix {
            vehicle: number,
            seq: vehicle.seq,
            t_ms,
            position: true_fix.position,
            speed_mps: leg.speed_mps,
            heading_deg: leg.is_moving().then(|| self.errands.city.heading_deg(leg.from, leg.to)),
            engine_on: true_fix.engine.map(|(on, _)| on),
        }
    }
}

impl FleetPlan {
    /// Whether a vehicle has no fix then.
    fn is_silent(&self, vehicle: u32, t_ms: i64) -> bool {
        self.gaps.is_some_and(|gaps| gaps.around(self.seed, "gap", vehicle, t_ms).is_some())
    }
}

impl Vehicle {
    fn new(plan: &FleetPlan, errands: &Errands<'_>, edges: &[Position], number: u32) -> Self {
        let mut draws = Draws::new(key(plan.seed, "vehicle", number.into()));
        let share = draws.unit();
        let (role, place) = if share < plan.on_edge && !edges.is_empty() {
            (Role::Parked, Some(edges[draws.below(edges.len() as u64) as usize]))
        } else if share < plan.on_edge + plan.parked {
            (Role::Parked, None)
        } else if share < plan.on_edge + plan.parked + plan.idling {
            (Role::Idling, None)
        } else {
            (Role::Courier, None)
        };
        let driver = Driver::new(errands, number, role, place);
        let leg = driver.leg();
        Self {
            standing_since_ms: (!leg.is_moving()).then_some(leg.start_ms),
            engine_since_ms: leg.start_ms,
            tells_engine: !draws.chance(plan.no_ignition),
            tracker: Tracker::default(),
            seq: 0,
            driver,
        }
    }

    /// Drives until `t_ms`, fills `way` with how it came from the last fix, and
    /// looks.
    fn drive_to(&mut self, t_ms: i64, errands: &Errands<'_>, way: &mut Vec<Piece>) -> TrueFix {
        way.clear();
        let mut here = self.tracker.last();
        let mut stood_until_ms = None;
        while self.driver.leg().end_ms <= t_ms {
            let before = *self.driver.leg();
            push_piece(way, &mut here, before.to, before.end_ms);
            self.driver.go_on(errands);
            let leg = self.driver.leg();
            if leg.engine_on != before.engine_on {
                self.engine_since_ms = leg.start_ms;
            }
            if leg.is_moving() {
                if self.standing_since_ms.take().is_some() {
                    stood_until_ms = stood_until_ms.or(Some(leg.start_ms));
                }
            } else {
                self.standing_since_ms = self.standing_since_ms.or(Some(leg.start_ms));
            }
        }
        let leg = self.driver.leg();
        let position = leg.position(t_ms);
        push_piece(way, &mut here, position, t_ms);
        TrueFix {
            t_ms,
            position,
            standing_since_ms: self.standing_since_ms,
            engine: self.tells_engine.then_some((leg.engine_on, self.engine_since_ms)),
            stood_until_ms,
        }
    }
}

/// Goes on to `to`; without a place to come from, before the first fix, it does
/// not count.
fn push_piece(way: &mut Vec<Piece>, here: &mut Option<(i64, Position)>, to: Position, end_ms: i64) {
    if let Some((start_ms, from)) = here
        && end_ms > *start_ms
    {
        way.push(Piece { from: *from, to, start_ms: *start_ms, end_ms });
        *here = Some((end_ms, to));
    }
}

#[cfg(test)]
mod tests;
