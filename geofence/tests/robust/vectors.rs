//! The vectors of the specification that the core can answer, by number.
//!
//! Not here: V40 to V42 (publishing, workers, the map's rate), which need what
//! surrounds the core.

use geofence::{
    Disposition, Fence, FenceSet, FenceSettings, Input, Outcome, PingRun, Settings, Shape,
    SourceState, TimeMs, admission, parse_fences,
};
use protos::PingView;
use protos::events::{FleetEvent, Op};
use protos::telemetry::VehiclePing;

use super::fleet::{At, Shard, T_MS, at, figures, fold, kind, line, passed, robust, seconds};
use super::support::{am, am_cut, co, collection, feature, ho, multi, polygon, ring, sm, sq};

/// Latitude of the fixtures' middles.
const MID: f64 = 50.005;

pub(crate) fn named(id: &str, shape: Shape) -> Fence {
    let settings = FenceSettings::default();
    Fence { id: id.into(), name: id.into(), tags: vec![], schedule: None, settings, shape }
}

fn over(shape: Shape) -> Shard {
    Shard::new(robust(), vec![named("f", shape)])
}

fn with_dwell(shape: Shape) -> Shard {
    Shard::new(Settings { dwell_s: vec![300], ..robust() }, vec![named("f", shape)])
}

fn neighbour() -> Shape {
    polygon(&format!("[{}]", ring(10.01, 50.0, 10.02, 50.01)))
}

/// The fold of the same pings in order of time.
fn sorted(shape: Shape, pings: &[At]) -> Vec<FleetEvent> {
    let mut pings = pings.to_vec();
    pings.sort_by_key(|ping| ping.wire.event_time_us);
    let mut shard = over(shape);
    shard.each(&pings);
    shard.fold()
}

#[test]
fn v01_a_crossing_is_dated_between_two_pings() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID), at(30.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 15.0 [0.0, 30.0] crossed"]);
}

#[test]
fn v02_a_ping_on_the_edge_is_inside() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID), at(30.0, 10.0, MID)]);
    let enter = shard.only("enter");
    assert_eq!(enter.distance_m, Some(0.0));
    assert!((enter.confidence.unwrap() - 0.5).abs() < 0.01);
    assert_eq!(line(&enter), "enter f 30.0 [0.0, 30.0] crossed");
}

#[test]
fn v03_a_shared_edge_and_a_vertex_belong_to_both_fences() {
    let fences = || vec![named("a", sq()), named("b", neighbour())];
    for there in [(10.01, 50.01), (10.01, MID)] {
        let mut shard = Shard::new(robust(), fences());
        shard.each(&[at(0.0, 10.012, 50.015), at(60.0, there.0, there.1)]);
        let mut entered: Vec<_> = shard.fold().into_iter().map(|e| e.fence_id).collect();
        assert_eq!(shard.kinds(), ["enter", "enter"], "{there:?}");
        entered.sort_unstable();
        assert_eq!(entered, ["a", "b"]);

        let mut again = Shard::new(robust(), fences());
        again.each(&[at(0.0, 10.012, 50.015), at(60.0, there.0, there.1)]);
        assert_eq!(again.fold(), shard.fold(), "the order is the same each time");
    }
    let mut shard = Shard::new(robust(), fences());
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.01, MID)]);
    assert_eq!(
        shard.told(),
        ["enter a 0.0 [0.0, 0.0] first_seen", "enter b 30.0 [0.0, 30.0] crossed"]
    );
}

#[test]
fn v04_a_pass_between_two_pings_is_a_cross() {
    let mut shard = over(sm());
    shard.each(&[at(0.0, 10.018, MID), at(20.0, 10.022, MID)]);
    assert_eq!(shard.told(), ["cross f 6.5 [0.0, 20.0] crossed"]);
    let (out, inside_m) = passed(&shard.only("cross"));
    assert_eq!(out, "13.5");
    assert!((inside_m - 100.0).abs() < 0.1, "{inside_m}");
}

#[test]
fn v05_a_pass_over_a_large_gap_is_counted_only() {
    let mut shard = over(sm());
    shard.each(&[at(0.0, 10.018, MID), at(3.0 * 3600.0, 10.022, MID)]);
    assert!(shard.told().is_empty(), "{:?}", shard.told());
    assert_eq!(shard.count("cross_gap"), 1);
}

#[test]
fn v06_a_teleport_is_held() {
    let mut shard = over(sm());
    let effects = shard.pings(&[at(0.0, 10.018, MID), at(1.0, 10.022, MID)]);
    assert!(shard.told().is_empty(), "{:?}", shard.told());
    for outcome in effects.outcomes {
        let archived = Outcome::Archived { disposition: Disposition::OnTime, supersedes: None };
        assert_eq!(outcome, archived, "the raw ping is kept");
    }
    // The next one drops it.
    shard.pings(&[at(2.0, 10.018, MID)]);
    assert_eq!(shard.count("teleport"), 1);
    assert!(shard.told().is_empty());
}

#[test]
fn v07_a_corridor_is_crossed() {
    let mut shard = over(co());
    shard.each(&[at(0.0, 30.01, 49.999), at(20.0, 30.01, 50.001)]);
    assert_eq!(shard.told(), ["cross f 7.3 [0.0, 20.0] crossed"]);
    assert_eq!(passed(&shard.only("cross")).0, "12.7");
}

#[test]
fn v08_a_duplicate_has_no_effect() {
    let pings = [at(0.0, 9.995, MID), at(30.0, 10.005, MID), at(60.0, 10.006, MID)];
    let mut shard = over(sq());
    shard.each(&pings);
    for ping in pings {
        let effects = shard.pings(&[ping.received(660.0)]);
        assert_eq!(effects.outcomes, [Outcome::Duplicate]);
        assert_eq!((effects.events.len(), effects.positions.len()), (0, 0));
    }
}

#[test]
fn v09_a_ping_from_the_future_moves_no_clock() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID)]);
    let effects = shard.pings(&[at(10_810.0, 10.005, MID).received(10.0)]);
    let future = Outcome::Archived { disposition: Disposition::Future, supersedes: None };
    assert_eq!(effects.outcomes, [future]);
    assert!(effects.events.is_empty());
    assert_eq!(effects.positions[0].event_time, TimeMs(T_MS + 10_000), "clamped to its receipt");
    let effects = shard.pings(&[at(30.0, 10.005, MID)]);
    let on_time = Outcome::Archived { disposition: Disposition::OnTime, supersedes: None };
    assert_eq!(effects.outcomes, [on_time]);
    assert_eq!(shard.told(), ["enter f 15.0 [0.0, 30.0] crossed"]);
}

#[test]
fn v10_a_gps_week_rollover_is_suspected() {
    let mut shard = over(sq());
    let week = -7168.0 * 86_400.0;
    let effects = shard.pings(&[at(week, 10.005, MID).received(0.0)]);
    let rollover = Disposition::RolloverSuspected;
    assert_eq!(effects.outcomes, [Outcome::Archived { disposition: rollover, supersedes: None }]);
    assert!(shard.told().is_empty());
}

#[test]
fn v11_inside_pings_in_reverse_give_the_same() {
    let pings: Vec<At> = [10.0, 20.0, 30.0].map(|s| at(s, 10.005, MID).received(31.0)).into();
    let mut reversed = pings.clone();
    reversed.reverse();
    let mut shard = over(sq());
    shard.each(&reversed);
    assert_eq!(shard.fold(), sorted(sq(), &pings));
    assert_eq!(shard.told(), ["enter f 10.0 [10.0, 10.0] first_seen"]);
}

#[test]
fn v12_a_late_ping_that_changes_the_cause_retracts_and_asserts() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.999, MID), at(60.0, 10.001, MID)]);
    let old = shard.only("enter");
    let late = shard.pings(&[at(30.0, 10.001, MID).received(61.0)]).events;
    let ops: Vec<_> = late.iter().map(|event| (event.op(), line(event))).collect();
    assert!(ops.contains(&(Op::Retract, line(&old))), "{ops:?}");
    assert!(ops.contains(&(Op::Assert, "enter f 15.0 [0.0, 30.0] crossed".into())), "{ops:?}");
    assert_eq!(ops.len(), 2);
    let asserted = late.iter().find(|event| event.op() == Op::Assert).unwrap();
    assert_eq!((asserted.replaces.as_str(), asserted.late), (old.event_id.as_str(), true));
    let all = [at(0.0, 9.999, MID), at(30.0, 10.001, MID), at(60.0, 10.001, MID)];
    assert_eq!(shard.fold(), sorted(sq(), &all));
}

#[test]
fn v13_a_late_ping_inside_opens_and_closes_a_visit() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.999, MID), at(60.0, 9.999, MID), at(90.0, 9.999, MID)]);
    let late = shard.pings(&[at(30.0, 10.001, MID).received(91.0)]).events;
    assert!(late.iter().all(|event| event.late));
    assert_eq!(
        shard.told(),
        [
            "enter f 15.0 [0.0, 30.0] crossed",
            "exit f 45.0 [30.0, 60.0] crossed",
            "visit f 45.0 [30.0, 60.0] crossed",
        ]
    );
    let (certain_s, possible_s, ..) = figures(&shard.only("visit"));
    assert_eq!((certain_s, possible_s), (0.0, 60.0));
}

#[test]
fn v13_a_cross_that_a_late_ping_disproves_is_retracted() {
    let mut shard = over(sm());
    shard.each(&[at(0.0, 10.018, MID), at(60.0, 10.022, MID)]);
    let cross = shard.only("cross");
    let late = shard.pings(&[at(30.0, 10.02, MID).received(61.0)]).events;
    assert!(late.iter().any(|e| e.op() == Op::Retract && e.event_id == cross.event_id));
    assert_eq!(shard.kinds(), ["enter"]);
}

#[test]
fn v14_a_ping_behind_the_hot_window_is_too_late() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID), at(1000.0, 9.995, MID)]);
    let effects = shard.pings(&[at(99.0, 10.005, MID).received(1001.0)]);
    let too_late = Outcome::Archived { disposition: Disposition::TooLate, supersedes: None };
    assert_eq!(effects.outcomes, [too_late]);
    assert!(effects.events.is_empty());
    assert_eq!(shard.count("too_late"), 1);
}

#[test]
fn v15_one_precise_outlier_while_parked_is_no_exit() {
    let mut shard = over(sq());
    // 200 m west of the edge.
    let outlier = at(120.0, 10.0 - 200.0 / 71_695.0, MID).accuracy(1.7);
    shard.each(&[at(0.0, 10.0005, MID), at(60.0, 10.0005, MID), outlier]);
    shard.each(&[at(180.0, 10.0005, MID), at(240.0, 10.0005, MID)]);
    assert_eq!(shard.kinds(), ["enter"]);
    assert_eq!(shard.count("exit_void"), 1);
}

#[test]
fn v16_one_decisive_vague_outlier_is_no_exit() {
    let mut shard = over(sm());
    let outlier = at(120.0, 10.02 + 200.0 / 71_695.0, MID).accuracy(100.0);
    shard.each(&[at(0.0, 10.02, MID), at(60.0, 10.02, MID), outlier]);
    shard.each(&[at(180.0, 10.02, MID)]);
    assert_eq!(shard.kinds(), ["enter"]);
    assert_eq!(shard.count("exit_void"), 1);
}

#[test]
fn v17_a_fix_far_outside_is_an_exit_at_once() {
    let mut shard = over(sq());
    let far = at(60.0, 10.0 - 988.0 / 71_695.0, MID).accuracy(122.0);
    shard.each(&[at(0.0, 10.0005, MID), far]);
    let exit = shard.only("exit");
    assert_eq!(line(&exit), "exit f 2.1 [0.0, 60.0] crossed");
    assert!((exit.distance_m.unwrap() + 988.0).abs() < 1.0, "{exit:?}");
}

#[test]
fn v18_an_uncertain_first_fix_waits_for_a_second() {
    let mut shard = over(sm());
    shard.each(&[at(0.0, 10.02, MID).accuracy(200.0)]);
    assert!(shard.told().is_empty(), "pending");
    shard.each(&[at(599.0, 10.02, MID).accuracy(200.0)]);
    let enter = shard.only("enter");
    assert_eq!(line(&enter), "enter f 0.0 [0.0, 0.0] first_seen");
    assert_eq!(format!("{:.3}", enter.confidence.unwrap()), "0.069");
}

#[test]
fn v18_a_fix_of_250_m_takes_no_part_but_is_shown() {
    let mut shard = over(sm());
    for s in [0.0, 60.0] {
        let effects = shard.pings(&[at(s, 10.02, MID).accuracy(250.0)]);
        assert_eq!(effects.positions.len(), 1, "it is on the map");
    }
    assert!(shard.told().is_empty());
    assert_eq!(shard.count("accuracy_too_low"), 2);
}

#[test]
fn v20_a_fence_drawn_round_a_parked_vehicle() {
    let mut shard = Shard::new(robust(), vec![]);
    shard.each(&[at(0.0, 10.005, MID)]);
    shard.fences(vec![named("f", sq())], 100.0);
    assert_eq!(shard.told(), ["enter f 100.0 [100.0, 100.0] fence_created"]);
}

#[test]
fn v21_a_fence_shrunk_away_from_a_parked_vehicle() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 10.009, MID)]);
    let west_half = polygon(&format!("[{}]", ring(10.0, 50.0, 10.005, 50.01)));
    shard.fences(vec![named("f", west_half)], 100.0);
    assert_eq!(
        shard.told(),
        [
            "enter f 0.0 [0.0, 0.0] first_seen",
            "exit f 100.0 [100.0, 100.0] fence_changed",
            "visit f 100.0 [100.0, 100.0] fence_changed",
        ]
    );
    assert_eq!(shard.only("exit").fence_version, 2);
}

#[test]
fn v22_a_fence_deleted_round_a_vehicle() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.fences(vec![], 100.0);
    shard.each(&[at(120.0, 10.005, MID)]);
    let told = [
        "enter f 0.0 [0.0, 0.0] first_seen",
        "exit f 100.0 [100.0, 100.0] fence_deleted",
        "visit f 100.0 [100.0, 100.0] fence_deleted",
    ];
    assert_eq!(shard.told(), told);
    assert_eq!(figures(&shard.only("visit")), (30.0, 100.0, 30.0, 2));
    shard.pings(&[at(90.0, 10.005, MID).received(121.0)]);
    assert_eq!(shard.told(), told);
    assert_eq!(figures(&shard.only("visit")), (90.0, 100.0, 60.0, 3));
}

#[test]
fn v23_the_same_fence_again_is_no_version() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 10.005, MID)]);
    let effects = shard.fences(vec![named("f", sq())], 100.0);
    assert!(effects.events.is_empty());
    shard.each(&[at(120.0, 10.02, MID), at(150.0, 10.02, MID)]);
    assert_eq!(shard.only("exit").fence_version, 1);
}

#[test]
fn v24_a_schedule_opens_and_closes_by_the_clock_on_the_wall() {
    let fence = super::schedules::open("08:00-18:00");
    // The day on which the clocks go forward, and the day before.
    for (day, opens, closes) in [("28", "07:00", "17:00"), ("29", "06:00", "16:00")] {
        let time = |hours: &str| super::schedules::time(&format!("2026-03-{day}T{hours}:00Z"));
        let ping = |hours: &str| at((time(hours) - T_MS) as f64 / 1000.0, 10.005, MID);
        let mut shard = Shard::new(robust(), vec![fence.clone()]);
        shard.each(&[ping("05:00"), ping("12:00"), ping("20:00")]);
        let events: Vec<_> =
            shard.fold().into_iter().filter(|event| !event.fence_id.is_empty()).collect();
        let told: Vec<_> = events
            .iter()
            .map(|event| (kind(event), event.event_time_ms, event.reason().as_str_name()))
            .collect();
        let (opened, closed) = ("REASON_SCHEDULE_OPENED", "REASON_SCHEDULE_CLOSED");
        assert_eq!(
            told,
            [
                ("enter", time(opens), opened),
                ("exit", time(closes), closed),
                ("visit", time(closes), closed),
            ]
        );
        for event in events {
            let interval = (event.not_before_ms, event.not_after_ms);
            assert_eq!(interval, (event.event_time_ms, event.event_time_ms));
        }
    }
}

#[test]
fn v25_a_late_ping_is_judged_by_the_version_of_its_time() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID)]);
    shard.fences(vec![named("f", sm())], 100.0);
    shard.each(&[at(120.0, 9.995, MID)]);
    shard.pings(&[at(50.0, 10.005, MID).received(121.0)]);
    assert_eq!(
        shard.told(),
        [
            "enter f 25.0 [0.0, 50.0] crossed",
            "exit f 100.0 [100.0, 100.0] fence_changed",
            "visit f 100.0 [100.0, 100.0] fence_changed",
        ]
    );
    assert_eq!((shard.only("enter").fence_version, shard.only("exit").fence_version), (1, 2));
}

#[test]
fn v26_a_vehicle_that_reappears_inside_has_no_dwell_credit() {
    let mut shard = with_dwell(sq());
    shard.each(&[at(0.0, 9.995, MID), at(7200.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 7200.0 [0.0, 7200.0] reappeared"]);
}

#[test]
fn v27_a_gap_inside_is_one_visit() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 10.005, MID), at(7200.0, 10.006, MID)]);
    assert_eq!(shard.kinds(), ["enter"]);
    shard.each(&[at(7230.0, 9.995, MID), at(7260.0, 9.995, MID)]);
    assert_eq!(figures(&shard.only("visit")).2, 7200.0);
}

#[test]
fn v28_a_fence_over_the_antimeridian_is_crossed() {
    for shape in [am(), am_cut()] {
        let mut shard = over(shape);
        shard.each(&[at(0.0, 179.99, -17.0), at(60.0, -179.99, -17.0)]);
        let cross = shard.only("cross");
        assert_eq!(line(&cross), "cross f 15.0 [0.0, 60.0] crossed");
        let (out, inside_m) = passed(&cross);
        assert_eq!((out.as_str(), inside_m.round()), ("45.0", 1065.0));
    }
    // No match on the rest of the parallel.
    let mut shard = over(am());
    shard.each(&[at(0.0, 179.0, -17.0), at(60.0, 178.99, -17.0), at(120.0, 178.98, -17.0)]);
    assert!(shard.told().is_empty());
}

#[test]
fn v29_through_a_hole_and_back() {
    let mut shard = over(ho());
    shard.each(&[at(0.0, 20.002, MID), at(30.0, 20.005, MID)]);
    shard.each(&[at(60.0, 20.005, MID), at(90.0, 20.008, MID)]);
    let told = shard.told();
    assert_eq!(told[1], "exit f 20.0 [0.0, 30.0] crossed");
    assert_eq!(told[3], "enter f 70.0 [60.0, 90.0] crossed");
    assert_eq!(shard.kinds(), ["enter", "exit", "visit", "enter"]);

    let mut shard = over(ho());
    shard.each(&[at(0.0, 20.005, MID), at(30.0, 20.004, MID)]);
    assert_eq!(shard.kinds(), ["enter"], "the hole's edge is inside");

    let mut shard = over(ho());
    shard.each(&[at(0.0, 20.002, MID), at(30.0, 20.005, MID), at(60.0, 20.008, MID)]);
    assert_eq!(shard.kinds(), ["enter"], "a single ping in the hole changes nothing");
}

#[test]
fn v30_two_parts_of_one_fence_are_one_visit() {
    let parts =
        format!("[[{}],[{}]]", ring(10.0, 50.0, 10.002, 50.01), ring(10.004, 50.0, 10.006, 50.01));
    let mut shard = over(multi(&parts));
    shard.each(&[at(0.0, 10.001, MID), at(30.0, 10.005, MID)]);
    assert_eq!(shard.kinds(), ["enter"]);
}

#[test]
fn v31_from_a_fence_into_its_neighbour() {
    let mut shard = Shard::new(robust(), vec![named("a", neighbour()), named("b", sq())]);
    shard.each(&[at(0.0, 10.0095, MID), at(30.0, 10.0115, MID), at(60.0, 10.012, MID)]);
    assert_eq!(
        shard.told(),
        [
            "enter b 0.0 [0.0, 0.0] first_seen",
            "exit b 7.5 [0.0, 30.0] crossed",
            "visit b 7.5 [0.0, 30.0] crossed",
            "enter a 7.5 [0.0, 30.0] crossed",
        ]
    );
}

#[test]
fn v32_a_stay_just_short_of_the_dwell() {
    let mut shard = with_dwell(sq());
    shard.each(&(0..30).map(|i| at(f64::from(i) * 10.0, 10.0005, MID)).collect::<Vec<_>>());
    shard.each(&[at(310.0, 9.999, MID), at(320.0, 9.999, MID)]);
    assert_eq!(shard.kinds(), ["enter", "exit", "visit"]);
    assert_eq!(seconds(shard.only("exit").event_time_ms), "296.7");
    let (certain_s, possible_s, ..) = figures(&shard.only("visit"));
    assert_eq!((certain_s, possible_s), (290.0, 310.0));
}

#[test]
fn v33_dwell_is_dated_by_the_enter() {
    let mut shard = with_dwell(sq());
    shard.each(&[at(0.0, 10.005, MID)]);
    let effects = shard.pings(&[at(900.0, 10.006, MID)]);
    assert_eq!(effects.events.len(), 1);
    assert_eq!(seconds(effects.events[0].observed_at_ms), "900.0");
    assert_eq!(line(&shard.only("dwell")), "dwell f 300.0 [300.0, 300.0]");
}

/// Pings every `every` seconds to `last`, all within 8 m.
fn wander(every: f64, last: f64, ignition: Option<bool>) -> Vec<At> {
    let mut pings = vec![];
    let mut s = 0.0;
    while s <= last {
        let lat = MID + if pings.len() % 2 == 0 { 0.000_03 } else { -0.000_03 };
        let ping = at(s, 10.005, lat);
        pings.push(match ignition {
            Some(on) => ping.ignition(on),
            None => ping,
        });
        s += every;
    }
    pings
}

#[test]
fn v34_idling_starts_at_the_first_ping_and_ends_at_the_last() {
    let run = || {
        let mut shard = Shard::new(robust(), vec![]);
        shard.each(&wander(7.0, 301.0, Some(true)));
        shard.each(&[at(311.0, 10.007, MID).ignition(true)]);
        shard
    };
    let shard = run();
    assert_eq!(seconds(shard.only("idle_start").event_time_ms), "0.0");
    assert_eq!(line(&shard.only("idle_end")), "idle_end 301.0 [301.0, 311.0] moved");
    assert_eq!(run().fold(), shard.fold(), "ids are stable");
}

#[test]
fn v35_a_gap_ends_idling_but_not_the_stop() {
    let mut shard = Shard::new(robust(), vec![]);
    shard.each(&wander(7.0, 301.0, Some(true)));
    shard.each(&[at(551.0, 10.005, MID).ignition(true)]);
    assert_eq!(shard.kinds(), ["stationary_start", "idle_start", "idle_end"]);
    assert_eq!(line(&shard.only("idle_end")), "idle_end 301.0 [301.0, 501.0] gap");
}

#[test]
fn v36_without_an_engine_value_there_is_no_idling() {
    let mut shard = Shard::new(robust(), vec![]);
    shard.each(&wander(7.0, 600.0, None));
    assert_eq!(shard.kinds(), ["stationary_start"]);
}

#[test]
fn v37_stop_and_go_is_no_idling() {
    let mut shard = Shard::new(robust(), vec![]);
    // 3 km/h, standing every other 10 s.
    let mut lon = 10.0;
    for i in 0..60 {
        lon += if i % 2 == 0 { 0.0 } else { 2.0 * 8.3 / 71_695.0 };
        shard.each(&[at(f64::from(i) * 10.0, lon, MID).ignition(true)]);
    }
    assert!(shard.told().is_empty(), "{:?}", shard.told());
}

#[test]
fn v38_a_stalled_source_is_no_offline_vehicle() {
    let mut shard = over(sq());
    let marked = |mark_s: f64, pings: &[At]| {
        let pings = pings.iter().map(At::ping).collect();
        let low_mark = Some(TimeMs(T_MS + (mark_s * 1000.0) as i64));
        Input::Pings(PingRun { source: 7, low_mark, low_mark_bounds_lateness: true, pings })
    };
    let fleet: Vec<String> = (0..10_000).map(|i| format!("v{i}")).collect();
    let all = |s: f64, received_s: f64| -> Vec<At> {
        fleet.iter().map(|id| at(s, 9.98 + s / 1e5, MID).of(id).received(received_s)).collect()
    };
    shard.apply(marked(-60.0, &all(0.0, 0.0)), TimeMs(T_MS));
    let stall = |stalled, s: i64| {
        let at = TimeMs(T_MS + s * 1000);
        Input::Source(SourceState { source: 7, name: "pings".into(), stalled, at })
    };
    shard.apply(stall(true, 120), TimeMs(T_MS + 120_000));
    shard.apply(stall(false, 1200), TimeMs(T_MS + 1_200_000));
    // Old and fresh come mixed; the low mark is held back by the backlog.
    let old = all(60.0, 60.0);
    let fresh = all(1200.0, 1200.0);
    let mixed: Vec<At> = fresh.into_iter().zip(old).flat_map(|(a, b)| [a, b]).collect();
    shard.apply(marked(0.0, &mixed), TimeMs(T_MS + 1_200_000));
    assert_eq!(shard.kinds(), ["source_stalled", "source_recovered"]);
    assert_eq!(shard.count("too_late"), 0);
}

/// A vehicle that goes in and out of SQ once in ten minutes.
fn shuttle(pings: i32, every_s: f64) -> Vec<At> {
    (0..pings)
        .map(|i| {
            let s = f64::from(i) * every_s;
            let phase = (s / 300.0) % 2.0;
            let lon = 9.995 + 0.01 * if phase < 1.0 { phase } else { 2.0 - phase };
            at(s, lon, MID)
        })
        .collect()
}

#[test]
fn v39_a_buffer_uploaded_newest_first() {
    let pings = shuttle(360, 30.0);
    let settings = || Settings { hot_lateness_ms: 6 * 3_600_000, ..robust() };
    let mut in_order = Shard::new(settings(), vec![named("f", sq())]);
    in_order.each(&pings);
    let mut shard = Shard::new(settings(), vec![named("f", sq())]);
    let mut shown = i64::MIN;
    for ping in pings.iter().rev() {
        let effects = shard.pings(&[ping.clone().received(3.0 * 3600.0)]);
        for live in effects.positions {
            assert!(live.event_time.0 >= shown, "the map moved back");
            shown = live.event_time.0;
        }
    }
    assert_eq!(shard.fold(), in_order.fold());
    assert!(shard.kinds().iter().filter(|kind| **kind == "enter").count() > 10);
}

#[test]
fn v43_broken_pings_are_refused_by_name() {
    let ping = |change: fn(&mut VehiclePing)| {
        let mut wire = at(0.0, 10.005, MID).wire;
        change(&mut wire);
        admission::admit(&PingView::from(&wire), TimeMs(T_MS), false).unwrap_err().code()
    };
    let codes = [
        ping(|p| (p.lat, p.lon) = (0.0, 0.0)),
        ping(|p| p.lat = f64::NAN),
        ping(|p| p.lat = 91.0),
        ping(|p| p.vehicle_id = String::new()),
    ];
    let distinct: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(distinct.len(), 4, "{codes:?}");
}

#[test]
fn v44_broken_rings_are_mended_or_refused_by_name() {
    let bow_tie = "[[[0,0],[0.01,0.01],[0.01,0],[0,0.01],[0,0]]]";
    let unclosed = "[[[0,0],[0.01,0],[0.01,0.01],[0,0.01]]]";
    let clockwise = "[[[0,0],[0,0.01],[0.01,0.01],[0.01,0],[0,0]]]";
    for (coordinates, mended) in [(bow_tie, true), (unclosed, true), (clockwise, false)] {
        let features = [feature("f", "Polygon", coordinates, "")];
        let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
        assert_eq!(parsed.set.fences().len(), 1, "{coordinates}");
        assert_eq!(!parsed.repairs.is_empty(), mended, "{coordinates}: {:?}", parsed.repairs);
    }
    let features = [feature("two", "Polygon", "[[[0,0],[1,1],[0,0]]]", "")];
    let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
    assert!(parsed.set.fences().is_empty());
    assert!(parsed.refusals[0].fence.contains("two"), "{:?}", parsed.refusals);
}

#[test]
fn v45_slivers_rings_round_a_pole_and_many_fences_on_one_spot() {
    // One metre wide: entered by a fix in it, crossed by one past it.
    let sliver = polygon(&format!("[{}]", ring(10.0, 50.0, 10.000_014, 50.01)));
    let mut shard = over(sliver);
    shard.each(&[at(0.0, 9.999, MID), at(30.0, 10.001, MID)]);
    assert!(shard.told().is_empty(), "a path of one metre is too short for a cross");

    let pole = "[[[-180,80],[-90,80],[0,80],[90,80],[180,80]]]";
    let features = [feature("pole", "Polygon", pole, "")];
    let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
    assert!(parsed.refusals.iter().any(|note| note.fence.contains("pole")));

    let many = (0..5_000).map(|i| named(&format!("f{i:05}"), sq())).collect();
    let mut shard = Shard::new(robust(), many);
    shard.each(&[at(0.0, 9.995, MID), at(30.0, 10.005, MID)]);
    let told = shard.fold();
    assert_eq!(told.len(), 5_000);
    assert!(told.iter().all(|event| seconds(event.event_time_ms) == "15.0"));
}

#[test]
fn v46_a_crossing_over_two_minutes_is_still_dated_between() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID), at(121.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 60.5 [0.0, 121.0] crossed"]);
}

#[test]
fn v47_a_long_marginal_absence_is_an_exit_at_its_first_crossing() {
    let mut shard = over(sq());
    // 14 m outside: far from decisive.
    let marginal = |s| at(s, 9.9998, MID);
    shard.each(&[at(0.0, 10.0002, MID), marginal(30.0)]);
    assert_eq!(shard.kinds(), ["enter"]);
    shard.each(&[marginal(10_830.0)]);
    assert_eq!(line(&shard.only("exit")), "exit f 15.0 [0.0, 30.0] crossed");
}

#[test]
fn v48_one_fix_far_outside_costs_an_exit_and_an_enter() {
    let mut shard = over(sq());
    let far = at(60.0, 10.0 - 700.0 / 71_695.0, MID);
    shard.each(&[at(0.0, 10.001, MID), far, at(120.0, 10.001, MID)]);
    assert_eq!(shard.kinds(), ["enter", "exit", "visit", "enter"]);
}

#[test]
fn v49_enter_and_exit_in_the_same_millisecond() {
    let mut shard = over(sq());
    // In by a fix on the edge, out from there.
    shard.each(&[at(0.0, 9.995, MID), at(30.0, 10.0, MID)]);
    shard.each(&[at(60.0, 9.995, MID), at(90.0, 9.995, MID)]);
    let told = shard.fold();
    assert_eq!(told.iter().map(kind).collect::<Vec<_>>(), ["enter", "exit", "visit"]);
    assert_eq!(told[0].event_time_ms, told[1].event_time_ms);
    let live = shard.detector.positions_since(0);
    assert!(live[0].fences.is_empty(), "it ends outside");
}

#[test]
fn v50_a_buffer_uploaded_oldest_first_after_a_silence() {
    let pings = shuttle(240, 5.0);
    let mut shard = over(sq());
    shard.each(&pings.iter().map(|ping| ping.clone().received(1200.0)).collect::<Vec<_>>());
    assert_eq!(shard.count("too_late"), 0);
    assert_eq!(shard.fold(), sorted(sq(), &pings));
    assert_eq!(fold(&shard.log).len(), shard.log.len(), "nothing was corrected");
}

#[test]
fn fences_of_the_vectors_are_read_as_any_others() {
    let set = FenceSet::new(vec![named("a", sq()), named("b", sm())]).unwrap();
    let read = parse_fences(&set.to_canonical_json()).unwrap();
    assert_eq!(read.set, set);
}
