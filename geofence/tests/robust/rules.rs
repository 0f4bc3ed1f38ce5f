//! Rules of the robust profile that no vector states on its own.

use geofence::{Fence, FenceSettings, Input, Profile, Settings, TimeMs};

use super::fleet::{At, Shard, T_MS, at, line, robust};
use super::support::{am, polygon, ring, sm, sq};
use super::vectors::named;

const MID: f64 = 50.005;

fn sq_with(settings: FenceSettings) -> Vec<Fence> {
    vec![Fence { settings, ..named("f", sq()) }]
}

/// 72 m outside SQ: decisive, not far.
fn decisive(s: f64) -> At {
    at(s, 9.999, MID)
}

/// 14 m outside SQ: not decisive.
fn marginal(s: f64) -> At {
    at(s, 9.9998, MID)
}

/// At the centre of SM, with a chance of being inside of 7 %.
fn uncertain(s: f64) -> At {
    at(s, 10.02, MID).accuracy(200.0).speed(5.0)
}

#[test]
fn two_outside_pings_one_of_them_decisive_are_an_exit() {
    let inside = at(0.0, 10.0002, MID);
    for (second, third, exits) in [
        (marginal(30.0), marginal(60.0), 0),
        (marginal(30.0), decisive(60.0), 1),
        (decisive(30.0), marginal(60.0), 1),
        (marginal(30.0), marginal(149.0), 0),
        (marginal(30.0), marginal(150.0), 1),
    ] {
        let mut shard = Shard::new(robust(), vec![named("f", sq())]);
        shard.each(&[inside.clone(), second.clone(), third.clone()]);
        let found = shard.kinds().iter().filter(|kind| **kind == "exit").count();
        assert_eq!(found, exits, "{second:?} {third:?}");
    }
}

#[test]
fn a_fence_says_how_many_pings_confirm_its_exit() {
    for confirm in 1..4 {
        let own = FenceSettings { exit_confirm: Some(confirm), ..FenceSettings::default() };
        let mut shard = Shard::new(robust(), sq_with(own));
        shard.each(&[at(0.0, 10.001, MID)]);
        for ping in 1..=confirm {
            assert_eq!(shard.kinds(), ["enter"], "{confirm}, after {}", ping - 1);
            shard.each(&[decisive(f64::from(ping) * 10.0)]);
        }
        assert_eq!(shard.kinds(), ["enter", "exit", "visit"], "{confirm}");
    }
}

#[test]
fn an_uncertain_arrival_expires_and_starts_anew() {
    let mut shard = Shard::new(robust(), vec![named("f", sm())]);
    shard.each(&[uncertain(0.0), uncertain(601.0)]);
    assert!(shard.told().is_empty());
    assert_eq!(shard.count("pending_voided"), 1);
    shard.each(&[uncertain(1200.0)]);
    assert_eq!(shard.told(), ["enter f 601.0 [601.0, 601.0] first_seen"]);
}

#[test]
fn an_arrival_that_starts_anew_may_have_come_in_since_the_last_outside_ping() {
    let mut shard = Shard::new(robust(), vec![named("f", sm())]);
    shard.each(&[at(0.0, 10.015, MID), uncertain(30.0), uncertain(640.0), uncertain(700.0)]);
    assert_eq!(shard.told(), ["enter f 640.0 [0.0, 640.0] crossed"]);
}

#[test]
fn a_decisive_ping_outside_voids_an_uncertain_arrival() {
    // Some 140 m and 360 m outside SM: inside and beyond 20 m + 100 m + slack.
    for (lon, told) in [(10.0216, 1), (10.0257, 0)] {
        let mut shard = Shard::new(robust(), vec![named("f", sm())]);
        let outside = at(30.0, lon, MID).accuracy(100.0);
        shard.each(&[uncertain(0.0), outside, uncertain(60.0)]);
        assert_eq!(shard.kinds().len(), told, "{lon}");
        assert_eq!(shard.count("pending_voided"), 1 - told as u64);
    }
}

#[test]
fn a_stay_shorter_than_asked_for_is_no_event() {
    let own = FenceSettings { min_inside_s: Some(60), ..FenceSettings::default() };
    let mut shard = Shard::new(robust(), sq_with(own));
    shard.each(&[decisive(0.0), at(30.0, 10.001, MID), at(60.0, 10.001, MID)]);
    shard.each(&[decisive(90.0), decisive(100.0)]);
    assert!(shard.told().is_empty());
    assert_eq!(shard.count("stay_too_short"), 1);
    assert!(shard.detector.positions_since(0)[0].fences.is_empty());
    // The enter is at 115; one outlier does not end the stay.
    shard.each(&[at(130.0, 10.001, MID), decisive(150.0), at(174.9, 10.001, MID)]);
    assert!(shard.told().is_empty());
    shard.each(&[at(175.0, 10.001, MID)]);
    assert_eq!(shard.told(), ["enter f 115.0 [100.0, 130.0] crossed"]);
    let live = &shard.detector.positions_since(0)[0];
    assert_eq!(live.fences, ["f"].into_iter().collect());
}

#[test]
fn a_held_ping_is_accepted_by_the_next_and_judged_in_its_place() {
    let mut shard = Shard::new(robust(), vec![named("f", sq())]);
    // 7 km in 10 s.
    shard.each(&[at(0.0, 9.9, MID), at(10.0, 10.001, MID)]);
    assert!(shard.told().is_empty());
    let effects = shard.pings(&[at(20.0, 10.002, MID)]);
    assert_eq!(shard.told(), ["enter f 10.0 [0.0, 10.0] crossed"]);
    assert_eq!(effects.events[0].observed_at_ms, T_MS + 20_000, "the next ping decided it");
    assert_eq!(shard.count("teleport"), 0);
}

#[test]
fn a_fence_change_waits_for_what_a_held_ping_turns_out_to_be() {
    let far_west = || vec![named("f", polygon(&format!("[{}]", ring(9.89, 50.0, 9.91, 50.01))))];
    let both = || [far_west(), vec![named("g", sq())]].concat();
    for (next, told) in [
        // It was there: at the change the vehicle was in SQ.
        (at(60.0, 10.002, MID), vec!["enter g 30.0 [30.0, 30.0] fence_created"]),
        // It was not.
        (at(60.0, 9.9, MID), vec!["enter f 30.0 [30.0, 30.0] fence_created"]),
    ] {
        let mut shard = Shard::new(robust(), vec![named("elsewhere", am())]);
        shard.each(&[at(0.0, 9.9, MID), at(10.0, 10.001, MID)]);
        shard.fences(both(), 30.0);
        shard.restart();
        assert!(shard.told().is_empty());
        shard.each(&[next]);
        assert_eq!(shard.told(), told);
    }
    // The input ends: what is held stays held, and the change takes effect.
    let mut shard = Shard::new(robust(), vec![named("elsewhere", am())]);
    shard.each(&[at(0.0, 9.9, MID), at(10.0, 10.001, MID)]);
    shard.fences(both(), 30.0);
    shard.apply(Input::End { end: TimeMs(T_MS + 40_000) }, TimeMs::MIN);
    assert_eq!(shard.told(), ["enter f 30.0 [30.0, 30.0] fence_created"]);
}

#[test]
fn a_new_shape_that_holds_the_vehicle_voids_its_exit() {
    let mut shard = Shard::new(robust(), vec![named("f", sq())]);
    shard.each(&[at(0.0, 10.0002, MID), marginal(30.0)]);
    let wider = polygon(&format!("[{}]", ring(9.99, 50.0, 10.01, 50.01)));
    shard.fences(vec![named("f", wider)], 40.0);
    shard.each(&[marginal(160.0)]);
    assert_eq!(shard.kinds(), ["enter"]);
    assert_eq!(shard.count("pending_voided"), 1);
}

#[test]
fn a_crossing_is_never_before_its_version() {
    let west_half = || polygon(&format!("[{}]", ring(10.0, 50.0, 10.005, 50.01)));
    let mut shard = Shard::new(robust(), vec![named("f", west_half())]);
    shard.each(&[at(0.0, 9.995, MID)]);
    shard.fences(vec![named("f", sq())], 20.0);
    shard.each(&[at(30.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 20.0 [20.0, 30.0] crossed"]);
    // Another fence's change is none of this one's.
    let mut shard = Shard::new(robust(), vec![named("f", sq())]);
    shard.each(&[at(0.0, 9.995, MID)]);
    shard.fences(vec![named("f", sq()), named("g", am())], 20.0);
    shard.each(&[at(30.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 15.0 [0.0, 30.0] crossed"]);
}

#[test]
fn judging_again_counts_no_refusal_twice() {
    let mut shard = Shard::new(robust(), vec![named("f", sq())]);
    shard.each(&[at(0.0, 10.001, MID), decisive(30.0), at(60.0, 10.001, MID)]);
    assert_eq!(shard.count("exit_void"), 1);
    for s in [10.0, 20.0, 40.0] {
        shard.each(&[at(s, 10.001, MID).received(61.0)]);
    }
    assert_eq!(shard.count("exit_void"), 1);
}

#[test]
fn settings_may_change_the_profile_between_two_pings() {
    let mut shard = Shard::new(robust(), vec![named("f", sq()), named("g", sm())]);
    shard.each(&[at(0.0, 10.001, MID), decisive(30.0)]);
    let plain = Settings { profile: Profile::Plain, ..robust() };
    shard.apply(Input::Settings(plain), TimeMs(T_MS + 31_000));
    shard.each(&[decisive(60.0)]);
    assert_eq!(line(&shard.only("exit")), "exit f 60.0 [30.0, 60.0] crossed");
    shard.apply(Input::Settings(robust()), TimeMs(T_MS + 61_000));
    shard.each(&[at(90.0, 10.001, MID)]);
    assert_eq!(shard.kinds(), ["enter", "exit", "visit", "enter"]);
}
