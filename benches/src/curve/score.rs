//! What was told, compared with what happened.

use std::sync::Arc;

use geofence::{Detector, FenceSet, Input, Settings, TimeMs};
use protos::events::Op;
use protos::events::fleet_event::Detail;
use protos::telemetry::VehiclePing;

use super::world::{Crossing, Seen, run};

/// A told event may be so far from the crossing it stands for, beside two
/// intervals.
const APART_MS: i64 = 60_000;

/// How one choice of rules does.
pub(super) struct Score {
    parked_h: f64,
    /// Of vehicles that are parked.
    parked_false: usize,
    happened: usize,
    missed: usize,
    /// Of vehicles on tour.
    tour_false: usize,
    /// From crossing to telling, ms, sorted; negative where noise ran ahead.
    enter_delays: Vec<i64>,
    exit_delays: Vec<i64>,
    /// From the crossing to the time told, absolute, ms, sorted.
    time_errors: Vec<i64>,
}

/// An enter or exit that was asserted.
struct Told {
    time_ms: i64,
    observed_ms: i64,
    enters: bool,
}

impl Score {
    pub(super) const HEADER: &str = "\
| σ, m | rules | parked: false events per vehicle-hour | tours: missed · false | \
enter told after, s: p50 · p95 | exit told after, s: p50 · p95 | time error, s: p50 · p95 |\n\
|---|---|---|---|---|---|---|";

    pub(super) fn of(seen: &Seen, settings: &Settings) -> Self {
        let mut score = Self {
            parked_h: seen.parked_h,
            parked_false: 0,
            happened: 0,
            missed: 0,
            tour_false: 0,
            enter_delays: Vec::new(),
            exit_delays: Vec::new(),
            time_errors: Vec::new(),
        };
        for parked in &seen.parked {
            let told = told(&seen.fences, settings, &parked.pings);
            // It is inside from its first ping on: one enter is right.
            let right = usize::from(parked.inside && told.iter().any(|told| told.enters));
            score.parked_false += told.len() - right;
        }
        let apart_ms = APART_MS + (2000.0 * seen.interval_s) as i64;
        for tour in &seen.tours {
            score.compare(&tour.crossings, told(&seen.fences, settings, &tour.pings), apart_ms);
        }
        score.enter_delays.sort_unstable();
        score.exit_delays.sort_unstable();
        score.time_errors.sort_unstable();
        score
    }

    /// Gives each crossing the event of its kind nearest in time.
    fn compare(&mut self, crossings: &[Crossing], mut told: Vec<Told>, apart_ms: i64) {
        self.happened += crossings.len();
        for crossing in crossings {
            let apart = |told: &Told| (told.time_ms - crossing.at_ms).abs();
            let nearest = told
                .iter()
                .enumerate()
                .filter(|(_, told)| told.enters == crossing.enters && apart(told) <= apart_ms)
                .min_by_key(|(_, told)| apart(told))
                .map(|(index, _)| index);
            let Some(index) = nearest else {
                self.missed += 1;
                continue;
            };
            let told = told.remove(index);
            self.time_errors.push(apart(&told));
            let delays = if told.enters { &mut self.enter_delays } else { &mut self.exit_delays };
            delays.push(told.observed_ms - crossing.at_ms);
        }
        let end_ms = crossings.last().map_or(i64::MIN, |last| last.at_ms + apart_ms);
        self.tour_false += told.iter().filter(|told| told.time_ms <= end_ms).count();
    }

    /// False events in an hour of a parked vehicle.
    pub(super) fn false_per_hour(&self) -> f64 {
        self.parked_false as f64 / self.parked_h
    }

    /// Median seconds from leaving to the exit being told.
    pub(super) fn exit_delay_s(&self) -> f64 {
        percentile_s(&self.exit_delays, 50)
    }

    pub(super) fn row(&self, sigma_m: f64, rules: &str) -> String {
        let spread = |sorted: &[i64]| {
            format!("{:.1} · {:.1}", percentile_s(sorted, 50), percentile_s(sorted, 95))
        };
        format!(
            "| {sigma_m} | {rules} | {:.2} | {} · {} of {} | {} | {} | {} |",
            self.false_per_hour(),
            self.missed,
            self.tour_false,
            self.happened,
            spread(&self.enter_delays),
            spread(&self.exit_delays),
            spread(&self.time_errors),
        )
    }
}

fn told(fences: &Arc<FenceSet>, settings: &Settings, pings: &[VehiclePing]) -> Vec<Told> {
    let mut detector = Detector::new(settings.clone());
    let set = Arc::clone(fences);
    detector.apply(&[Input::Fences { set, valid_from: TimeMs(0) }], TimeMs(0), 1);
    let mut told = Vec::new();
    for (ping, seq) in pings.iter().zip(2..) {
        let now = TimeMs(ping.event_time_us / 1000);
        for event in detector.apply(&[run(ping)], now, seq).events {
            let enters = match event.detail {
                Some(Detail::GeofenceEnter(_)) => true,
                Some(Detail::GeofenceExit(_)) => false,
                _ => continue,
            };
            if event.op() == Op::Assert {
                let (time_ms, observed_ms) = (event.event_time_ms, event.observed_at_ms);
                told.push(Told { time_ms, observed_ms, enters });
            }
        }
    }
    told
}

fn percentile_s(sorted_ms: &[i64], percent: usize) -> f64 {
    let index = (sorted_ms.len() * percent / 100).min(sorted_ms.len().saturating_sub(1));
    sorted_ms.get(index).map_or(f64::NAN, |ms| *ms as f64 / 1000.0)
}
