//! What applies take while fences are read and built beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use geofence::{Detector, FenceSet, Input, TimeMs, parse_fences};
use serde::{Deserialize, Serialize};

use super::fences::{detector, take_up};
use super::sample::{Applies, Sample};
use crate::city;
use crate::fleet::{Fleet, run};

/// From one segment to the next.
const EVERY: Duration = Duration::from_millis(10);
/// Segments that a round of the fleet is cut into: a ping of each vehicle a
/// second, ten times what it sends.
const SEGMENTS: usize = 100;
/// Event time from one segment to the next: so that not all vehicles, which
/// ping every ten seconds, fall due in the same apply.
const EVENT_TIME_US: i64 = 100_000;

/// Segments applied when they are due, with or without fences being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reload {
    /// Whether another thread reads fences, again and again.
    pub(super) reloads: bool,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    pub(super) rounds: u32,
}

impl Reload {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let text = city::geojson(&city::rings(self.fences as usize, 9));
        let mut fleet = Fleet::new(self.vehicles as usize, 5);
        let mut detector = detector(self.fences, &mut fleet);
        let segments = self.segments(&mut fleet);
        let is_over = AtomicBool::new(false);
        let (mut taken, set) = thread::scope(|scope| {
            let reload = scope.spawn(|| {
                let mut set = parse_fences(text.as_bytes())?.set;
                while self.reloads && !is_over.load(Ordering::Relaxed) {
                    set = parse_fences(text.as_bytes())?.set;
                }
                anyhow::Ok(set)
            });
            if !self.reloads {
                while !reload.is_finished() {
                    thread::sleep(EVERY);
                }
            }
            let taken = apply(&mut detector, segments);
            is_over.store(true, Ordering::Relaxed);
            let set = reload.join().expect("reading fences does not panic");
            (taken, set)
        });
        taken.sort_unstable();
        let quantile = |share: f64| taken[(share * (taken.len() - 1) as f64) as usize];
        let applies = Applies {
            median_s: quantile(0.5).as_secs_f64(),
            p99_s: quantile(0.99).as_secs_f64(),
            take_up_s: timed_take_up(&mut detector, set?)?.as_secs_f64(),
        };
        let operations = taken.len() as u64;
        Ok(Sample { operations, applies, ..Sample::default() }.with_own_memory())
    }

    /// Everything that is to be applied, made before anything is measured.
    fn segments(&self, fleet: &mut Fleet) -> Vec<(TimeMs, Input)> {
        let mut segments = Vec::new();
        for _ in 0..self.rounds {
            let mut pings = fleet.round();
            let size = pings.len().div_ceil(SEGMENTS);
            for (number, pings) in (0..).zip(pings.chunks_mut(size)) {
                pings.iter_mut().for_each(|ping| ping.event_time_us += number * EVENT_TIME_US);
                let now = TimeMs(pings[0].event_time_us.div_euclid(1000));
                segments.push((now, run(pings)));
            }
        }
        segments
    }
}

/// How long after it was due each segment was applied: whoever applies is
/// woken, as a shard is.
fn apply(detector: &mut Detector, segments: Vec<(TimeMs, Input)>) -> Vec<Duration> {
    let begun = Instant::now();
    let mut taken = Vec::with_capacity(segments.len());
    for (seq, (now, input)) in (10..).zip(segments) {
        let due = begun + EVERY * (taken.len() as u32 + 1);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        drop(detector.apply(&[input], now, seq));
        taken.push(due.elapsed());
    }
    taken
}

fn timed_take_up(detector: &mut Detector, set: FenceSet) -> anyhow::Result<Duration> {
    let set = Arc::new(set);
    let begun = Instant::now();
    take_up(detector, set)?;
    Ok(begun.elapsed())
}
