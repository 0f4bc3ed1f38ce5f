//! Random worlds: fences, changes of them, and vehicles that park on edges,
//! drive through, vanish for a while and report nonsense.

use std::sync::Arc;

use geofence::{
    Circle, Fence, FenceSet, FenceSettings, Input, OnSilence, Ping, Position, Settings, Shape,
    TagChanges, TimeMs,
};

use super::fleet::{Shard, at, robust};
use super::hours::Hours;
use super::random::Random;
use super::support::{corridor, multi, polygon, ring};

/// Metres in a degree at 50 N.
const EAST_M: f64 = 71_700.0;
const NORTH_M: f64 = 111_230.0;
/// Longest a ping or a change is on its way; the hot lateness is 15 min.
const DELAY_S_MAX: f64 = 600.0;

/// Everything that happens, in order of event time.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) fences: Vec<Fence>,
    /// Later fence sets by the time from which they hold.
    pub(crate) changes: Vec<(i64, Vec<Fence>)>,
    /// Changes of the vehicles' tags, likewise; `i64::MIN` for tags to begin
    /// with.
    pub(crate) tags: Vec<(i64, TagChanges)>,
    /// By vehicle, each in order of time.
    pub(crate) pings: Vec<Vec<Ping>>,
    pub(crate) end_ms: i64,
}

/// A world as it comes in.
pub(crate) struct Delivery {
    pub(crate) settings: Settings,
    pub(crate) segments: Vec<Segment>,
}

/// What one apply takes in.
pub(crate) struct Segment {
    pub(crate) inputs: Vec<Input>,
    pub(crate) now: TimeMs,
    pub(crate) restart_follows: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let settings = Settings {
            dwell_s: vec![60, 300],
            confirm_ttl_ms: *random.pick(&[60_000, 600_000]),
            exit_confirm: *random.pick(&[1, 2, 2, 3]),
            min_inside_ms: *random.pick(&[0, 0, 0, 90_000]),
            ..robust()
        };
        let own: Vec<(FenceSettings, Option<Hours>)> =
            (0..8).map(|_| (own_settings(&mut random), Hours::some(&mut random))).collect();
        let fences = some_fences(&mut random, &own);
        let pings: Vec<Vec<Ping>> =
            (0..1 + random.whole(2)).map(|i| drive(&mut random, &format!("v{i}"))).collect();
        let last_ms = |pings: &Vec<Ping>| pings.last().unwrap().event_time.0;
        let end_ms = pings.iter().map(last_ms).max().unwrap();
        // Not before every vehicle has been heard of, however late: the set
        // that a shard starts with holds since ever.
        let first_ms = pings.iter().map(|pings| pings[0].event_time.0).max().unwrap();
        let mut valid_from = first_ms + DELAY_S_MAX as i64 * 1000;
        let mut changes = vec![];
        for _ in 0..random.whole(5) {
            valid_from += random.between(1.0, 900_000.0) as i64;
            if valid_from <= end_ms {
                changes.push((valid_from, some_fences(&mut random, &own)));
            }
        }
        let tags = some_tags(&mut random, pings.len(), first_ms, end_ms);
        Self { settings, fences, changes, tags, pings, end_ms }
    }

    /// All in order, one by one.
    pub(crate) fn in_order(&self) -> Shard {
        let mut shard = Shard::new(self.settings.clone(), self.fences.clone());
        let mut pings: Vec<&Ping> = self.pings.iter().flatten().collect();
        pings.sort_by_key(|ping| ping.event_time);
        let mut changes = self.inputs();
        changes.sort_by_key(|(valid_from, _)| *valid_from);
        let mut changes = changes.into_iter().peekable();
        for ping in pings {
            while let Some((valid_from, input)) =
                changes.next_if(|change| change.0 <= ping.event_time.0)
            {
                shard.apply(input, TimeMs(valid_from));
            }
            shard.run(vec![ping.clone()]);
        }
        shard.apply(Input::End { end: TimeMs(self.end_ms) }, TimeMs::MIN);
        shard
    }

    /// The changes of fences, then those of tags, by their times.
    fn inputs(&self) -> Vec<(i64, Input)> {
        let fences = self.changes.iter().map(|(valid_from, fences)| {
            let set = Arc::new(FenceSet::new(fences.clone()).unwrap());
            (*valid_from, Input::Fences { set, valid_from: TimeMs(*valid_from) })
        });
        let tags = self.tags.iter().map(|(valid_from, changes)| {
            let changes = changes.clone();
            (*valid_from, Input::Tags { changes, valid_from: TimeMs(*valid_from) })
        });
        fences.chain(tags).collect()
    }

    /// Delayed, duplicated, in batches, with restarts.
    pub(crate) fn out_of_order(&self, seed: u64) -> Shard {
        let Delivery { settings, segments } = self.delivered(seed);
        let mut shard = Shard::new(settings, self.fences.clone());
        for segment in segments {
            shard.segment(&segment.inputs, segment.now);
            if segment.restart_follows {
                shard.restart();
            }
        }
        shard.apply(Input::End { end: TimeMs(self.end_ms) }, TimeMs::MIN);
        shard
    }

    /// The same as input, all but its end.
    pub(crate) fn delivered(&self, seed: u64) -> Delivery {
        let mut random = Random::new(seed);
        let settings = Settings {
            reorder_delay_ms: *random.pick(&[0, 2_000, 60_000]),
            ..self.settings.clone()
        };
        let delay_s_max = *random.pick(&[5.0, 60.0, DELAY_S_MAX]);
        let restarts = random.chance(0.5);
        let delay = |random: &mut Random| (random.share() * delay_s_max * 1000.0) as i64;

        let assumes = settings.on_silence == OnSilence::Assume;
        let mut arrivals: Vec<(i64, Input)> = vec![];
        let mut add = |mut ping: Ping, arrival: i64| {
            ping.receive_time = TimeMs(arrival);
            // The boldest low mark: nothing is on its way. It is never right.
            let low_mark = assumes.then_some(TimeMs(arrival.min(self.end_ms)));
            let run = geofence::PingRun { pings: vec![ping], low_mark, ..Default::default() };
            arrivals.push((arrival, Input::Pings(run)));
        };
        for ping in self.pings.iter().flatten() {
            let arrival = ping.event_time.0 + delay(&mut random);
            add(ping.clone(), arrival);
            if random.chance(0.05) {
                add(ping.clone(), ping.event_time.0 + delay(&mut random));
            }
        }
        // Changes of one kind are uploaded in their order.
        let mut uploaded = [i64::MIN; 2];
        for (valid_from, input) in self.inputs() {
            let uploaded = &mut uploaded[usize::from(matches!(input, Input::Tags { .. }))];
            if valid_from > i64::MIN {
                *uploaded = valid_from.max(*uploaded).max(valid_from + delay(&mut random));
            }
            arrivals.push((*uploaded, input));
        }
        arrivals.sort_by_key(|(arrival, _)| *arrival);

        let mut segments = vec![];
        let mut rest = arrivals.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(1 + random.whole(12)));
            rest = later;
            segments.push(Segment {
                inputs: batch.iter().map(|(_, input)| input.clone()).collect(),
                now: TimeMs(batch.last().unwrap().0),
                restart_follows: restarts && random.chance(0.1),
            });
        }
        Delivery { settings, segments }
    }
}

fn own_settings(random: &mut Random) -> FenceSettings {
    FenceSettings {
        dwell_s: random.chance(0.2).then(|| vec![120]),
        exit_confirm: random.chance(0.2).then(|| 1 + random.whole(3) as u32),
        min_inside_s: random.chance(0.2).then(|| random.whole(200) as u32),
    }
}

fn some_fences(random: &mut Random, own: &[(FenceSettings, Option<Hours>)]) -> Vec<Fence> {
    let mut fences = vec![];
    for (i, (settings, hours)) in own.iter().enumerate() {
        if random.chance(0.8) {
            let id = format!("f{i}");
            let (settings, shape) = (settings.clone(), some_shape(random));
            let other = if random.chance(0.1) { Hours::some(random) } else { hours.clone() };
            let schedule = other.map(|hours| Arc::new(hours.schedule()));
            let tags = if random.chance(0.4) { a_list_of_tags(random) } else { vec![] };
            fences.push(Fence { name: id.clone(), id, tags, schedule, settings, shape });
        }
    }
    fences
}

fn a_list_of_tags(random: &mut Random) -> Vec<String> {
    let lists: [&[&str]; 4] = [&[], &["a"], &["b"], &["a", "b"]];
    random.pick(&lists).iter().map(|tag| (*tag).to_owned()).collect()
}

/// None in every other world; in some from the start on.
fn some_tags(
    random: &mut Random,
    vehicles: usize,
    first_ms: i64,
    end_ms: i64,
) -> Vec<(i64, TagChanges)> {
    let mut tags = vec![];
    if random.chance(0.5) {
        return tags;
    }
    let change = |random: &mut Random| {
        let ids = (0..vehicles).filter(|_| random.chance(0.7)).collect::<Vec<_>>();
        let vehicles = ids.iter().map(|i| (format!("v{i}"), a_list_of_tags(random))).collect();
        TagChanges { vehicles, is_whole: random.chance(0.5) }
    };
    if random.chance(0.5) {
        tags.push((i64::MIN, change(random)));
    }
    let mut valid_from = first_ms + DELAY_S_MAX as i64 * 1000;
    for _ in 0..1 + random.whole(5) {
        valid_from += random.between(1.0, 900_000.0) as i64;
        if valid_from <= end_ms {
            tags.push((valid_from, change(random)));
        }
    }
    tags
}

/// Somewhere in 10.00–10.04 × 50.00–50.02, coarse so that versions and
/// neighbours share edges.
fn some_shape(random: &mut Random) -> Shape {
    let place =
        |random: &mut Random, cells: usize, from: f64| from + random.whole(cells) as f64 * 0.005;
    let (west, south) = (place(random, 8, 10.0), place(random, 4, 50.0));
    let (east, north) = (west + *random.pick(&[0.002, 0.005, 0.01]), south + 0.005);
    match random.whole(5) {
        0 => {
            let center = Position::from_degrees(south, west).unwrap();
            Shape::Circle(Circle::new(center, *random.pick(&[20.0, 50.0, 300.0])).unwrap())
        }
        1 => corridor(&format!("[[{west},{south}],[{east},{north}],[{east},50.03]]"), 40.0),
        2 => polygon(&format!(
            "[{},{}]",
            ring(west, south, west + 0.01, south + 0.01),
            ring(west + 0.002, south + 0.002, west + 0.008, south + 0.008)
        )),
        3 => multi(&format!(
            "[[{}],[{}]]",
            ring(west, south, east, north),
            ring(east + 0.001, south, east + 0.003, north)
        )),
        _ => polygon(&format!("[{}]", ring(west, south, east, north))),
    }
}

/// One vehicle's pings: legs of driving and parking, seen with noise.
fn drive(random: &mut Random, id: &str) -> Vec<Ping> {
    let mut pings = vec![];
    let (mut lon, mut lat) = (random.between(9.995, 10.045), random.between(49.995, 50.025));
    let mut s = random.between(0.0, 20.0);
    let mut interval_s = *random.pick(&[1.0, 5.0, 15.0, 30.0, 60.0]);
    let mut velocity = (0.0, 0.0);
    let mut noise_m = 3.0;
    for _ in 0..60 + random.whole(120) {
        if random.chance(0.06) {
            interval_s = *random.pick(&[1.0, 5.0, 15.0, 30.0, 60.0]);
            let speed = *random.pick(&[0.0, 0.0, 2.0, 10.0, 25.0]);
            let to = (random.between(9.998, 10.042), random.between(49.998, 50.022));
            let (east, north) = ((to.0 - lon) * EAST_M, (to.1 - lat) * NORTH_M);
            let length = (east * east + north * north).sqrt().max(1.0);
            velocity = (east / length * speed, north / length * speed);
            noise_m = *random.pick(&[1.0, 3.0, 8.0, 25.0]);
            if speed == 0.0 && random.chance(0.6) {
                // Park on a line of the grid that shapes are drawn on.
                lon = (lon / 0.005).round() * 0.005;
            }
        }
        let mut step_s = interval_s * random.between(0.9, 1.1);
        if random.chance(0.02) {
            step_s += *random.pick(&[130.0, 300.0, 800.0, 2_000.0]);
        }
        s += step_s;
        lon += velocity.0 * step_s / EAST_M;
        lat += velocity.1 * step_s / NORTH_M;
        let outlier_m = match random.whole(100) {
            0 => 20_000.0,
            1 => 2_000.0,
            2 => 700.0,
            3..6 => 150.0,
            _ => 0.0,
        };
        let east = noise_m * random.normal() + outlier_m * random.between(-1.0, 1.0);
        let north = noise_m * random.normal() + outlier_m * random.between(-1.0, 1.0);
        // On the edge itself now and then.
        let seen = if random.chance(0.05) {
            ((lon / 0.005).round() * 0.005, (lat / 0.005).round() * 0.005)
        } else {
            (lon + east / EAST_M, lat + north / NORTH_M)
        };
        let mut ping = at(s, seen.0, seen.1).of(id);
        ping.wire.accuracy_m =
            *random.pick(&[None, Some(3.0), Some(5.0), Some(8.0), Some(30.0), Some(120.0)]);
        if random.chance(0.05) {
            ping.wire.accuracy_m = *random.pick(&[Some(200.0), Some(201.0), Some(500.0)]);
        }
        ping.wire.ignition = *random.pick(&[None, Some(true), Some(true), Some(false)]);
        pings.push(ping.ping());
    }
    pings
}
