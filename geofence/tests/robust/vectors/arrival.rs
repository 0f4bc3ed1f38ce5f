//! Pings twice, too early, late, out of order, and after a silence.

use geofence::{Disposition, Input, Outcome, PingRun, Settings, SourceState, TimeMs};
use protos::events::Op;

use super::{MID, named, over, sorted};
use crate::fleet::{At, Shard, T_MS, at, figures, fold, line, robust};
use crate::support::{sm, sq};

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
    assert_eq!((asserted.replaces, asserted.late), (old.event_id, true));
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
fn v50_a_buffer_uploaded_oldest_first_after_a_silence() {
    let pings = shuttle(240, 5.0);
    let mut shard = over(sq());
    shard.each(&pings.iter().map(|ping| ping.clone().received(1200.0)).collect::<Vec<_>>());
    assert_eq!(shard.count("too_late"), 0);
    assert_eq!(shard.fold(), sorted(sq(), &pings));
    assert_eq!(fold(&shard.log).len(), shard.log.len(), "nothing was corrected");
}
