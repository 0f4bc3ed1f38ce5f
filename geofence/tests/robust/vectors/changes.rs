//! Fences that come, change, go, open and close.

use super::{MID, named, over};
use crate::fleet::{Shard, T_MS, at, figures, kind, robust};
use crate::support::{polygon, ring, sm, sq};

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
    let fence = crate::schedules::open("08:00-18:00");
    // The day on which the clocks go forward, and the day before.
    for (day, opens, closes) in [("28", "07:00", "17:00"), ("29", "06:00", "16:00")] {
        let time = |hours: &str| crate::schedules::time(&format!("2026-03-{day}T{hours}:00Z"));
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
