//! Events against the truth: what was found, missed and made up, and how
//! exact the times are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::read::{Event, Fold};
use crate::truth::{Kind, Record};

/// Examples kept of what was missed and of what was made up, by kind.
const EXAMPLES_MAX: usize = 5;

/// How events of one kind compare with the truth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindScore {
    /// Required records of the truth.
    pub required: u64,
    /// Required records that an event was found for.
    pub found: u64,
    /// Required records without an event.
    pub missed: u64,
    /// Events that the truth does not know.
    pub made_up: u64,
    /// Events for records that are not required: counted neither way.
    pub undecidable: u64,
    /// `found` / (`found` + `made_up`); 1 if there is neither.
    pub precision: f64,
    /// `found` / `required`; 1 if none is.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Event time less true time, without its sign, of what was found,
    /// milliseconds.
    pub time_error_ms: Quantiles,
    /// Mean of event time less true time, with its sign, milliseconds.
    pub time_bias_ms: f64,
    /// Share of what was found whose true time lies within [not_before,
    /// not_after]; of those that give an interval.
    pub inside_interval: f64,
    /// Amends and retracts that were seen.
    #[serde(default)]
    pub corrections: u64,
    /// The first ones missed, and made up: vehicle, fence, seconds since the
    /// start.
    pub missed_examples: Vec<String>,
    /// See `missed_examples`.
    pub made_up_examples: Vec<String>,
}

/// Quantiles of a set of numbers; 0 of an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Of `values`, which are sorted: of the nearest rank.
    fn of(values: &[i64]) -> Self {
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).map_or(0.0, |&value| value as f64)
        };
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

/// What concerns one thing: the kind, the vehicle, the fence, the threshold.
type Subject = (Kind, u32, Option<u32>, i64);

#[derive(Default)]
struct Group {
    records: Vec<Record>,
    events: Vec<Event>,
}

/// Compares events, folded, with the truth. An event is that of a record if it
/// is of the same kind, vehicle, fence and threshold, and at most `window_ms`
/// from it; of several the nearest ones are taken for each other, required
/// records first. Kinds that neither has, nor a correction, are left out.
pub fn score(
    truth: &[Record],
    events: &Fold,
    window_ms: i64,
    fence_name: impl Fn(u32) -> String,
) -> BTreeMap<String, KindScore> {
    let mut groups: BTreeMap<Subject, Group> = BTreeMap::new();
    for record in truth {
        let threshold_ms = if record.kind == Kind::Dwell { record.detail_ms } else { 0 };
        let subject = (record.kind, record.vehicle, record.fence, threshold_ms);
        groups.entry(subject).or_default().records.push(*record);
    }
    for event in events.events() {
        let (Some(kind), Some(vehicle)) = (event.kind, event.vehicle) else { continue };
        let subject = (kind, vehicle, event.fence, event.threshold_ms);
        groups.entry(subject).or_default().events.push(*event);
    }
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    for ((kind, vehicle, fence, _), mut group) in groups {
        let tally = tallies.entry(kind).or_default();
        let place = fence.map_or(String::new(), |number| format!(" at {}", fence_name(number)));
        tally.take(&mut group, window_ms, &|t_ms| {
            format!("vehicle {vehicle}{place}, {:.3} s", t_ms as f64 / 1e3)
        });
    }
    for (kind, count) in events.corrections_by_kind() {
        tallies.entry(kind).or_default().score.corrections = count;
    }
    tallies.into_iter().map(|(kind, tally)| (kind.name().to_owned(), tally.finish())).collect()
}

#[derive(Default)]
struct Tally {
    score: KindScore,
    errors_ms: Vec<i64>,
    with_interval: u64,
    inside: u64,
}

impl Tally {
    fn take(&mut self, group: &mut Group, window_ms: i64, name: &dyn Fn(i64) -> String) {
        let Group { records, events } = group;
        records.sort_unstable_by_key(|record| record.t_ms);
        events.sort_unstable_by_key(|event| (event.t_ms, event.id));
        let pairs = nearest_pairs(records, events, window_ms);
        let mut record_taken = vec![false; records.len()];
        let mut event_taken = vec![false; events.len()];
        for (record, event) in pairs {
            (record_taken[record], event_taken[event]) = (true, true);
            if records[record].required {
                self.found(&records[record], &events[event]);
            } else {
                self.score.undecidable += 1;
            }
        }
        for (record, taken) in records.iter().zip(record_taken) {
            self.score.required += u64::from(record.required);
            if record.required && !taken {
                self.score.missed += 1;
                push_example(&mut self.score.missed_examples, || name(record.t_ms));
            }
        }
        for (event, taken) in events.iter().zip(event_taken) {
            if !taken {
                self.score.made_up += 1;
                push_example(&mut self.score.made_up_examples, || name(event.t_ms));
            }
        }
    }

    fn found(&mut self, record: &Record, event: &Event) {
        self.score.found += 1;
        self.errors_ms.push(event.t_ms - record.t_ms);
        if let Some((not_before, not_after)) = event.interval_ms {
            self.with_interval += 1;
            self.inside += u64::from((not_before..=not_after).contains(&record.t_ms));
        }
    }

    fn finish(mut self) -> KindScore {
        let score = &mut self.score;
        let share =
            |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        score.precision = share(score.found, score.found + score.made_up);
        score.recall = share(score.found, score.required);
        let sum = score.precision + score.recall;
        score.f1 = if sum > 0.0 { 2.0 * score.precision * score.recall / sum } else { 0.0 };
        score.inside_interval = share(self.inside, self.with_interval);
        let count = self.errors_ms.len().max(1) as f64;
        score.time_bias_ms = self.errors_ms.iter().sum::<i64>() as f64 / count;
        self.errors_ms.iter_mut().for_each(|error| *error = error.abs());
        self.errors_ms.sort_unstable();
        score.time_error_ms = Quantiles::of(&self.errors_ms);
        self.score
    }
}

fn push_example(examples: &mut Vec<String>, name: impl Fn() -> String) {
    if examples.len() < EXAMPLES_MAX {
        examples.push(name());
    }
}

/// Pairs of a record and an event, by index, each in one pair at the most.
fn nearest_pairs(records: &[Record], events: &[Event], window_ms: i64) -> Vec<(usize, usize)> {
    let mut candidates = Vec::new();
    for (number, record) in records.iter().enumerate() {
        let first = events.partition_point(|event| event.t_ms < record.t_ms - window_ms);
        let within = events[first..].iter().take_while(|e| e.t_ms <= record.t_ms + window_ms);
        for (offset, event) in within.enumerate() {
            let apart_ms = (event.t_ms - record.t_ms).abs();
            candidates.push((!record.required, apart_ms, number, first + offset));
        }
    }
    candidates.sort_unstable();
    let mut record_taken = vec![false; records.len()];
    let mut event_taken = vec![false; events.len()];
    candidates.retain(|&(_, _, record, event)| {
        let free = !record_taken[record] && !event_taken[event];
        if free {
            (record_taken[record], event_taken[event]) = (true, true);
        }
        free
    });
    candidates.into_iter().map(|(_, _, record, event)| (record, event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Op;

    fn record(t_ms: i64, required: bool) -> Record {
        Record { vehicle: 1, kind: Kind::Enter, fence: Some(2), t_ms, required, detail_ms: 0 }
    }

    fn event(id: u128, t_ms: i64) -> Event {
        Event {
            id,
            op: Op::Assert,
            revision: 1,
            kind: Some(Kind::Enter),
            vehicle: Some(1),
            fence: Some(2),
            t_ms,
            interval_ms: Some((t_ms - 1_000, t_ms + 1_000)),
            threshold_ms: 0,
            late: false,
        }
    }

    fn enter(truth: &[Record], events: &[Event]) -> KindScore {
        let mut fold = Fold::default();
        events.iter().for_each(|event| assert!(fold.take(*event)));
        score(truth, &fold, 10_000, |n| n.to_string()).remove("geofence_enter").unwrap()
    }

    #[test]
    fn found_missed_and_made_up_add_up() {
        let truth = [record(0, true), record(60_000, true), record(120_000, true)];
        let score = enter(&truth, &[event(1, 500), event(2, 58_000), event(3, 90_000)]);
        assert_eq!((score.required, score.found, score.missed, score.made_up), (3, 2, 1, 1));
        assert!((score.precision - 2.0 / 3.0).abs() < 1e-12);
        assert!((score.recall - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(score.time_error_ms.p50, 500.0);
        assert_eq!(score.time_error_ms.max, 2_000.0);
        assert_eq!(score.time_bias_ms, -750.0);
        assert_eq!(score.inside_interval, 0.5);
        assert_eq!(score.missed_examples, ["vehicle 1 at 2, 120.000 s"]);
        assert_eq!(score.made_up_examples, ["vehicle 1 at 2, 90.000 s"]);
    }

    #[test]
    fn what_is_undecidable_counts_neither_way_but_once() {
        let truth = [record(0, false), record(30_000, false)];
        let score = enter(&truth, &[event(1, 0), event(2, 100)]);
        assert_eq!((score.undecidable, score.made_up, score.missed), (1, 1, 0));
        assert_eq!((score.precision, score.recall), (0.0, 1.0));
    }

    #[test]
    fn a_required_record_has_the_first_claim() {
        let truth = [record(0, false), record(2_000, true)];
        let score = enter(&truth, &[event(1, 0)]);
        assert_eq!((score.found, score.missed, score.undecidable), (1, 0, 0));
    }

    #[test]
    fn corrections_are_those_of_their_kind() {
        let retracted = Event { op: Op::Retract, revision: 2, ..event(1, 0) };
        let amended = Event { op: Op::Amend, revision: 3, ..event(2, 100) };
        let score = enter(&[record(0, true)], &[event(1, 0), event(2, 0), retracted, amended]);
        assert_eq!((score.corrections, score.found, score.made_up), (2, 1, 0));
        // Even where neither the truth nor an event that holds is of that kind.
        let score = enter(&[], &[event(1, 0), retracted]);
        assert_eq!((score.corrections, score.f1), (1, 1.0));
    }

    #[test]
    fn another_fence_or_threshold_is_another_thing() {
        let other_fence = Event { fence: Some(3), ..event(1, 0) };
        let score = enter(&[record(0, true)], &[other_fence]);
        assert_eq!((score.missed, score.made_up), (1, 1));
    }
}
