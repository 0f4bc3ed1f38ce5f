//! Random worlds: fences that overlap, nest and touch, vehicles that move and
//! stand among them, and the many ways in which their pings can arrive.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use geofence::{FenceSet, Input, OnSilence, Ping, Position, Settings, TagChanges, TimeMs};
use proptest::prelude::*;

use super::{Epoch, Rects, Tagging};
use crate::support::pings::ping_ms;
use crate::support::shard::{plain, run};
use crate::support::{feature, parse, ring};

/// Start of every world, milliseconds; nothing special.
pub const START_MS: i64 = 1_700_000_000_000;

/// A world and one way in which it was learnt.
#[derive(Clone)]
pub struct World {
    pub settings: Settings,
    pub pings: Vec<Ping>,
    pub epochs: Vec<Epoch>,
    pub tags: Vec<Tagging>,
    /// Segments in order, each with the clock it was applied at; the last one
    /// ends the input.
    pub segments: Vec<(Vec<Input>, TimeMs)>,
    pub end: TimeMs,
}

/// One line for each segment: a world has thousands of numbers.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |t: TimeMs| t.since(TimeMs(START_MS)) as f64 / 1000.0;
        let delay = self.settings.reorder_delay_ms;
        writeln!(f, "reorder_delay {delay}, engine on {}", self.settings.assume_engine_on)?;
        for (inputs, now) in &self.segments {
            writeln!(f, "segment at {}", s(*now))?;
            for input in inputs {
                match input {
                    Input::Pings(run) => {
                        for ping in &run.pings {
                            let Position { lat, lon } = ping.position;
                            writeln!(
                                f,
                                "  {} @{} ({}, {}) acc {:?} speed {:?} engine {:?} {:?} seq {}",
                                ping.vehicle_id,
                                s(ping.event_time),
                                lon - 100_000_000,
                                lat - 500_000_000,
                                ping.accuracy_m,
                                ping.speed_mps,
                                ping.ignition,
                                ping.engine_rpm,
                                ping.seq,
                            )?;
                        }
                    }
                    Input::Fences { set, valid_from } => {
                        let ids: Vec<_> = set.fences().iter().map(|fence| &fence.id).collect();
                        writeln!(f, "  fences {ids:?} from {}", s(*valid_from))?;
                    }
                    Input::Tags { changes, valid_from } => {
                        writeln!(f, "  tags {:?} from {}", changes.vehicles, s(*valid_from))?;
                    }
                    Input::End { end } => writeln!(f, "  end {}", s(*end))?,
                    other => writeln!(f, "  {other:?}")?,
                }
            }
        }
        Ok(())
    }
}

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Scale {
    pub vehicles: Range<usize>,
    pub pings: Range<usize>,
    /// Steps between pings, milliseconds.
    pub steps_ms: Vec<i64>,
    pub hot_lateness_ms: i64,
    pub fence_changes: bool,
}

impl Scale {
    /// Few pings, many corners.
    pub fn small() -> Self {
        Self {
            vehicles: 1..4,
            pings: 1..24,
            steps_ms: vec![
                0, 1, 1_000, 20_000, 60_000, 100_000, 200_000, 200_001, 400_000, 1_000_000,
            ],
            hot_lateness_ms: 900_000,
            fence_changes: true,
        }
    }

    /// Windows of several checkpoints, which are left behind again.
    pub fn long() -> Self {
        Self {
            vehicles: 1..3,
            pings: 150..500,
            steps_ms: vec![0, 1_000, 2_000, 5_000, 5_000, 10_000],
            hot_lateness_ms: 900_000,
            fence_changes: true,
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    step: prop::sample::Index,
    place: usize,
    accuracy: Option<f64>,
    speed: Option<f64>,
    ignition: Option<bool>,
    rpm: Option<f64>,
    seq: Option<u64>,
    /// Share of the hot lateness by which it arrives later than it was taken.
    delay: f64,
    /// The same for a copy.
    copy: Option<f64>,
}

fn step() -> impl Strategy<Value = Step> {
    let place = prop_oneof![3 => 0..PLACES.len(), 3 => Just(0_usize), 2 => Just(1_usize)];
    let accuracy = prop_oneof![
        6 => Just(Some(5.0)), 1 => Just(Some(4.0)), 1 => Just(Some(25.0)), 1 => Just(None)
    ];
    let speed = prop_oneof![4 => Just(None), 2 => Just(Some(0.0)), 1 => Just(Some(9.0))];
    let ignition = prop_oneof![5 => Just(Some(true)), 2 => Just(None), 1 => Just(Some(false))];
    let rpm = prop_oneof![6 => Just(None), 1 => Just(Some(800.0)), 1 => Just(Some(0.0))];
    let seq = prop_oneof![3 => Just(None), 1 => (0_u64..3).prop_map(Some)];
    let delay = prop_oneof![3 => Just(0.0), 2 => 0.0..0.05, 2 => 0.0..1.0];
    let copy = prop::option::weighted(0.15, 0.0..1.0);
    (any::<prop::sample::Index>(), place, accuracy, speed, ignition, rpm, seq, delay, copy)
        .prop_map(|(step, place, accuracy, speed, ignition, rpm, seq, delay, copy)| Step {
            step,
            place,
            accuracy,
            speed,
            ignition,
            rpm,
            seq,
            delay,
            copy,
        })
}

/// Longitude and latitude, 1e-7 degrees, from (10, 50): a parking place with
/// its noise, then places in, on and between the fences.
const PLACES: [(i32, i32); 16] = [
    (50_000, 50_000),
    (50_900, 50_500),
    (52_800, 50_000),
    (54_500, 50_000),
    (49_000, 47_200),
    (-50_000, 50_000),
    (0, 50_000),
    (100_000, 50_000),
    (100_001, 50_000),
    (100_000, 100_000),
    (150_000, 50_000),
    (150_400, 50_000),
    (250_000, 50_000),
    (350_000, 150_000),
    (-150_000, -150_000),
    (50_000, 100_000),
];

/// Rectangles by west, south, east, north, 1e-7 degrees from (10, 50).
fn fence(id: &str, rects: &[[i32; 4]], dwell_s: &[u32]) -> Rects {
    let moved = |[w, s, e, n]: [i32; 4]| {
        [100_000_000 + w, 500_000_000 + s, 100_000_000 + e, 500_000_000 + n]
    };
    Rects {
        id: id.into(),
        rects: rects.iter().map(|rect| moved(*rect)).collect(),
        dwell_s: dwell_s.to_vec(),
        open: None,
        tags: vec![],
    }
}

/// All sets that a world may put in force.
fn sets() -> Vec<Vec<Rects>> {
    let yard = fence("yard", &[[0, 0, 100_000, 100_000]], &[60, 300]);
    let inner = fence("inner", &[[40_000, 40_000, 60_000, 60_000]], &[]);
    let next = fence("next", &[[100_000, 0, 200_000, 100_000]], &[120]);
    let split = fence("split", &[[0, 0, 60_000, 60_000], [240_000, 0, 360_000, 200_000]], &[600]);
    let small = fence("yard", &[[0, 0, 45_000, 100_000]], &[60, 300]);
    let grown = fence("inner", &[[-60_000, 0, 110_000, 100_000]], &[]);
    // Worlds begin at 22:13:20.
    let open = |fence: &Rects, open: (i64, i64)| Rects { open: Some(open), ..fence.clone() };
    let van = |fence: &Rects| Rects { tags: vec!["van".into()], ..fence.clone() };
    vec![
        vec![yard.clone(), inner.clone(), open(&next, (1_334, 1_350)), split.clone()],
        vec![small, inner, next.clone(), split.clone()],
        vec![open(&yard, (1_335, 1_336)), van(&grown), split.clone()],
        vec![],
        vec![next.clone(), van(&yard), grown.clone()],
        vec![van(&open(&yard, (0, 1_340))), open(&grown, (1_345, 1_440)), van(&split), next],
    ]
}

pub fn all_sets() -> Vec<FenceSet> {
    sets().iter().map(|set| fence_set(set)).collect()
}

/// One of [`sets`]. Built once: a year of opening hours takes long to lay out.
pub fn fence_set(fences: &[Rects]) -> FenceSet {
    static BUILT: OnceLock<Vec<(Vec<Rects>, FenceSet)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let with_set = |fences: Vec<Rects>| {
            let set = build_set(&fences);
            (fences, set)
        };
        sets().into_iter().map(with_set).collect()
    });
    let (_, set) = built.iter().find(|(known, _)| known == fences).unwrap();
    set.clone()
}

fn build_set(fences: &[Rects]) -> FenceSet {
    let degrees = |units: i32| f64::from(units) / 1e7;
    let features: Vec<String> = fences
        .iter()
        .map(|fence| {
            let polygons: Vec<String> = fence
                .rects
                .iter()
                .map(|[w, s, e, n]| {
                    format!("[{}]", ring(degrees(*w), degrees(*s), degrees(*e), degrees(*n)))
                })
                .collect();
            let coordinates = format!("[{}]", polygons.join(","));
            let mut own = format!(r#","dwell_s":{:?},"tags":{:?}"#, fence.dwell_s, fence.tags);
            if let Some((opens, closes)) = fence.open {
                let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
                let span = format!("{}-{}", clock(opens), clock(closes));
                let week = format!(r#"{{"mon-sun":["{span}"]}}"#);
                own.push_str(&format!(r#","schedule":{{"zone":"UTC","week":{week}}}"#));
            }
            feature(&fence.id, "MultiPolygon", &coordinates, &own)
        })
        .collect();
    let parsed = parse(&features);
    assert!(parsed.refusals.is_empty(), "{:?}", parsed.refusals);
    parsed.set
}

/// A change of the tags of all vehicles.
#[derive(Clone, Debug)]
struct Naming {
    /// Which vehicles are vans, by number.
    vans: [bool; 3],
    at: f64,
    delay: f64,
}

#[derive(Clone, Debug)]
struct Change {
    set: usize,
    /// Place in the span of the world.
    at: f64,
    delay: f64,
}

/// A world of this scale.
pub fn world(scale: Scale) -> impl Strategy<Value = World> {
    let change = (0..sets().len(), 0.0..1.0, 0.0..0.5);
    let changes = if scale.fence_changes { 0..4_usize } else { 0..1 };
    let changes = prop::collection::vec(
        change.prop_map(|(set, at, delay)| Change { set, at, delay }),
        changes,
    );
    let naming = (any::<[bool; 3]>(), 0.0..1.0, 0.0..0.5);
    let namings = if scale.fence_changes { 0..4_usize } else { 0..1 };
    let namings = prop::collection::vec(
        naming.prop_map(|(vans, at, delay)| Naming { vans, at, delay }),
        namings,
    );
    let vehicles = prop::collection::vec(
        prop::collection::vec(step(), scale.pings.clone()),
        scale.vehicles.clone(),
    );
    let batches = prop::collection::vec(1_usize..12, 1..20);
    let clocks = prop::collection::vec(0_i64..30_000, 1..20);
    let on_silence = prop::sample::select(vec![OnSilence::Wait, OnSilence::Assume]);
    let knobs = (any::<bool>(), any::<bool>(), 0..3_i64, on_silence);
    (vehicles, (changes, namings), batches, clocks, knobs).prop_map(
        move |(vehicles, changes, batches, clocks, knobs)| {
            build(&scale, vehicles, changes, &batches, &clocks, knobs)
        },
    )
}

fn build(
    scale: &Scale,
    vehicles: Vec<Vec<Step>>,
    (changes, namings): (Vec<Change>, Vec<Naming>),
    batches: &[usize],
    clocks: &[i64],
    (delayed, assume_engine_on, end_slack, on_silence): (bool, bool, i64, OnSilence),
) -> World {
    let settings = Settings {
        reorder_delay_ms: if delayed { 2_000 } else { 0 },
        hot_lateness_ms: scale.hot_lateness_ms,
        stationary_after_ms: 120_000,
        idle_after_ms: 100_000,
        assume_engine_on,
        on_silence,
        // Marks as bold as here would have vehicles offline that speak.
        offline_after_ms: 1 << 40,
        ..plain()
    };
    let lateness = scale.hot_lateness_ms as f64;
    let mut arrivals: Vec<(i64, Ping)> = Vec::new();
    for (i, steps) in vehicles.iter().enumerate() {
        let mut t = START_MS + i as i64 * 777;
        for step in steps {
            t += *step.step.get(&scale.steps_ms);
            let (lon, lat) = PLACES[step.place];
            let made = ping_ms(t, 10.0 + f64::from(lon) / 1e7, 50.0 + f64::from(lat) / 1e7)
                .of(&format!("v{i}"))
                .accuracy(step.accuracy)
                .speed(step.speed)
                .ignition(step.ignition)
                .rpm(step.rpm)
                .seq(step.seq);
            for delay in [Some(step.delay), step.copy].into_iter().flatten() {
                let arrival = t + (delay * lateness) as i64;
                arrivals.push((arrival, made.clone().received_ms(arrival).done()));
            }
        }
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let last = arrivals.iter().map(|(_, ping)| ping.event_time.0).max().unwrap();
    let end = TimeMs(last + [0, 150_000, 200_001][end_slack as usize]);

    let all = sets();
    let mut epochs = vec![(TimeMs::MIN, all[0].clone())];
    let mut changes: Vec<(i64, usize, f64)> = changes
        .iter()
        .map(|change| {
            let at = START_MS + ((last - START_MS) as f64 * change.at) as i64;
            (at, change.set, change.delay)
        })
        .collect();
    changes.sort_by_key(|(at, ..)| *at);
    changes.dedup_by_key(|(at, ..)| *at);
    // A change arrives when it is valid or up to half the lateness later, in order.
    let mut fence_arrivals: Vec<(i64, Input)> = Vec::new();
    for (at, set, delay) in changes {
        let before = fence_arrivals.last().map_or(0, |(arrival, _)| *arrival);
        let arrival = (at + (delay * lateness) as i64).max(before);
        if arrival >= at + scale.hot_lateness_ms || at == START_MS {
            continue;
        }
        let valid_from = TimeMs(at);
        fence_arrivals.push((
            arrival,
            Input::Fences { set: std::sync::Arc::new(fence_set(&all[set])), valid_from },
        ));
        epochs.push((valid_from, all[set].clone()));
    }

    let mut tags: Vec<Tagging> = Vec::new();
    let mut namings: Vec<(i64, Naming)> = namings
        .into_iter()
        .map(|naming| (START_MS + ((last - START_MS) as f64 * naming.at) as i64, naming))
        .collect();
    namings.sort_by_key(|(at, _)| *at);
    namings.dedup_by_key(|(at, _)| *at);
    let mut named_last = 0;
    for (at, naming) in namings {
        let arrival = (at + (naming.delay * lateness) as i64).max(named_last);
        if arrival >= at + scale.hot_lateness_ms || at == START_MS {
            continue;
        }
        named_last = arrival;
        let valid_from = TimeMs(at);
        let list = |is_van: bool| if is_van { vec!["van".to_owned()] } else { vec![] };
        let vehicles: BTreeMap<String, Vec<String>> = (0..)
            .zip(naming.vans)
            .map(|(i, is_van): (i32, bool)| (format!("v{i}"), list(is_van)))
            .collect();
        fence_arrivals.push((arrival, tags_input(&vehicles, valid_from)));
        tags.push((valid_from, vehicles));
    }
    fence_arrivals.sort_by_key(|(arrival, _)| *arrival);

    let pings = arrivals.iter().map(|(_, ping)| ping.clone()).collect();
    let mut segments = cut(arrivals, fence_arrivals, batches, clocks, end);
    if on_silence == OnSilence::Assume {
        mark_boldly(&mut segments, end);
    }
    World { settings, pings, epochs, tags, segments, end }
}

fn tags_input(vehicles: &BTreeMap<String, Vec<String>>, valid_from: TimeMs) -> Input {
    let changes = TagChanges { vehicles: vehicles.clone(), is_whole: true };
    Input::Tags { changes, valid_from }
}

/// Cuts the arrivals into segments, several inputs in one now and then.
fn cut(
    arrivals: Vec<(i64, Ping)>,
    mut fences: Vec<(i64, Input)>,
    batches: &[usize],
    clocks: &[i64],
    end: TimeMs,
) -> Vec<(Vec<Input>, TimeMs)> {
    let mut segments = Vec::new();
    let mut inputs: Vec<Input> = Vec::new();
    let mut batch: Vec<Ping> = Vec::new();
    let mut sizes = batches.iter().cycle();
    let mut slack = clocks.iter().cycle();
    let mut room = *sizes.next().unwrap();
    let mut latest = START_MS;
    for (arrival, ping) in arrivals {
        while fences.first().is_some_and(|(at, _)| *at <= arrival) {
            if !batch.is_empty() {
                inputs.push(Input::Pings(run(std::mem::take(&mut batch))));
            }
            inputs.push(fences.remove(0).1);
        }
        latest = arrival;
        batch.push(ping);
        room -= 1;
        if room == 0 {
            room = *sizes.next().unwrap();
            inputs.push(Input::Pings(run(std::mem::take(&mut batch))));
            let now = TimeMs(arrival + slack.next().unwrap());
            segments.push((std::mem::take(&mut inputs), now));
        }
    }
    inputs.push(Input::Pings(run(batch)));
    inputs.extend(fences.into_iter().map(|(_, input)| input));
    segments.push((inputs, TimeMs(latest)));
    segments.push((vec![Input::End { end }], TimeMs(latest)));
    segments
}

/// Gives each run the boldest low mark there is, the newest receipt, so that
/// silence is concluded from far too early.
fn mark_boldly(segments: &mut [(Vec<Input>, TimeMs)], end: TimeMs) {
    let mut mark = None;
    for input in segments.iter_mut().flat_map(|(inputs, _)| inputs) {
        if let Input::Pings(run) = input {
            let newest = run.pings.iter().map(|ping| ping.receive_time.min(end)).max();
            mark = mark.max(newest);
            run.low_mark = mark;
        }
    }
}

/// The world as a batch run learns it: sorted, each ping once, every fence
/// set before the first ping that it judges.
pub fn in_order(world: &World) -> Vec<(Vec<Input>, TimeMs)> {
    let mut pings = world.pings.clone();
    pings.sort_by(|a, b| {
        (a.event_time, &a.vehicle_id, a.identity).cmp(&(b.event_time, &b.vehicle_id, b.identity))
    });
    pings.dedup_by_key(|ping| (ping.vehicle_id.clone(), ping.identity));
    let mut changes: Vec<(TimeMs, Input)> = Vec::new();
    for (valid_from, set) in world.epochs.iter().skip(1) {
        let set = std::sync::Arc::new(fence_set(set));
        changes.push((*valid_from, Input::Fences { set, valid_from: *valid_from }));
    }
    for (valid_from, vehicles) in &world.tags {
        changes.push((*valid_from, tags_input(vehicles, *valid_from)));
    }
    changes.sort_by_key(|(valid_from, _)| *valid_from);
    let mut segments = Vec::new();
    let mut from = 0;
    for (valid_from, input) in changes {
        let to = pings.partition_point(|ping| ping.event_time < valid_from);
        segments.push((vec![Input::Pings(run(pings[from..to].to_vec()))], valid_from));
        segments.push((vec![input], valid_from));
        from = to;
    }
    segments.push((vec![Input::Pings(run(pings[from..].to_vec()))], world.end));
    segments.push((vec![Input::End { end: world.end }], world.end));
    segments
}

/// `PROPTEST_CASES`, or `ordinary`.
pub fn cases(ordinary: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(ordinary),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    }
}
