//! From encoded batches to effects, in one thread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use geofence::{Detector, Input, PingRun, Profile, Settings, TimeMs};
use prost::Message as _;
use protos::telemetry::VehiclePingBatch;
use serde::{Deserialize, Serialize};

use super::decode::entries_of;
use super::load::{Arrival, BATCH_PINGS, Load};
use super::sample::Sample;
use crate::city;
use crate::naive::{NaiveDetector, NaiveIndex};
use crate::usage::thread_cpu;
use engine::intake::Entry;

/// Length of the hot window as it is configured by default.
pub(super) const WINDOW_MIN: u32 = 15;

/// Batches of a segment: as many pings as `replay` puts into one.
const SEGMENT_BATCHES: usize = 10_000 / BATCH_PINGS;

/// Rounds of a fleet through the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Core {
    pub(super) rules: Rules,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    pub(super) late_percent: u32,
    /// Corners of each fence; `None` for those of the usual city.
    pub(super) corners: Option<u32>,
    /// Length of the hot window.
    pub(super) window_min: u32,
    /// Rounds before those that are measured; none is from cold.
    pub(super) warm_up: u32,
    pub(super) measured: u32,
}

/// Which rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rules {
    Plain,
    Robust,
    /// Not the engine's.
    Naive,
}

/// CPU time of one round, seconds.
#[derive(Default)]
struct Spent {
    decode_s: f64,
    judge_s: f64,
}

impl Spent {
    /// Adds what was done since `begun`: decoding until `decoded`, judging
    /// until now.
    fn add(&mut self, begun: Duration, decoded: Duration) {
        self.decode_s += (decoded - begun).as_secs_f64();
        self.judge_s += (thread_cpu() - decoded).as_secs_f64();
    }
}

impl Core {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let mut load = Load::new(self.vehicles, self.late_percent);
        let mut judge = Judge::new(self);
        let mut sample = Sample::default();
        for round in 0..self.warm_up + self.measured {
            let arrival = load.next();
            let spent = judge.round(&arrival)?;
            if round >= self.warm_up {
                sample.operations += arrival.pings;
                sample.cpu_s += spent.decode_s + spent.judge_s;
                sample.core_cpu_s += spent.judge_s;
            }
        }
        Ok(sample.with_own_memory())
    }
}

enum Judge {
    Engine { detector: Box<Detector>, seq: u64 },
    Naive(NaiveDetector),
}

impl Judge {
    fn new(case: &Core) -> Self {
        let fences = case.fences as usize;
        let rings = match case.corners {
            Some(corners) => city::rings_of(fences, corners..=corners, 4),
            None => city::rings(fences, 4),
        };
        let profile = match case.rules {
            Rules::Plain => Profile::Plain,
            Rules::Robust => Profile::Robust,
            Rules::Naive => return Self::Naive(NaiveDetector::new(NaiveIndex::new(&rings))),
        };
        let hot_lateness_ms = i64::from(case.window_min) * 60_000;
        let settings = Settings { profile, hot_lateness_ms, ..Settings::default() };
        let mut detector = Detector::new(settings);
        let set = Arc::new(city::fence_set(&rings));
        detector.apply(&[Input::Fences { set, valid_from: TimeMs(0) }], TimeMs(0), 1);
        Self::Engine { detector: Box::new(detector), seq: 1 }
    }

    fn round(&mut self, arrival: &Arrival) -> anyhow::Result<Spent> {
        let mut spent = Spent::default();
        match self {
            Self::Engine { detector, seq } => {
                for batches in arrival.batches.chunks(SEGMENT_BATCHES) {
                    let begun = thread_cpu();
                    let run = Input::Pings(decode(arrival.now, batches));
                    let decoded = thread_cpu();
                    *seq += 1;
                    drop(detector.apply(&[run], arrival.now, *seq));
                    spent.add(begun, decoded);
                }
            }
            Self::Naive(naive) => {
                let begun = thread_cpu();
                let decode = |bytes| VehiclePingBatch::decode(bytes);
                let batches = arrival.batches.iter().map(|bytes| decode(bytes.as_ref()));
                let batches = batches.collect::<Result<Vec<_>, _>>()?;
                let decoded = thread_cpu();
                let mut events = Vec::new();
                for ping in batches.iter().flat_map(|batch| &batch.pings) {
                    naive.apply(ping, &mut events);
                }
                spent.add(begun, decoded);
            }
        }
        Ok(spent)
    }
}

/// Batches received at `now`, as a shard is handed them.
fn decode(now: TimeMs, batches: &[Bytes]) -> PingRun {
    let mut entries = Vec::new();
    for bytes in batches {
        entries_of(now, bytes, &mut entries);
    }
    let ping = |entry| match entry {
        Entry::Ping { ping, .. } => ping,
        Entry::Rejected(letter) => unreachable!("the fleet's pings are in order: {letter:?}"),
    };
    PingRun { pings: entries.into_iter().map(ping).collect(), ..PingRun::default() }
}
