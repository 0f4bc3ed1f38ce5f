//! Changes of the fences by whole sets (semantics §7), beside the vectors V20
//! to V25: what they meet on their way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;

use geofence::{FenceSet, Input, Settings, TimeMs};

use support::pings::{Made, ping};
use support::shard::{Shard, kind, plain, run};
use support::{only_sq, rectangle, set};

fn inside(t_s: i64) -> Made {
    ping(t_s, 10.0005, 50.005)
}

fn outside(t_s: i64) -> Made {
    ping(t_s, 9.0, 50.005)
}

fn pings(made: impl IntoIterator<Item = Made>) -> Input {
    Input::Pings(run(made.into_iter().map(Made::done).collect()))
}

fn fences(set: FenceSet, t_s: i64) -> Input {
    Input::Fences { set: Arc::new(set), valid_from: TimeMs(t_s * 1000) }
}

#[test]
fn a_change_amid_a_segment_ends_no_idle_episode() {
    let engine_on = |t: i64| inside(t).ignition(Some(true));
    let mut shard = Shard::new(plain(), FenceSet::empty());
    shard.pings((0..=10).map(|i| engine_on(i * 30)));
    // Up to 1200 the gaps are small; the change is from between them.
    let rest = pings((11..=40).map(|i| engine_on(i * 30)));
    shard.apply(&[rest, fences(only_sq(""), 615)], TimeMs(1_200_000));
    assert_eq!(shard.told(), ["stationary_start @0", "idle_start @0", "enter sq @615"]);
    // Every ping after it was judged by it.
    shard.pings([outside(1230)]);
    let visit = shard.only("visit");
    let Some(protos::events::fleet_event::Detail::GeofenceVisit(figures)) = visit.detail else {
        panic!()
    };
    assert_eq!(figures.pings, 20);
}

#[test]
fn a_new_vehicle_comes_after_older_fences_were_forgotten() {
    let settings = Settings { reorder_delay_ms: 10_000, ..plain() };
    let mut shard = Shard::new(settings, FenceSet::empty());
    shard.pings([outside(0)]);
    for (set, t_s) in [(only_sq(""), 100), (FenceSet::empty(), 200), (only_sq(""), 300)] {
        shard.fences(set, t_s);
    }
    // A day, for which they are kept for vehicles that are not known yet.
    for minute in 1..=1_510 {
        shard.pings([outside(minute * 60)]);
    }
    assert_eq!(shard.detector.fence_hashes().len(), 1, "the hour has turned");
    // Waits for its reorder delay, and has been judged by nothing yet.
    shard.pings([inside(90_601).of("new")]);
    shard.pings([inside(90_650).of("new")]);
    assert_eq!(shard.told(), ["enter sq @90601", "stationary_start @0"]);
}

#[test]
fn a_change_decides_for_pings_that_come_after_it_was_told() {
    let told = |order: &[usize]| {
        let mut shard = Shard::new(plain(), only_sq(""));
        // Not the first vehicle of the shard.
        shard.pings([outside(0).of("other")]);
        for step in order {
            match step {
                0 => shard.pings([inside(90).received(110)]),
                _ => shard.fences(FenceSet::empty(), 100),
            };
        }
        shard.end(110);
        shard.told()
    };
    assert_eq!(told(&[0, 1]), ["enter sq @90", "exit sq @100", "visit sq @100"]);
    assert_eq!(told(&[1, 0]), told(&[0, 1]));
}

#[test]
fn a_second_set_does_not_replace_the_first_for_want_of_vehicles() {
    let mut shard = Shard::new(plain(), only_sq(""));
    shard.fences(FenceSet::empty(), 100);
    shard.pings([inside(50).received(120), inside(120)]);
    assert_eq!(shard.told(), ["enter sq @50", "exit sq @100", "visit sq @100"]);
}

#[test]
fn a_set_announced_for_later_comes_into_force_with_the_clock() {
    let mut shard = Shard::new(plain(), FenceSet::empty());
    shard.pings([inside(0)]);
    let effects = shard.apply(&[fences(only_sq(""), 500)], TimeMs(100_000));
    assert_eq!(effects.events, []);
    assert_eq!(shard.detector.next_due(), Some(TimeMs(500_000)));
    let mut restored = shard.restored();
    assert_eq!(restored.next_due(), Some(TimeMs(500_000)));
    assert_eq!(shard.tick(499).events, []);
    let effects = shard.tick(500);
    assert_eq!(effects.events.iter().map(kind).collect::<Vec<_>>(), ["enter"]);
    assert_eq!(effects.events[0].event_time_ms, 500_000);
    assert_eq!(shard.detector.next_due(), None);
    assert_eq!(restored.apply(&[], TimeMs(500_000), shard.seq), effects);

    // Or with a ping of its time, whichever comes first.
    let mut moved = Shard::new(plain(), FenceSet::empty());
    moved.pings([inside(0)]);
    moved.apply(&[fences(only_sq(""), 500)], TimeMs(100_000));
    moved.pings([inside(520).received(490)]);
    assert!(moved.told().contains(&"enter sq @500".to_owned()));
}

#[test]
fn a_change_finds_pings_that_wait_to_be_judged() {
    let mut shard = Shard::new(
        Settings { reorder_delay_ms: 60_000, ..plain() },
        set(&[rectangle("a", [10.0, 50.0, 10.01, 50.01], "")]),
    );
    shard.pings([outside(0), inside(100)]);
    assert_eq!(shard.told(), [""; 0], "the second one waits");
    shard.fences(FenceSet::empty(), 110);
    assert_eq!(shard.told(), ["enter a @100", "exit a @110", "visit a @110"]);
    // A ping from between still counts.
    shard.pings([inside(50).received(111)]);
    assert_eq!(shard.told(), ["enter a @50", "exit a @110", "visit a @110"]);
}

#[test]
fn sets_are_kept_for_vehicles_that_may_still_be_judged_by_them() {
    let mut shard = Shard::new(plain(), only_sq(""));
    shard.pings([outside(100).of("quiet")]);
    shard.fences(FenceSet::empty(), 200);
    for hour in 1..5 {
        shard.pings((0..100).map(|i| outside(hour * 3600 + i * 36).of("busy")));
    }
    let mut restored = shard.restored();
    let late = pings([inside(50).of("quiet").received(20_000)]);
    let effects = shard.apply(std::slice::from_ref(&late), TimeMs(20_000_000));
    assert_eq!(effects.events.len(), 3, "by the first set: {effects:?}");
    assert_eq!(restored.apply(&[late], TimeMs(20_000_000), shard.seq), effects);

    // Once no window reaches back, a set is forgotten.
    let month = 31 * 86_400;
    shard.pings((0..100).map(|i| outside(month + i * 36).of("busy")));
    shard.tick(month + 7_200);
    assert_eq!(shard.detector.fence_hashes().len(), 1);
}

#[test]
fn thresholds_that_change_during_a_visit_count_none_twice() {
    let dwell = |list: &str| only_sq(&format!(r#","dwell_s":{list}"#));
    let mut shard = Shard::new(plain(), dwell("[300]"));
    shard.pings((0..=10).map(|i| inside(i * 60)));
    shard.fences(dwell("[60, 300, 900]"), 620);
    shard.pings((11..=20).map(|i| inside(i * 60)));
    let told = shard.told();
    let dwells: Vec<_> = told.iter().filter(|line| line.starts_with("dwell")).collect();
    assert_eq!(dwells, ["dwell sq @300", "dwell sq @900"]);
}

#[test]
fn a_fence_that_returns_takes_a_new_version() {
    let mut shard = Shard::new(plain(), only_sq(""));
    shard.pings([inside(0)]);
    shard.fences(FenceSet::empty(), 100);
    shard.fences(only_sq(""), 200);
    let enters: Vec<_> = shard
        .fold
        .events()
        .into_iter()
        .filter(|event| kind(event) == "enter")
        .map(|event| (event.event_time_ms, event.fence_version))
        .collect();
    assert_eq!(enters, [(0, 1), (200_000, 2)]);
}

/// One ping has seen both fences come.
#[test]
fn visits_that_changes_begin_after_one_ping_are_not_one_visit() {
    let mut shard = Shard::new(plain(), only_sq(""));
    shard.pings([inside(0)]);
    shard.fences(FenceSet::empty(), 10);
    shard.fences(only_sq(""), 20);
    shard.fences(FenceSet::empty(), 30);
    shard.fences(only_sq(""), 40);
    shard.pings([outside(600)]);
    let events = shard.fold.events();
    let visits: Vec<_> = events.iter().filter(|event| kind(event) == "visit").collect();
    let ids: std::collections::BTreeSet<_> = visits.iter().map(|event| &event.visit_id).collect();
    assert_eq!((visits.len(), ids.len()), (3, 3), "{:?}", shard.told());
}
