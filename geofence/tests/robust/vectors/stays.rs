//! Visits, dwell, standing still and idling.

use super::{MID, over, with_dwell};
use crate::fleet::{At, Shard, at, figures, kind, line, robust, seconds};
use crate::support::sq;

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
