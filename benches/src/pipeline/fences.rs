//! From GeoJSON to fences that judge.

use std::sync::Arc;
use std::time::Instant;

use geofence::{Detector, FenceOutcome, FenceSet, FencesReader, Input, Settings, TimeMs};
use serde::{Deserialize, Serialize};

use super::case::Who;
use super::naive_file::rings_of;
use super::sample::Sample;
use crate::city;
use crate::fleet::{Fleet, run};
use crate::naive::NaiveIndex;
use crate::usage::process_cpu;

/// Another set of fences taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fences {
    pub(super) who: Who,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    /// Of them, those that are others than in the set before.
    pub(super) others: u32,
}

impl Fences {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let mut rings = city::rings(self.fences as usize, SEED);
        let before = city::geojson(&rings);
        let others = self.others as usize;
        rings[..others].clone_from_slice(&city::rings(self.fences as usize, 9)[..others]);
        let text = city::geojson(&rings);
        let sample = match self.who {
            Who::Naive => timed(|| {
                drop(NaiveIndex::new(&rings_of(text.as_bytes())?));
                Ok(())
            })?,
            Who::Ours | Who::Floor => {
                let mut fleet = Fleet::new(self.vehicles as usize, 5);
                let mut detector = detector(self.fences, &mut fleet);
                let mut reader = FencesReader::default();
                reader.read(before.as_bytes(), detector.fences())?;
                reader.begin_set();
                timed(|| {
                    let fences = reader.read(text.as_bytes(), detector.fences())?.fences;
                    let set = FenceSet::after(detector.fences(), fences)?;
                    take_up(&mut detector, Arc::new(set))
                })?
            }
        };
        Ok(sample.with_own_memory())
    }
}

/// Of the fences in force before.
const SEED: u64 = 4;

/// One that judges `fleet` by so many other fences so far.
pub(super) fn detector(fences: u32, fleet: &mut Fleet) -> Detector {
    let mut detector = Detector::new(Settings::default());
    let set = Arc::new(city::fence_set(&city::rings(fences as usize, SEED)));
    let mut inputs = vec![Input::Fences { set, valid_from: TimeMs(0) }];
    for seq in 1..4 {
        let pings = fleet.round();
        inputs.push(run(&pings));
        detector.apply(&inputs, TimeMs(pings[0].event_time_us.div_euclid(1000)), seq);
        inputs.clear();
    }
    detector
}

/// After all segments before.
const TAKE_UP_SEQ: u64 = 1_000_000;

/// Judges by `set` from now on.
pub(super) fn take_up(detector: &mut Detector, set: Arc<FenceSet>) -> anyhow::Result<()> {
    let now = detector.now();
    let effects = detector.apply(&[Input::Fences { set, valid_from: now }], now, TAKE_UP_SEQ);
    let refused = |outcome: &FenceOutcome| matches!(outcome, FenceOutcome::Refused(_));
    anyhow::ensure!(!effects.fences.iter().any(refused), "{:?}", effects.fences);
    Ok(())
}

fn timed(act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Sample> {
    let (wall, cpu) = (Instant::now(), process_cpu());
    act()?;
    Ok(Sample {
        operations: 1,
        cpu_s: (process_cpu() - cpu).as_secs_f64(),
        wall_s: wall.elapsed().as_secs_f64(),
        ..Sample::default()
    })
}
