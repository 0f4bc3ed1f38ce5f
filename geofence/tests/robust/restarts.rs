//! A restart from a snapshot changes nothing, wherever it falls in a history and
//! whether the state was taken down at once or between segments; nor does a
//! recovery from the journal, which holds less than was taken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use geofence::{Counters, Detector, Effects, FenceSet, Input, OnSilence, Outcome, TimeMs};
use prost::Message;
use protos::journal::{CoreState, CoreVehicle};

use super::convergence::worlds;
use super::histories::History;
use super::random::Random;
use super::worlds::World;

#[test]
fn a_restart_anywhere_changes_nothing() {
    let mut counters = Counters::default();
    for seed in 0..worlds() {
        let mut random = Random::new(seed ^ 0x5E6);
        let mut world = World::new(seed);
        world.settings.on_silence = *random.pick(&[OnSilence::Wait, OnSilence::Assume]);
        let history = History::of(&world, seed);
        let run = Run::new(&history);
        run.effects.iter().for_each(|effects| counters.merge(&effects.counters));
        for _ in 0..3 {
            run.restart_at(&format!("world {seed}"), random.whole(history.segments.len()));
            run.captured_from(
                &format!("world {seed}"),
                random.whole(history.segments.len()),
                *random.pick(&[1, 2_000]),
            );
        }
    }
    for rare in ["hot_window_capped", "vehicle_limit", "late", "too_late", "duplicate"] {
        assert!(counters.get(rare) > 0, "{rare} has not come about");
    }
}

/// Of the input a journal holds what left something to record, and of its pings
/// those that were archived (decision 0003).
#[test]
fn a_journal_applied_again_tells_the_same() {
    let mut left_out = 0;
    for seed in 0..worlds() {
        let mut random = Random::new(seed ^ 0x10C);
        let mut world = World::new(seed);
        world.settings.on_silence = *random.pick(&[OnSilence::Wait, OnSilence::Assume]);
        let history = History::of(&world, seed);
        let run = Run::new(&history);
        let journal: Vec<_> = (0..run.effects.len()).map(|i| run.recorded(i)).collect();
        left_out += journal.iter().filter(|recorded| recorded.is_none()).count();
        for segment in [0, random.whole(journal.len())] {
            let mut detector = run.restore(run.until(segment).encode_state());
            for (i, inputs) in journal.iter().enumerate().skip(segment) {
                let Some(inputs) = inputs else { continue };
                let found = detector.apply(inputs, run.nows[i], i as u64 + 1);
                let what = format!("world {seed}, segment {i} after {segment}");
                assert_eq!(found.events, run.effects[i].events, "{what}");
                let archived = run.effects[i].outcomes.iter().filter(|it| is_archived(it));
                assert!(archived.eq(&found.outcomes), "{what}: {:?}", found.outcomes);
            }
        }
    }
    assert!(left_out as u64 > worlds(), "{left_out} segments left out");
}

fn is_archived(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Archived { .. })
}

/// A history without a restart.
struct Run<'a> {
    history: &'a History,
    effects: Vec<Effects>,
    /// The clock of each apply.
    nows: Vec<TimeMs>,
    sets: BTreeMap<String, Arc<FenceSet>>,
}

impl<'a> Run<'a> {
    fn new(history: &'a History) -> Self {
        let empty = FenceSet::empty();
        let mut sets = BTreeMap::from([(empty.hash().to_owned(), Arc::new(empty))]);
        for (inputs, _) in &history.segments {
            for input in inputs {
                if let Input::Fences { set, .. } = input {
                    sets.insert(set.hash().to_owned(), Arc::clone(set));
                }
            }
        }
        let mut run = Self { history, effects: vec![], nows: vec![], sets };
        let mut detector = Detector::new(history.settings.clone());
        for i in 0..history.segments.len() {
            let effects = run.apply(&mut detector, i);
            run.effects.push(effects);
            run.nows.push(detector.now());
        }
        run
    }

    /// The input of a segment as a journal holds it; `None` if it holds nothing.
    fn recorded(&self, i: usize) -> Option<Vec<Input>> {
        let Effects { outcomes, events, .. } = &self.effects[i];
        let mut inputs = self.history.segments[i].0.clone();
        let is_recorded = !events.is_empty()
            || outcomes.iter().any(is_archived)
            || inputs.iter().any(|input| !matches!(input, Input::Pings(_)));
        let mut outcomes = outcomes.iter();
        inputs.retain_mut(|input| {
            let Input::Pings(run) = input else { return true };
            run.pings.retain(|_| outcomes.next().is_some_and(is_archived));
            !run.pings.is_empty() || run.low_mark.is_some()
        });
        is_recorded.then_some(inputs)
    }

    fn apply(&self, detector: &mut Detector, i: usize) -> Effects {
        let (inputs, now) = &self.history.segments[i];
        detector.apply(inputs, *now, i as u64 + 1)
    }

    fn until(&self, segment: usize) -> Detector {
        let mut detector = Detector::new(self.history.settings.clone());
        for i in 0..segment {
            self.apply(&mut detector, i);
        }
        detector
    }

    fn restore(&self, state: Vec<u8>) -> Detector {
        let fences = |hash: &str| self.sets.get(hash).cloned();
        Detector::decode_state(Bytes::from(state), fences).unwrap()
    }

    /// Goes on from a snapshot of before `segment`.
    fn restart_at(&self, what: &str, segment: usize) {
        let before = self.until(segment);
        let state = before.encode_state();
        assert!(is_by_last_heard(&state), "{what}, segment {segment}");
        let restored = self.restore(state);
        assert_eq!(restored.hot_bytes(), before.hot_bytes(), "{what}, segment {segment}");
        assert_eq!(restored.event_time_max(), before.event_time_max());
        assert_eq!(restored.positions_since(0), before.positions_since(0));
        self.goes_on(what, restored, segment);
    }

    /// Goes on from a state that is taken down from before `segment` on, while
    /// later segments are applied.
    fn captured_from(&self, what: &str, segment: usize, bytes: usize) {
        let mut detector = self.until(segment);
        detector.begin_capture();
        let mut state = Vec::new();
        for i in segment..self.history.segments.len() {
            self.apply(&mut detector, i);
            let captured = detector.capture(bytes).unwrap();
            state.extend(captured.bytes);
            if captured.is_last {
                self.goes_on(what, self.restore(state), segment);
                return;
            }
        }
    }

    fn goes_on(&self, what: &str, mut detector: Detector, segment: usize) {
        for i in segment..self.history.segments.len() {
            let effects = self.apply(&mut detector, i);
            assert_eq!(effects, self.effects[i], "{what}: segment {i}, restart before {segment}");
        }
    }
}

/// Whether those come first that were heard longest ago: the next ones to be heard,
/// mostly, which is why they are taken down before others.
fn is_by_last_heard(state: &[u8]) -> bool {
    let state = CoreState::decode(state).unwrap();
    let seen = |vehicle: &CoreVehicle| vehicle.liveness.as_ref().unwrap().seen_ms;
    state.vehicles.is_sorted_by_key(seen)
}
