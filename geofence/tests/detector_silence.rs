//! Silence (semantics §9), which receive time alone decides, and the live
//! position (§10), where the newest event time wins.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Effects, Input, PingRun, Status, TimeMs};
use protos::events::fleet_event::Detail;

use support::only_sq;
use support::pings::{Made, ping};
use support::shard::{Shard, kind, plain};

/// Under way, never stationary.
fn at(t_s: i64) -> Made {
    ping(t_s, 9.0, 50.005).speed(Some(9.0))
}

fn shard() -> Shard {
    Shard::new(plain(), only_sq(""))
}

/// One segment of one source, whose low mark is at `mark_s`.
fn hear(
    shard: &mut Shard,
    source: u32,
    mark_s: Option<i64>,
    pings: impl IntoIterator<Item = Made>,
) -> Effects {
    let pings: Vec<_> = pings.into_iter().map(Made::done).collect();
    let now = pings.iter().map(|ping| ping.receive_time).max().unwrap_or(TimeMs::MIN);
    let low_mark = mark_s.map(|s| TimeMs(s * 1000));
    let run = PingRun { source, low_mark, low_mark_bounds_lateness: true, pings };
    shard.apply(&[Input::Pings(run)], now)
}

fn kinds(effects: &Effects) -> Vec<&'static str> {
    effects.events.iter().map(kind).collect()
}

#[test]
fn offline_once_the_low_mark_has_passed_the_threshold() {
    let mut shard = shard();
    hear(&mut shard, 1, Some(0), [at(10)]);
    assert_eq!(kinds(&hear(&mut shard, 1, Some(310), [])), [""; 0]);
    let effects = hear(&mut shard, 1, Some(311), []);
    let [offline] = &effects.events[..] else { panic!("{effects:?}") };
    assert_eq!((kind(offline), offline.event_time_ms), ("offline", 310_000));
    assert_eq!((offline.not_before_ms, offline.not_after_ms), (10_000, 310_000));
    let Some(Detail::VehicleOffline(detail)) = &offline.detail else { panic!() };
    assert_eq!(detail.threshold_s, 300.0);
    assert_eq!(effects.positions[0].status, Status::Offline);
    // Said once.
    assert_eq!(kinds(&hear(&mut shard, 1, Some(9_999), [])), [""; 0]);

    let effects = hear(&mut shard, 1, Some(9_999), [at(10_010)]);
    let [online] = &effects.events[..] else { panic!("{effects:?}") };
    assert_eq!((kind(online), online.event_time_ms), ("online", 10_010_000));
    let Some(Detail::VehicleOnline(detail)) = &online.detail else { panic!() };
    assert_eq!(detail.silence_s, 10_000.0);
    assert_eq!(effects.positions[0].status, Status::Moving);
    // Only the next silence is told again.
    assert_eq!(kinds(&hear(&mut shard, 1, Some(9_999), [at(10_020)])), [""; 0]);
}

#[test]
fn offline_and_online_in_one_segment() {
    let mut apart = shard();
    hear(&mut apart, 1, Some(0), [at(10)]);
    hear(&mut apart, 1, Some(400), []);
    hear(&mut apart, 1, Some(400), [at(500)]);
    let mut at_once = shard();
    hear(&mut at_once, 1, Some(0), [at(10)]);
    let effects = hear(&mut at_once, 1, Some(400), [at(500)]);
    assert_eq!(kinds(&effects), ["offline", "online"]);
    let ids =
        |shard: &Shard| shard.fold.events().iter().map(|event| event.event_id).collect::<Vec<_>>();
    assert_eq!(apart.told(), at_once.told());
    assert_eq!(ids(&apart), ids(&at_once), "ids come from the last ping");
}

#[test]
fn a_frozen_low_mark_makes_nobody_offline() {
    let mut shard = shard();
    for mark in [None, Some(0), Some(200)] {
        hear(&mut shard, 1, mark, [at(10).id(&format!("{mark:?}")).received(10)]);
        shard.tick(1_000_000);
        assert_eq!(kinds(&hear(&mut shard, 1, mark, [])), [""; 0]);
    }
    // Another source's mark says nothing either.
    assert_eq!(kinds(&hear(&mut shard, 2, Some(1_000_000), [])), [""; 0]);
}

#[test]
fn the_threshold_grows_with_the_usual_interval() {
    let mut shard = shard();
    let mut u = 60_000_i64;
    for i in 1..=40 {
        u += (600_000 - u) / 8;
        hear(&mut shard, 1, Some(0), [at((i - 1) * 600)]);
        if i == 40 {
            hear(&mut shard, 1, Some(0), [at(i * 600)]);
        }
    }
    let due_ms = 40 * 600_000 + 4 * u;
    let run = |mark_ms: i64| {
        Input::Pings(PingRun { source: 1, low_mark: Some(TimeMs(mark_ms)), ..PingRun::default() })
    };
    assert_eq!(kinds(&shard.apply(&[run(due_ms)], TimeMs::MIN)), [""; 0]);
    let effects = shard.apply(&[run(due_ms + 1)], TimeMs::MIN);
    assert_eq!((kinds(&effects), effects.events[0].event_time_ms), (vec!["offline"], due_ms));
}

#[test]
fn duplicates_are_no_sign_of_life() {
    let mut shard = shard();
    hear(&mut shard, 1, Some(0), [at(10)]);
    hear(&mut shard, 1, Some(0), [at(10).received(300)]);
    assert_eq!(kinds(&hear(&mut shard, 1, Some(311), [])), ["offline"]);
    hear(&mut shard, 1, Some(311), [at(10).received(330)]);
    assert_eq!(shard.told(), ["offline @310"]);
}

#[test]
fn a_vehicle_is_looked_for_at_the_source_it_moved_to() {
    // Whether its old source goes on or stalls, and after a restart too.
    for old_source in [Some(5_000), None] {
        let mut shard = shard();
        hear(&mut shard, 1, Some(0), [at(10)]);
        hear(&mut shard, 2, Some(0), [at(20)]);
        let mut restored = shard.restored();
        if old_source.is_some() {
            assert_eq!(kinds(&hear(&mut shard, 1, old_source, [])), [""; 0]);
            restored.apply(&[silent(1, 5_000)], TimeMs::MIN, shard.seq);
        }
        assert_eq!(kinds(&hear(&mut shard, 2, Some(320), [])), [""; 0]);
        let effects = hear(&mut shard, 2, Some(321), []);
        assert_eq!(kinds(&effects), ["offline"]);
        assert_eq!(restored.apply(&[silent(2, 321)], TimeMs::MIN, shard.seq), effects);
    }
}

#[test]
fn silences_after_copies_of_one_ping_are_told_apart() {
    let mut shard = shard();
    hear(&mut shard, 1, Some(0), [at(10), at(5_000)]);
    let mut restored = None;
    for round in 1..=3 {
        let t = 10_000 * round;
        hear(&mut shard, 1, Some(t), []);
        // Too late to be known for a copy of the first one.
        let copy = hear(&mut shard, 1, Some(t), [at(10).received(t)]);
        assert_eq!(kinds(&copy), ["online"]);
        restored = Some(shard.restored());
    }
    let last = shard.apply(&[silent(1, 99_999)], TimeMs::MIN);
    assert_eq!(kinds(&last), ["offline"]);
    assert_eq!(restored.unwrap().apply(&[silent(1, 99_999)], TimeMs::MIN, shard.seq), last);
    // What stands is folded by id.
    assert_eq!(shard.told().len(), 7, "{:?}", shard.told());
}

/// A low mark, in seconds, and no ping.
fn silent(source: u32, mark_s: i64) -> Input {
    let low_mark = Some(TimeMs(mark_s * 1000));
    Input::Pings(PingRun { source, low_mark, low_mark_bounds_lateness: true, pings: vec![] })
}

#[test]
fn a_vehicle_known_by_a_ping_from_the_future_is_looked_for() {
    let mut shard = shard();
    hear(&mut shard, 7, Some(0), [at(99_999).received(10)]);
    assert_eq!(kinds(&hear(&mut shard, 7, Some(311), [])), ["offline"]);
}

#[test]
fn the_newest_event_time_is_shown() {
    let mut shard = shard();
    let shown = |effects: Effects| {
        effects
            .positions
            .iter()
            .map(|p| (p.event_time.0 / 1000, p.position.lon))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(shard.pings([at(100)])), [(100, 90_000_000)]);
    assert_eq!(shown(shard.pings([ping(50, 9.1, 50.0).received(101)])), [], "late");
    assert_eq!(shown(shard.pings([ping(100, 9.2, 50.0).accuracy(Some(9.0))])), [], "superseded");
    let better = ping(100, 9.3, 50.0).accuracy(Some(1.0));
    assert_eq!(shown(shard.pings([better])), [(100, 93_000_000)]);
    let both = [ping(120, 9.5, 50.0), ping(110, 9.4, 50.0).received(120)];
    assert_eq!(shown(shard.pings(both)), [(120, 95_000_000)], "one a segment");
    // A clamped ping from the future does not hide what comes after it.
    let future = ping(9_999, 9.6, 50.0).received(125);
    assert_eq!(shown(shard.pings([future])), [(125, 96_000_000)]);
    assert_eq!(shown(shard.pings([ping(130, 9.7, 50.0)])), [(130, 97_000_000)]);
    assert_eq!(shown(shard.pings([ping(-3_000_000, 9.8, 50.0).received(131)])), [], "too late");
}

#[test]
fn a_late_ping_may_change_status_and_fences_and_never_the_place() {
    let mut shard = shard();
    let parked = |t| ping(t, 10.005, 50.005).ignition(Some(true));
    shard.pings([at(0), parked(400)]);
    let effects = shard.pings((1..40).map(|i| parked(i * 10).received(401)));
    let position = &effects.positions[0];
    assert_eq!((position.event_time, position.status), (TimeMs(400_000), Status::Idle));
    assert_eq!(position.fences, ["sq"].into_iter().collect());
    assert_eq!(position.seq, shard.seq);
    assert_eq!(shard.detector.positions_since(shard.seq - 1), effects.positions);
    assert_eq!(shard.detector.positions_since(shard.seq), []);
}
