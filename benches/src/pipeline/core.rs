//! From encoded batches to effects, in one thread.

use std::sync::Arc;

use geofence::{Detector, Input, PingRun, Profile, Settings, TimeMs};
use prost::Message as _;
use protos::telemetry::VehiclePingBatch;
use serde::{Deserialize, Serialize};

use super::decode::entries_of;
use super::load::{Arrival, Load};
use super::sample::Sample;
use crate::city;
use crate::naive::{NaiveDetector, NaiveIndex};
use crate::usage::thread_cpu;
use engine::intake::Entry;

/// Rounds of a fleet through the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Core {
    pub(super) rules: Rules,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    pub(super) late_percent: u32,
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
struct Spent {
    decode_s: f64,
    judge_s: f64,
}

impl Core {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let mut load = Load::new(self.vehicles, self.late_percent);
        let mut judge = Judge::new(self.rules, self.fences);
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
    fn new(rules: Rules, fences: u32) -> Self {
        let rings = city::rings(fences as usize, 4);
        let profile = match rules {
            Rules::Plain => Profile::Plain,
            Rules::Robust => Profile::Robust,
            Rules::Naive => return Self::Naive(NaiveDetector::new(NaiveIndex::new(&rings))),
        };
        let mut detector = Detector::new(Settings { profile, ..Settings::default() });
        let set = Arc::new(city::fence_set(&rings));
        detector.apply(&[Input::Fences { set, valid_from: TimeMs(0) }], TimeMs(0), 1);
        Self::Engine { detector: Box::new(detector), seq: 1 }
    }

    fn round(&mut self, arrival: &Arrival) -> anyhow::Result<Spent> {
        let begun = thread_cpu();
        let decoded;
        match self {
            Self::Engine { detector, seq } => {
                let run = Input::Pings(decode(arrival));
                decoded = thread_cpu();
                *seq += 1;
                drop(detector.apply(&[run], arrival.now, *seq));
            }
            Self::Naive(naive) => {
                let decode = |bytes| VehiclePingBatch::decode(bytes);
                let batches = arrival.batches.iter().map(|bytes| decode(bytes.as_ref()));
                let batches = batches.collect::<Result<Vec<_>, _>>()?;
                decoded = thread_cpu();
                let mut events = Vec::new();
                for ping in batches.iter().flat_map(|batch| &batch.pings) {
                    naive.apply(ping, &mut events);
                }
            }
        }
        let done = thread_cpu();
        let decode_s = (decoded - begun).as_secs_f64();
        Ok(Spent { decode_s, judge_s: (done - decoded).as_secs_f64() })
    }
}

/// The batches as a shard is handed them.
fn decode(arrival: &Arrival) -> PingRun {
    let mut entries = Vec::with_capacity(arrival.pings as usize);
    for bytes in &arrival.batches {
        entries_of(arrival.now, bytes, &mut entries);
    }
    let ping = |entry| match entry {
        Entry::Ping { ping, .. } => ping,
        Entry::Rejected(letter) => unreachable!("the fleet's pings are in order: {letter:?}"),
    };
    PingRun { pings: entries.into_iter().map(ping).collect(), ..PingRun::default() }
}
