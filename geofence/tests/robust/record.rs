//! Recovery from records that differ from what the core computes (architecture,
//! "Recovery is replay"): the sinks have read the record, and what the core tells
//! from then on must lead them to what they would hold had the record been right.
//!
//! `ROBUST_WORLDS=25000 cargo test --release -p geofence --test robust record`
//! tries as many worlds, four orders each.

use std::collections::{BTreeMap, BTreeSet};

use geofence::{Detector, Input, OnSilence, Settings, TimeMs};
use protos::event_json::is_by_arrival;
use protos::events::{FleetEvent, Id, Op};

use super::convergence::worlds;
use super::fleet::line;
use super::histories::{History, Segment};
use super::random::Random;
use super::support::shard::{Fold, content};
use super::worlds::World;

/// Orders of arrival tried of each world.
const ORDERS: u64 = 4;

/// A detector whose segments up to some number were written by another one.
struct Recovered {
    detector: Detector,
    /// A vehicle that was forgotten and comes back may tell once more what it
    /// told before.
    forgets: bool,
    sinks: Fold,
    /// What each segment tells, as the journal has it.
    journal: Vec<Vec<FleetEvent>>,
    differences: usize,
}

impl Recovered {
    fn new(history: &History) -> Self {
        Self {
            detector: Detector::new(history.settings.clone()),
            forgets: history.forgets(),
            sinks: Fold::default(),
            journal: vec![],
            differences: 0,
        }
    }

    fn seq(&self) -> u64 {
        self.journal.len() as u64 + 1
    }

    /// One segment; `record` says what it was recorded with.
    fn apply(
        &mut self,
        (inputs, now): &Segment,
        record: impl FnOnce(&[FleetEvent], &Fold) -> Vec<FleetEvent>,
    ) {
        let seq = self.seq();
        let computed = self.detector.apply(inputs, *now, seq).events;
        if !self.forgets {
            // It might have been the first segment after a recovery.
            self.sinks.check(&computed, seq);
        }
        let recorded = record(&computed, &self.sinks);
        self.differences += self.detector.reconcile(&computed, &recorded);
        self.sinks.take(&recorded);
        self.journal.push(recorded);
    }

    fn contents(&self) -> Vec<FleetEvent> {
        self.sinks.events().iter().map(content).collect()
    }
}

/// Other figures, as another version of the core may have told them.
fn altered(random: &mut Random, event: &FleetEvent) -> FleetEvent {
    let mut event = event.clone();
    match random.whole(7) {
        0 => event.event_time_ms += 7,
        1 => event.not_before_ms -= 5,
        2 => event.lon = event.lon.map(|lon| lon - 1.0),
        3 if event.fence_version > 0 => event.fence_version += 1,
        4 => event.visit_id = "ef".repeat(16).parse().unwrap(),
        5 => event.late = !event.late,
        _ => event.observed_at_ms += 1,
    }
    event
}

/// The events of one segment as a record may have them that the sinks have
/// followed so far.
fn falsified(random: &mut Random, computed: &[FleetEvent], sinks: &Fold) -> Vec<FleetEvent> {
    let mut events = computed.to_vec();
    let standing = sinks.events();
    let untouched: Vec<&FleetEvent> = standing
        .iter()
        .filter(|held| computed.iter().all(|event| event.event_id != held.event_id))
        .collect();
    let other = |random: &mut Random, op: Op| {
        let held = random_of(random, &untouched)?;
        let mut event = altered(random, held);
        event.op = op.into();
        Some(event)
    };
    match random.whole(9) {
        0 => events.clear(),
        1 => events.retain(|_| random.chance(0.5)),
        2 => events.iter_mut().for_each(|event| *event = altered(random, event)),
        3 => {
            for event in events.iter_mut().filter(|event| event.op() == Op::Assert) {
                event.event_id = Id::new(random.next().into());
            }
        }
        4 => {
            if let Some(mut event) = other(random, Op::Assert) {
                event.event_id = Id::new(random.next().into());
                events.push(event);
            }
        }
        5 => events.extend(other(random, Op::Amend)),
        6 => {
            if let Some(held) = random_of(random, &untouched) {
                let mut event = held.clone();
                event.op = Op::Retract.into();
                events.push(event);
            }
        }
        7 => {
            for event in events.iter_mut().filter(|event| event.op() != Op::Assert) {
                let op = if event.op() == Op::Amend { Op::Retract } else { Op::Amend };
                *event = altered(random, event);
                event.op = op.into();
            }
        }
        _ => random.shuffle(&mut events),
    }
    events
}

fn random_of<'a>(random: &mut Random, events: &[&'a FleetEvent]) -> Option<&'a FleetEvent> {
    (!events.is_empty()).then(|| *random.pick(events))
}

#[test]
fn a_falsified_record_leads_to_what_a_right_one_would() {
    let mut differences = 0;
    each_history(|what, random, history| {
        let mut falsifier = random.clone();
        let count = random.whole(history.segments.len() + 1);
        let share = *random.pick(&[0.05, 0.3, 1.0]);
        differences += recovers(what, history, count, |_, computed, sinks| {
            if falsifier.chance(share) {
                falsified(&mut falsifier, computed, sinks)
            } else {
                computed.to_vec()
            }
        });
    });
    assert!(differences as u64 > worlds(), "{differences} differences");
}

/// What another version of the core has recorded, which has other rules.
#[test]
fn the_record_of_another_core_is_put_right() {
    let mut differences = 0;
    each_history(|what, random, history| {
        let count = random.whole(history.segments.len() + 1);
        let (confirm, after_ms) = (1 + random.whole(4) as u32, *random.pick(&[90_000, 300_000]));
        let otherwise = |settings: &Settings| Settings {
            exit_confirm: confirm,
            stationary_after_ms: after_ms,
            offline_after_ms: 4 * after_ms,
            ..settings.clone()
        };
        let mut other = Detector::new(otherwise(&history.settings));
        differences += recovers(what, history, count, |i, _, _| {
            let (inputs, now) = &history.segments[i];
            let mut inputs = inputs.clone();
            for input in &mut inputs {
                if let Input::Settings(settings) = input {
                    *settings = otherwise(settings);
                }
            }
            other.apply(&inputs, *now, 0).events
        });
    });
    assert!(differences as u64 > worlds(), "{differences} differences");
}

fn each_history(mut visit: impl FnMut(&str, &mut Random, &History)) {
    for seed in 0..worlds() {
        let mut world = World::new(seed);
        for order in 0..ORDERS {
            let mut random = Random::new((seed * ORDERS + order) ^ 0xFA15E);
            world.settings.on_silence = *random.pick(&[OnSilence::Wait, OnSilence::Assume]);
            let history = History::of(&world, seed * ORDERS + order);
            visit(&format!("world {seed}, order {order}"), &mut random, &history);
        }
    }
}

/// Has the first `count` segments recorded as `record` says, which is told of
/// each its number, what was computed for it and what the sinks hold before it.
/// Returns how many differences there were.
fn recovers(
    what: &str,
    history: &History,
    count: usize,
    mut record: impl FnMut(usize, &[FleetEvent], &Fold) -> Vec<FleetEvent>,
) -> usize {
    let mut right = Recovered::new(history);
    let mut found = Recovered::new(history);
    // What is left to correct after the last segment leaves in an idle moment.
    let idle = (vec![], TimeMs::MIN);
    let segments = || history.segments.iter().chain([&idle]).enumerate();
    let mut beyond = BTreeSet::new();
    let mut newest = BTreeMap::new();
    for (i, segment) in segments() {
        right.apply(segment, |computed, _| computed.to_vec());
        for ping in history.pings_of(i) {
            let newest = newest.entry(ping.vehicle_id.to_string()).or_insert(ping.event_time);
            *newest = ping.event_time.max(*newest);
        }
        let seq = found.seq();
        found.apply(segment, |computed, sinks| {
            if i >= count {
                return computed.to_vec();
            }
            let mut recorded = record(i, computed, sinks);
            recorded.iter_mut().for_each(|event| event.revision = seq);
            beyond.extend(amended(computed, &recorded).filter_map(|event| {
                let in_window = newest.get(event.vehicle_id.as_str()).is_some_and(|newest| {
                    event.event_time_ms >= newest.0 - history.settings.hot_lateness_ms
                });
                let known = in_window && !history.may_cut_windows() && !is_by_arrival(event);
                (!known).then_some(event.event_id)
            }));
            recorded
        });
    }
    assert_same(what, &right, &found, &beyond);
    // Whoever recovers from that journal finds the same.
    let mut again = Recovered::new(history);
    for (i, segment) in segments() {
        let before = again.differences;
        again.apply(segment, |_, _| found.journal[i].clone());
        assert!(i < count || again.differences == before, "{what}: segment {i} differs again");
    }
    assert!(again.detector.encode_state() == found.detector.encode_state(), "{what}: other state");
    found.differences
}

/// Operations that amend without being asked to.
fn amended<'a>(
    computed: &'a [FleetEvent],
    recorded: &'a [FleetEvent],
) -> impl Iterator<Item = &'a FleetEvent> {
    let is_unasked = |event: &&FleetEvent| {
        event.op() == Op::Amend && computed.iter().all(|other| other.event_id != event.event_id)
    };
    recorded.iter().filter(is_unasked)
}

/// Panics unless the sinks hold the same; of `beyond`, which the record has amended
/// where the core no longer knew better, any figures.
fn assert_same(what: &str, right: &Recovered, found: &Recovered, beyond: &BTreeSet<Id>) {
    let (wanted, found) = (right.contents(), found.contents());
    let lacks = |list: &[FleetEvent], event: &&FleetEvent| {
        list.iter().all(|other| {
            other != *event
                && (other.event_id != event.event_id || !beyond.contains(&event.event_id))
        })
    };
    let missing: Vec<_> = wanted.iter().filter(|event| lacks(&found, event)).map(line).collect();
    let surplus: Vec<_> = found.iter().filter(|event| lacks(&wanted, event)).map(line).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{what}: missing {missing:#?}, surplus {surplus:#?}"
    );
}
