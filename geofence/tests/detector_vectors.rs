//! The specification's test vectors that profile plain can answer, by number.
//! Times are seconds after T; an event's line is kind, fence and time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Disposition, FenceSet, Input, Outcome, PingRun, Settings, TimeMs};
use protos::events::fleet_event::Detail;
use protos::events::{Op, Reason};

use support::pings::{Made, ping, ping_ms};
use support::shard::{Shard, plain};
use support::{feature, only_sq, rectangle, ring, set};

/// Inside SQ, and west of it.
const IN: (f64, f64) = (10.0005, 50.005);
const OUT: (f64, f64) = (9.999, 50.005);

fn inside(t_s: i64) -> Made {
    ping(t_s, IN.0, IN.1)
}

fn outside(t_s: i64) -> Made {
    ping(t_s, OUT.0, OUT.1)
}

fn on_time() -> Outcome {
    Outcome::Archived { disposition: Disposition::OnTime, supersedes: None }
}

fn archived(disposition: Disposition) -> Outcome {
    Outcome::Archived { disposition, supersedes: None }
}

fn sq() -> Shard {
    Shard::new(plain(), only_sq(""))
}

fn dwell_5_min() -> Shard {
    Shard::new(plain(), only_sq(r#","dwell_s":[300]"#))
}

/// No fences, 60 s for stationary and idle kept at their defaults.
fn nowhere() -> Shard {
    Shard::new(plain(), FenceSet::empty())
}

#[test]
fn v02_on_the_edge_is_inside() {
    let mut shard = sq();
    shard.pings([outside(0), ping(30, 10.0, 50.005)]);
    let enter = shard.only("enter");
    assert_eq!(enter.distance_m, Some(0.0));
    assert!((enter.confidence.unwrap() - 0.5).abs() < 0.02, "{:?}", enter.confidence);
}

#[test]
fn v03_a_vertex_and_a_shared_edge_belong_to_both() {
    let two = || {
        set(&[
            rectangle("a", [10.0, 50.0, 10.01, 50.01], ""),
            rectangle("b", [10.01, 50.0, 10.02, 50.01], ""),
        ])
    };
    for latitude in [50.0, 50.005] {
        let mut shard = Shard::new(plain(), two());
        shard.pings([ping(0, 9.0, 50.0), ping(30, 10.01, latitude)]);
        assert_eq!(shard.told(), ["enter a @30", "enter b @30"]);

        let mut from_inside = Shard::new(plain(), two());
        from_inside.pings([ping(0, 10.005, 50.005), ping(30, 10.01, latitude)]);
        assert_eq!(from_inside.told(), ["enter a @0", "enter b @30"]);
    }
}

#[test]
fn v08_a_duplicate_has_no_effect() {
    let mut shard = sq();
    shard.pings([outside(0), inside(30)]);
    let mut spared = shard.restored();
    let effects = shard.pings([inside(30).received(630)]);
    assert_eq!(effects.outcomes, [Outcome::Duplicate]);
    assert_eq!((effects.events, effects.positions), (vec![], vec![]));
    assert_eq!(effects.counters.get("duplicate"), 1);
    spared.apply(&[], TimeMs(630_000), 9);
    assert_eq!(shard.detector.encode_state(), spared.encode_state());
}

#[test]
fn v09_a_ping_from_the_future_moves_no_clock() {
    let mut shard = sq();
    shard.pings([outside(0)]);
    let effects = shard.pings([inside(3 * 3600 + 10).received(10)]);
    assert_eq!(effects.outcomes, [archived(Disposition::Future)]);
    assert_eq!(effects.events, []);
    let shown = &effects.positions[0];
    assert_eq!((shown.event_time, shown.position.lon), (TimeMs(10_000), 100_005_000));
    assert_eq!(shard.detector.event_time_max(), Some(TimeMs(0)));

    assert_eq!(shard.ping(inside(30)), on_time());
    assert_eq!(shard.told(), ["enter sq @30"]);
    let enter = shard.only("enter");
    assert_eq!((enter.not_before_ms, enter.not_after_ms), (0, 30_000));
}

#[test]
fn v10_a_week_number_that_wrapped_is_suspected() {
    let (r, week) = (1_000_000_000, 7 * 86_400);
    let month = 30 * 86_400;
    let cases = [
        (1024 * week, Disposition::RolloverSuspected),
        (1024 * week + month, Disposition::RolloverSuspected),
        (1024 * week - month, Disposition::RolloverSuspected),
        (1024 * week + month + 1, Disposition::Ancient),
        (1024 * week - month - 1, Disposition::Ancient),
        (month + 1, Disposition::Ancient),
        (month, Disposition::OnTime),
    ];
    for (age, disposition) in cases {
        let mut shard = sq();
        let effects = shard.pings([inside(r - age).received(r)]);
        assert_eq!(effects.outcomes, [archived(disposition)], "{age} s old");
        let judged = disposition == Disposition::OnTime;
        assert_eq!(effects.events.is_empty(), !judged);
        assert_eq!(effects.positions.is_empty(), !judged);
    }
}

#[test]
fn v11_reversed_arrival_gives_the_same_events() {
    let mut sorted = sq();
    sorted.pings([inside(10), inside(20), inside(30)]);
    let mut reversed = sq();
    for t in [30, 20, 10] {
        reversed.pings([inside(t).received(30)]);
    }
    assert_eq!(reversed.told(), ["enter sq @10"]);
    assert_eq!(reversed.fold.contents(), sorted.fold.contents());
}

#[test]
fn v12_a_late_ping_moves_an_enter() {
    let mut shard = sq();
    shard.pings([ping(0, 9.999, 50.005)]);
    shard.pings([ping(60, 10.001, 50.005)]);
    let before = shard.only("enter");
    let effects = shard.pings([ping(30, 10.001, 50.005).received(61)]);
    assert_eq!(effects.outcomes, [archived(Disposition::Late)]);

    let [asserted, retracted] = &effects.events[..] else { panic!("{:?}", effects.events) };
    assert_eq!((asserted.op(), retracted.op()), (Op::Assert, Op::Retract));
    assert_eq!(retracted.event_id, before.event_id);
    assert_eq!(asserted.replaces, before.event_id);
    assert!(asserted.late && retracted.late);
    let interval = (asserted.event_time_ms, asserted.not_before_ms, asserted.not_after_ms);
    assert_eq!(interval, (30_000, 0, 30_000));
    assert_eq!(asserted.observed_at_ms, 61_000);

    let mut sorted = sq();
    sorted.pings([0, 30, 60].map(|t| ping(t, if t == 0 { 9.999 } else { 10.001 }, 50.005)));
    assert_eq!(shard.fold.contents(), sorted.fold.contents());
}

#[test]
fn v14_behind_the_hot_window_a_ping_is_too_late() {
    let mut shard = sq();
    shard.pings([outside(1000)]);
    let effects = shard.pings([inside(99).received(1001)]);
    assert_eq!(effects.outcomes, [archived(Disposition::TooLate)]);
    assert_eq!((effects.events, effects.positions), (vec![], vec![]));
    assert_eq!(effects.counters.get("too_late"), 1);
    // The edge itself still counts.
    assert_eq!(shard.ping(inside(100).received(1001)), archived(Disposition::Late));
    assert_eq!(shard.told(), ["enter sq @100", "exit sq @1000", "visit sq @1000"]);
}

#[test]
fn v20_a_fence_drawn_round_a_parked_vehicle() {
    let mut shard = nowhere();
    shard.pings([inside(0)]);
    shard.fences(only_sq(""), 100);
    let enter = shard.only("enter");
    assert_eq!(enter.reason(), Reason::FenceCreated);
    assert_eq!((enter.event_time_ms, enter.fence_version), (100_000, 1));
    assert_eq!((enter.not_before_ms, enter.not_after_ms), (100_000, 100_000));
}

#[test]
fn v21_a_fence_that_shrinks_away_from_a_parked_vehicle() {
    let mut shard = sq();
    shard.pings([inside(0), inside(60)]);
    shard.fences(set(&[rectangle("sq", [10.005, 50.0, 10.01, 50.01], "")]), 100);
    assert_eq!(shard.told(), ["enter sq @0", "exit sq @100", "visit sq @100"]);
    let (exit, visit) = (shard.only("exit"), shard.only("visit"));
    assert_eq!((exit.reason(), exit.fence_version), (Reason::FenceChanged, 2));
    assert_eq!((exit.not_before_ms, exit.not_after_ms), (100_000, 100_000));
    assert_eq!(visit.visit_id, shard.only("enter").visit_id);
    let Some(Detail::GeofenceVisit(figures)) = visit.detail else { panic!() };
    assert_eq!((figures.duration_s, figures.certain_s, figures.pings), (100.0, 60.0, 2));
}

#[test]
fn v22_a_fence_deleted_while_inside() {
    let mut shard = sq();
    shard.pings([inside(0)]);
    shard.fences(FenceSet::empty(), 100);
    shard.pings([inside(120)]);
    assert_eq!(shard.told(), ["enter sq @0", "exit sq @100", "visit sq @100"]);
    assert_eq!(shard.only("exit").reason(), Reason::FenceDeleted);

    let late = shard.pings([inside(60).received(121)]);
    assert_eq!(late.events.iter().map(|event| event.op()).collect::<Vec<_>>(), [Op::Amend]);
    let Some(Detail::GeofenceVisit(figures)) = shard.only("visit").detail else { panic!() };
    assert_eq!((figures.certain_s, figures.max_gap_s, figures.pings), (60.0, 60.0, 2));
}

#[test]
fn v23_the_same_fence_again_is_no_version() {
    let mut shard = sq();
    shard.pings([inside(0)]);
    let before = shard.detector.encode_state();
    // Written from another corner, the other way round, by another name.
    let again = "[[[10.01,50.01],[10.01,50],[10,50],[10,50.01],[10.01,50.01]]]";
    let effects = shard.fences(set(&[feature("sq", "Polygon", again, "")]), 0);
    assert_eq!((effects.events, effects.positions), (vec![], vec![]));
    assert_eq!(shard.detector.encode_state(), before);

    // A set that changes another fence leaves this one's version alone.
    let more = [
        rectangle("sq", [10.0, 50.0, 10.01, 50.01], ""),
        rectangle("far", [20.0, 50.0, 20.01, 50.01], ""),
    ];
    assert_eq!(shard.fences(set(&more), 10).events, []);
    shard.pings([outside(20)]);
    assert_eq!(shard.only("exit").fence_version, 1);
}

#[test]
fn v25_a_late_ping_is_judged_by_the_version_of_its_time() {
    let mut shard = sq();
    shard.pings([outside(0)]);
    shard.fences(set(&[rectangle("sq", [9.0, 50.0, 9.9, 50.01], "")]), 100);
    shard.pings([outside(120)]);
    shard.pings([inside(50).received(121)]);
    assert_eq!(shard.told(), ["enter sq @50", "exit sq @100", "visit sq @100"]);
    assert_eq!(shard.only("enter").fence_version, 1);
    assert_eq!(shard.only("exit").reason(), Reason::FenceChanged);
}

#[test]
fn v26_reappearing_inside_after_a_gap() {
    let mut shard = dwell_5_min();
    shard.pings([outside(0), inside(7200)]);
    let enter = shard.only("enter");
    assert_eq!(enter.reason(), Reason::Reappeared);
    let interval = (enter.event_time_ms, enter.not_before_ms, enter.not_after_ms);
    assert_eq!(interval, (7_200_000, 0, 7_200_000));
    assert_eq!(shard.told(), ["enter sq @7200"], "no dwell credit");
}

#[test]
fn v27_a_gap_inside_is_one_visit() {
    let mut shard = sq();
    shard.pings([inside(0), inside(7200), outside(7260)]);
    let told = shard.told();
    let visits: Vec<_> = told.iter().filter(|line| line.contains("sq")).collect();
    assert_eq!(visits, ["enter sq @0", "exit sq @7260", "visit sq @7260"]);
    let Some(Detail::GeofenceVisit(figures)) = shard.only("visit").detail else { panic!() };
    assert_eq!((figures.max_gap_s, figures.certain_s), (7200.0, 7200.0));
}

#[test]
fn v30_two_parts_of_one_fence_are_one_visit() {
    let parts =
        format!("[[{}],[{}]]", ring(10.0, 50.0, 10.01, 50.01), ring(10.02, 50.0, 10.03, 50.01));
    let mut shard = Shard::new(plain(), set(&[feature("two", "MultiPolygon", &parts, "")]));
    shard.pings([ping(0, 10.005, 50.005), ping(30, 10.025, 50.005)]);
    assert_eq!(shard.told(), ["enter two @0"]);
}

#[test]
fn v32_a_stay_short_of_the_threshold_is_no_dwell() {
    let mut shard = dwell_5_min();
    shard.pings((0..=29).map(|i| inside(i * 10)));
    shard.pings([outside(310), outside(320)]);
    assert_eq!(shard.told(), ["enter sq @0", "exit sq @310", "visit sq @310"]);
    let Some(Detail::GeofenceVisit(figures)) = shard.only("visit").detail else { panic!() };
    assert_eq!((figures.certain_s, figures.possible_s, figures.pings), (290.0, 310.0, 30));
}

#[test]
fn v33_dwell_is_at_the_threshold_exactly() {
    let mut shard = dwell_5_min();
    shard.pings([inside(0), inside(900).received(907)]);
    let dwell = shard.only("dwell");
    assert_eq!((dwell.event_time_ms, dwell.observed_at_ms), (300_000, 907_000));
    assert_eq!(dwell.visit_id, shard.only("enter").visit_id);
}

/// Engine on, within 8 m of one place, every 7 s up to 301 s.
fn idling() -> Vec<Made> {
    let wander = [0.0, 0.000_07, -0.000_07, 0.000_05, -0.000_06];
    (0..=43)
        .map(|i| ping(i * 7, 10.5 + wander[i as usize % 5], 50.0).ignition(Some(true)))
        .collect()
}

#[test]
fn v34_idle_from_the_first_ping_to_the_last() {
    let mut shard = nowhere();
    shard.pings(idling());
    shard.pings([ping(311, 10.51, 50.0).ignition(Some(true))]);
    let (start, end) = (shard.only("idle_start"), shard.only("idle_end"));
    assert_eq!(start.event_time_ms, 0);
    assert_eq!((end.event_time_ms, end.not_after_ms), (301_000, 311_000));
    assert_eq!(end.reason(), Reason::Moved);
    assert_eq!(end.episode_id, start.episode_id);
    assert_eq!(
        shard.told(),
        ["stationary_start @0", "idle_start @0", "idle_end @301", "stationary_end @301"]
    );

    let mut again = nowhere();
    for made in idling().into_iter().chain([ping(311, 10.51, 50.0).ignition(Some(true))]) {
        again.pings([made]);
    }
    assert_eq!(again.fold.contents(), shard.fold.contents(), "ids are stable");
}

#[test]
fn v35_a_gap_ends_idle_and_not_the_stationary_episode() {
    let mut shard = nowhere();
    shard.pings(idling());
    shard.pings([ping(551, 10.5, 50.0).ignition(Some(true))]);
    let end = shard.only("idle_end");
    assert_eq!((end.event_time_ms, end.not_after_ms), (301_000, 501_000));
    assert_eq!(end.reason(), Reason::Gap);
    assert_eq!(shard.told(), ["stationary_start @0", "idle_start @0", "idle_end @301"]);
}

#[test]
fn v35_a_gap_is_known_when_the_watermark_passes_it() {
    // To the millisecond: at the end of the gap a ping could still fill it.
    for (end_ms, known) in [(501_000, false), (501_001, true)] {
        let mut shard = nowhere();
        shard.pings(idling());
        shard.apply(&[Input::End { end: TimeMs(end_ms) }], TimeMs(0));
        assert_eq!(shard.told().contains(&"idle_end @301".to_owned()), known, "{end_ms}");
    }
}

#[test]
fn v36_without_an_engine_value_there_is_no_idle() {
    let mut shard = nowhere();
    shard.pings(idling().into_iter().map(|made| made.ignition(None)));
    assert_eq!(shard.told(), ["stationary_start @0"]);
}

#[test]
fn v37_stop_and_go_is_no_idle() {
    let mut shard = nowhere();
    // 3 km/h northwards for 20 s, then 20 s of rest, for ten minutes.
    let moved_s = |t: i64| t / 40 * 20 + (t % 40).min(20);
    let north = |t: i64| 50.0 + moved_s(t) as f64 * (3.0 / 3.6) / 111_200.0;
    shard.pings((0..=60).map(|i| ping(i * 10, 10.5, north(i * 10)).ignition(Some(true))));
    assert_eq!(shard.told(), [""; 0]);
}

#[test]
fn v38_a_stalled_subscription_makes_nobody_offline_and_nothing_too_late() {
    const FLEET: i64 = 10_000;
    let vehicle = |i: i64| format!("v{i}");
    let mut shard = Shard::new(Settings { reorder_delay_ms: 2_000, ..plain() }, only_sq(""));
    let run = |low_mark: i64, pings: Vec<Made>| {
        Input::Pings(PingRun {
            source: 1,
            low_mark: Some(TimeMs(low_mark * 1000)),
            low_mark_bounds_lateness: true,
            pings: pings.into_iter().map(Made::done).collect(),
        })
    };
    let all = |t: i64| (0..FLEET).map(|i| outside(t).of(&vehicle(i))).collect::<Vec<_>>();
    shard.apply(&[run(0, all(0))], TimeMs(0));
    // Nothing for 20 minutes; the engine says so once.
    let stalled = geofence::SourceState {
        source: 1,
        name: "fleet".into(),
        stalled: true,
        at: TimeMs(120_000),
    };
    shard.apply(&[Input::Source(stalled)], TimeMs(120_000));
    shard.tick(1_190);

    // Then the backlog, newest and oldest mixed, published while it waited.
    let mut backlog = Vec::new();
    for i in 0..FLEET {
        for t in [1_200, 60, 600] {
            backlog.push(inside(t).of(&vehicle(i)).received(t));
        }
    }
    let effects = shard.apply(&[run(60, backlog)], TimeMs(1_201_000));
    assert_eq!(effects.counters.get("too_late"), 0);
    shard.tick(1_210);
    let count = |wanted: &str| {
        let lines = shard.told();
        lines.iter().filter(|line| line.starts_with(wanted)).count()
    };
    assert_eq!((count("source_stalled"), count("offline")), (1, 0));
    assert_eq!(count("enter sq @60"), FLEET as usize);
}

/// One ping a minute for three hours, in and out of SQ.
fn three_hours() -> Vec<(i64, (f64, f64))> {
    (0..180).map(|i| (i * 60, if i % 7 < 3 { IN } else { OUT })).collect()
}

#[test]
fn v39_a_buffer_uploaded_newest_first() {
    let settings = Settings { hot_lateness_ms: 6 * 3_600_000, ..plain() };
    let mut sorted = Shard::new(settings.clone(), only_sq(""));
    sorted.pings(three_hours().iter().map(|(t, p)| ping(*t, p.0, p.1)));

    let mut shard = Shard::new(settings, only_sq(""));
    let newest_first: Vec<_> = three_hours().into_iter().rev().collect();
    let mut shown = TimeMs::MIN;
    for chunk in newest_first.chunks(7) {
        let pings = chunk.iter().map(|(t, p)| ping(*t, p.0, p.1).received(10_800));
        for position in shard.pings(pings).positions {
            assert!(position.event_time >= shown, "the map moves backwards");
            shown = position.event_time;
        }
    }
    assert_eq!(shown, TimeMs(179 * 60_000));
    assert_eq!(shard.counters.get("too_late"), 0);
    assert_eq!(shard.fold.contents(), sorted.fold.contents());
}

#[test]
fn v49_a_fence_left_in_the_millisecond_it_came() {
    let mut shard = nowhere();
    shard.pings([inside(0)]);
    shard.fences(only_sq(""), 10);
    shard.pings([outside(10)]);
    assert_eq!(shard.told(), ["enter sq @10", "exit sq @10", "visit sq @10"]);
    shard.pings([inside(20), ping_ms(20_001, OUT.0, OUT.1)]);
    assert_eq!(shard.told()[3..], ["enter sq @20", "exit sq @20.001", "visit sq @20.001"]);
}

#[test]
fn v50_a_buffer_uploaded_oldest_first() {
    let mut sorted = sq();
    sorted.pings(three_hours().iter().map(|(t, p)| ping(*t, p.0, p.1)));
    let mut shard = sq();
    shard.pings([inside(0)]);
    // Silent for three hours; then everything, in small batches.
    for chunk in three_hours()[1..].chunks(11) {
        let pings = chunk.iter().map(|(t, p)| ping(*t, p.0, p.1).received(10_800));
        let effects = shard.pings(pings);
        assert!(effects.outcomes.iter().all(|outcome| *outcome == on_time()));
    }
    assert_eq!(shard.fold.contents(), sorted.fold.contents());
}
