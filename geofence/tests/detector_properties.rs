//! The laws of detection, profile plain, on random worlds.
//!
//! The ordinary run takes some seconds. A long one:
//! `PROPTEST_CASES=200000 cargo test -p geofence --test detector_properties`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod reference;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use geofence::{Detector, Input, Outcome, PingRun, TimeMs};
use proptest::prelude::*;
use protos::events::{FleetEvent, Id};

use reference::world::{Scale, World, cases, fence_set, in_order, world};
use support::shard::{Shard, kind, run};

fn shard(world: &World) -> Shard {
    Shard::new(world.settings.clone(), fence_set(&world.epochs[0].1))
}

fn play(world: &World, segments: &[(Vec<Input>, TimeMs)]) -> Shard {
    let mut shard = shard(world);
    for (inputs, now) in segments {
        shard.apply(inputs, *now);
    }
    shard
}

/// The events of the fold as the reference writes them. Visits and episodes
/// are named by what the reference says their first ping is; two of one name
/// must have one id, and of two names two.
fn told(shard: &Shard, expected: &[reference::Told]) -> Vec<reference::Told> {
    let events: Vec<FleetEvent> = shard.fold.contents();
    // An id is the group of the expected event that is equal in all else.
    let mut names: BTreeMap<Id, i64> = BTreeMap::new();
    let mut pool: Vec<&reference::Told> = expected.iter().collect();
    for event in &events {
        let bare = reference::told(event, |_| 0);
        let twin =
            |told: &&reference::Told| reference::Told { group: 0, ..(*told).clone() } == bare;
        if let Some(i) = pool.iter().position(twin) {
            let group = pool.swap_remove(i).group;
            let id = if event.visit_id.is_none() { event.episode_id } else { event.visit_id };
            let known = *names.entry(id).or_insert(group);
            assert_eq!(known, group, "one id for two visits or episodes: {}", kind(event));
        }
    }
    events
        .iter()
        .map(|event| reference::told(event, |id| names.get(&id).copied().unwrap_or(-1)))
        .collect()
}

fn agrees_with_the_reference(world: &World) {
    let expected =
        reference::batch(&world.pings, &world.epochs, &world.tags, &world.settings, world.end);
    let shard = play(world, &in_order(world));
    let found = reference::sorted(told(&shard, &expected));
    pretty_eq(&expected, &found);
}

/// Equal lists, or a panic that shows only what differs.
fn pretty_eq<T: std::fmt::Debug + PartialEq>(expected: &[T], found: &[T]) {
    if expected != found {
        let missing: Vec<_> = expected.iter().filter(|event| !found.contains(event)).collect();
        let surplus: Vec<_> = found.iter().filter(|event| !expected.contains(event)).collect();
        panic!("missing: {missing:#?}\nsurplus: {surplus:#?}");
    }
}

/// Any order of arrival, with duplicates, gives what the batch run gives; and
/// a detector restored at `cut` has the same effects as the one that ran on.
fn converges(world: &World, cut: usize) {
    let mut shard = shard(world);
    let mut restored: Option<Detector> = None;
    for (i, (inputs, now)) in world.segments.iter().enumerate() {
        if i == cut {
            restored = Some(shard.restored());
        }
        let effects = shard.apply(inputs, *now);
        if let Some(restored) = &mut restored {
            assert_eq!(restored.apply(inputs, *now, shard.seq), effects, "after a restart");
        }
        for outcome in &effects.outcomes {
            assert_ne!(*outcome, Outcome::VehicleLimit);
        }
    }
    assert_eq!(shard.counters.get("too_late"), 0, "the world keeps within its lateness");
    let batch = play(world, &in_order(world));
    pretty_eq(&batch.fold.contents(), &shard.fold.contents());
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn answers_are_those_of_the_reference(world in world(Scale::small())) {
        agrees_with_the_reference(&world);
    }

    #[test]
    fn every_arrival_order_converges(world in world(Scale::small()), cut in 0_usize..8) {
        converges(&world, cut);
    }

    #[test]
    fn an_idle_moment_changes_nothing(
        world in world(Scale::small()),
        ticks in prop::collection::vec(prop::option::of(0_i64..9_000_000), 1..40),
    ) {
        idle_moments_change_nothing(&world, &ticks);
    }

    #[test]
    fn a_low_mark_on_its_own_changes_nothing(world in world(Scale::small())) {
        low_marks_change_nothing(&world);
    }

    #[test]
    fn a_duplicate_changes_nothing(
        world in world(Scale::small()),
        again in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        duplicates_change_nothing(&world, &again);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn long_windows_agree_with_the_reference(world in world(Scale::long())) {
        agrees_with_the_reference(&world);
    }

    #[test]
    fn long_windows_converge(world in world(Scale::long()), cut in 0_usize..120) {
        converges(&world, cut);
    }
}

/// Applies without input, whether they were recorded or not, leave later
/// effects as they are: those that had no effect are not recorded.
fn idle_moments_change_nothing(world: &World, ticks: &[Option<i64>]) {
    let (mut busy, mut quiet) = (shard(world), shard(world));
    let mut now = TimeMs::MIN;
    for ((inputs, clock), tick) in world.segments.iter().zip(ticks.iter().cycle()) {
        if let Some(after) = tick
            && now > TimeMs::MIN
        {
            now = now.plus(*after);
            let seq = quiet.seq + 1;
            let effects = busy.detector.apply(&[], now, seq);
            if effects.events.is_empty() {
                assert_eq!(effects.positions, vec![], "a change that no segment tells");
            } else {
                assert_eq!(quiet.apply(&[], now), effects);
            }
        }
        now = now.max(*clock);
        let expected = quiet.apply(inputs, now);
        let found = busy.detector.apply(inputs, now, quiet.seq);
        pretty_eq(&expected.events, &found.events);
        assert_eq!(found, expected);
    }
    assert_eq!(busy.detector.encode_state(), quiet.detector.encode_state());
}

/// The first low mark of each segment told before it, in an apply without pings.
/// One that concludes nothing is not recorded, and leaves later effects as they
/// are.
fn low_marks_change_nothing(world: &World) {
    let (mut busy, mut quiet) = (shard(world), shard(world));
    for (inputs, now) in &world.segments {
        let marks = inputs.iter().filter_map(|input| match input {
            Input::Pings(run) => run.low_mark,
            _ => None,
        });
        let mark = PingRun { low_mark: marks.min(), ..PingRun::default() };
        let alone = [Input::Pings(mark)];
        let clock = quiet.detector.now();
        let effects = busy.detector.apply(&alone, clock, quiet.seq + 1);
        if effects.events.is_empty() {
            assert_eq!(effects.positions, vec![], "a change that no segment tells");
        } else {
            assert_eq!(quiet.apply(&alone, clock), effects);
        }
        let expected = quiet.apply(inputs, *now);
        let found = busy.detector.apply(inputs, *now, quiet.seq);
        pretty_eq(&expected.events, &found.events);
        assert_eq!(found, expected);
    }
}

/// Pings that were accepted already, sent once more in segments of their own.
fn duplicates_change_nothing(world: &World, again: &[prop::sample::Index]) {
    let mut shard = shard(world);
    let mut sent = Vec::new();
    for ((inputs, now), again) in world.segments.iter().zip(again.iter().cycle()) {
        shard.apply(inputs, *now);
        for input in inputs {
            if let Input::Pings(run) = input {
                sent.extend(run.pings.iter().cloned());
            }
        }
        if sent.is_empty() {
            continue;
        }
        let now = shard.detector.now();
        // What is due by now may be judged meanwhile; that is no duplicate's doing.
        shard.apply(&[], now);
        let before = shard.detector.encode_state();
        let mut ping = again.get(&sent).clone();
        ping.receive_time = ping.receive_time.plus(10);
        let effects = shard.apply(&[Input::Pings(run(vec![ping]))], now);
        if effects.outcomes == [Outcome::Duplicate] {
            assert_eq!((effects.events, effects.positions), (vec![], vec![]));
            assert_eq!(shard.detector.encode_state(), before);
        }
    }
}

#[test]
fn fences_of_worlds_are_told_apart() {
    // A guard against a world whose changes change nothing.
    let hashes: BTreeSet<String> =
        reference::world::all_sets().iter().map(|set| set.hash().to_owned()).collect();
    assert_eq!(hashes.len(), 6);
}
