//! Fixes that are not taken at their word.

use geofence::{Disposition, Outcome};

use super::{MID, over};
use crate::fleet::{at, line};
use crate::support::{sm, sq};

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
