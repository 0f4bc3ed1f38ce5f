//! Fences that open and close, and those that concern some vehicles only
//! (semantics §7), event by event.

use std::sync::Arc;

use geofence::{Fence, Schedule};
use serde_json::json;

use super::fleet::{Shard, T_MS, at, robust};
use super::support::sq;
use super::vectors::named;

/// Latitude of the fixtures' middles.
const MID: f64 = 50.005;

/// SQ with these hours on every day, in Berlin; T is 14:00 there.
pub(crate) fn open(span: &str) -> Fence {
    let schedule = json!({ "zone": "Europe/Berlin", "week": { "mon-sun": [span] } });
    let schedule = Some(Arc::new(Schedule::read(&schedule).unwrap()));
    Fence { schedule, ..named("f", sq()) }
}

/// RFC 3339 as milliseconds.
pub(crate) fn time(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn over(fence: Fence) -> Shard {
    Shard::new(robust(), vec![fence])
}

fn tagged(tags: &[&str]) -> Fence {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Fence { tags, ..named("f", sq()) }
}

#[test]
fn t_is_two_in_the_afternoon_in_berlin() {
    assert_eq!(time("2026-09-22T14:00:00+02:00"), T_MS);
}

#[test]
fn a_closed_fence_is_none() {
    let mut shard = over(open("15:00-16:00"));
    // In, out again, and through, an hour before it opens.
    shard.each(&[
        at(0.0, 9.995, MID),
        at(30.0, 10.005, MID),
        at(60.0, 10.005, MID),
        at(90.0, 10.015, MID),
        at(120.0, 9.995, MID),
    ]);
    assert_eq!(shard.told_of_fences(), [] as [&str; 0]);
}

#[test]
fn an_opening_waits_for_the_watermark_and_is_not_repeated() {
    let mut shard = over(open("14:01-15:00"));
    shard.each(&[at(0.0, 10.005, MID), at(59.9, 10.005, MID)]);
    assert_eq!(shard.told_of_fences(), [] as [&str; 0]);
    shard.each(&[at(60.0, 10.005, MID), at(70.0, 10.005, MID)]);
    assert_eq!(shard.told_of_fences(), ["enter f 60.0 [60.0, 60.0] schedule_opened"]);
}

#[test]
fn a_crossing_is_not_dated_before_the_opening() {
    let mut shard = over(open("14:00-15:00"));
    shard.each(&[at(-10.0, 9.9995, MID), at(20.0, 10.0025, MID)]);
    assert_eq!(shard.told_of_fences(), ["enter f 0.0 [0.0, 20.0] crossed"]);
}

#[test]
fn a_pass_counts_from_the_opening_on() {
    let through = [at(-30.0, 9.99, MID), at(30.0, 10.02, MID)];
    let mut shard = over(open("14:00-15:00"));
    shard.each(&through);
    assert_eq!(shard.told_of_fences(), ["cross f 0.0 [0.0, 30.0] crossed"]);
    let mut closed = over(open("13:00-14:00"));
    closed.each(&through);
    assert_eq!(closed.told_of_fences(), [] as [&str; 0]);
}

#[test]
fn a_closing_ends_what_is_pending() {
    // One outside ping, not decisive: the exit is pending.
    let mut shard = over(open("13:00-14:01"));
    shard.each(&[
        at(0.0, 9.99, MID),
        at(30.0, 10.005, MID),
        at(50.0, 10.0102, MID),
        at(70.0, 10.0102, MID),
    ]);
    assert_eq!(
        shard.told_of_fences(),
        [
            "enter f 20.0 [0.0, 30.0] crossed",
            "exit f 60.0 [60.0, 60.0] schedule_closed",
            "visit f 60.0 [60.0, 60.0] schedule_closed",
        ]
    );
    // An inside ping too vague to be an enter: void, and counted.
    let mut shard = over(open("13:00-14:01"));
    shard.each(&[
        at(0.0, 9.99, MID),
        at(30.0, 10.0001, 50.0001).accuracy(150.0),
        at(70.0, 10.0001, 50.0001).accuracy(150.0),
    ]);
    assert_eq!((shard.told_of_fences(), shard.count("pending_voided")), (vec![], 1));
}

#[test]
fn a_late_ping_moves_an_opening_away() {
    let mut shard = over(open("14:01-15:00"));
    shard.each(&[at(0.0, 10.005, MID), at(90.0, 9.99, MID), at(95.0, 9.99, MID)]);
    assert!(shard.told_of_fences()[0].starts_with("enter f 60.0"), "{:?}", shard.told_of_fences());
    shard.pings(&[at(40.0, 9.99, MID).received(100.0)]);
    assert_eq!(shard.told_of_fences(), [] as [&str; 0]);
}

#[test]
fn each_opening_has_ids_of_its_own() {
    let mut shard = over(open("15:00-16:00"));
    // One ping, then three days of nothing.
    shard.each(&[at(0.0, 10.005, MID), at(3.0 * 86_400.0, 10.005, MID)]);
    let events: Vec<_> =
        shard.fold().into_iter().filter(|event| !event.fence_id.is_empty()).collect();
    assert_eq!(events.len(), 9);
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| &event.event_id).collect();
    let visits: std::collections::BTreeSet<_> =
        events.iter().map(|event| &event.visit_id).collect();
    assert_eq!((ids.len(), visits.len()), (9, 3));
}

#[test]
fn dwell_counts_from_the_opening_and_ends_with_the_closing() {
    let settings = geofence::Settings { dwell_s: vec![300, 1_800], ..robust() };
    let mut shard = Shard::new(settings, vec![open("14:01-14:20")]);
    for s in [0.0, 200.0, 359.0, 361.0, 1_100.0, 3_000.0] {
        shard.each(&[at(s, 10.005, MID)]);
    }
    assert_eq!(
        shard.told_of_fences(),
        [
            "enter f 60.0 [60.0, 60.0] schedule_opened",
            "dwell f 360.0 [360.0, 360.0]",
            "exit f 1200.0 [1200.0, 1200.0] schedule_closed",
            "visit f 1200.0 [1200.0, 1200.0] schedule_closed",
        ]
    );
}

#[test]
fn other_hours_are_another_version() {
    let mut shard = over(open("13:00-16:00"));
    shard.each(&[at(0.0, 10.005, MID)]);
    shard.fences(vec![open("15:00-16:00")], 60.0);
    assert_eq!(
        shard.told_of_fences(),
        [
            "enter f 0.0 [0.0, 0.0] first_seen",
            "exit f 60.0 [60.0, 60.0] fence_changed",
            "visit f 60.0 [60.0, 60.0] fence_changed",
        ]
    );
    assert_eq!(shard.only("exit").fence_version, 2);
}

#[test]
fn tags_mean_nothing_until_vehicles_have_some() {
    let mut shard = over(tagged(&["van"]));
    shard.each(&[at(0.0, 10.005, MID), at(0.0, 10.005, MID).of("w")]);
    assert_eq!(shard.kinds(), ["enter", "enter"]);
    shard.tags(&[("w", &["van"])], 60.0);
    let v: Vec<_> = shard.fold().into_iter().filter(|event| event.vehicle_id == "v").collect();
    let lines: Vec<_> = v.iter().map(super::fleet::line).collect();
    assert_eq!(
        lines,
        [
            "enter f 0.0 [0.0, 0.0] first_seen",
            "exit f 60.0 [60.0, 60.0] assignment_changed",
            "visit f 60.0 [60.0, 60.0] assignment_changed",
        ]
    );
    assert_eq!(shard.fold().len(), 4);
}

#[test]
fn an_assignment_comes_and_goes() {
    let mut shard = over(tagged(&["van", "truck"]));
    shard.tags(&[], -3_600.0);
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.tags(&[("v", &["truck"])], 60.0);
    shard.each(&[at(90.0, 10.005, MID)]);
    shard.tags(&[("v", &["big", "truck"])], 100.0);
    shard.tags(&[("v", &["big"])], 120.0);
    assert_eq!(
        shard.told_of_fences(),
        [
            "enter f 60.0 [60.0, 60.0] assignment_changed",
            "exit f 120.0 [120.0, 120.0] assignment_changed",
            "visit f 120.0 [120.0, 120.0] assignment_changed",
        ]
    );
}

#[test]
fn a_fence_that_asks_for_other_tags_is_no_other_version() {
    let mut shard = over(tagged(&["van"]));
    shard.tags(&[("v", &["van"])], -3_600.0);
    shard.each(&[at(0.0, 10.005, MID)]);
    shard.fences(vec![tagged(&["truck"])], 60.0);
    let exit = shard.only("exit");
    assert_eq!(super::fleet::line(&exit), "exit f 60.0 [60.0, 60.0] assignment_changed");
    assert_eq!(exit.fence_version, 1);
}

#[test]
fn tags_are_refused_for_what_is_final_and_for_what_is_to_come() {
    use geofence::{Input, TagChanges, TagOutcome, TagRefusal, TimeMs};
    let mut shard = over(tagged(&["van"]));
    shard.each(&[at(0.0, 10.005, MID), at(3_600.0, 10.005, MID)]);
    let changes = |tag: &str| TagChanges {
        vehicles: [("v".to_owned(), vec![tag.to_owned()])].into(),
        is_whole: false,
    };
    let mut ask = |tag: &str, s: i64| {
        let valid_from = TimeMs(T_MS + s * 1000);
        let input = Input::Tags { changes: changes(tag), valid_from };
        shard.apply(input, TimeMs(T_MS + 3_600_000)).tags[0].clone()
    };
    let hot_from = TimeMs(T_MS + 2_700_000);
    assert_eq!(
        ask("van", 2_699),
        TagOutcome::Refused(TagRefusal::BehindHotWindow { vehicle_id: "v".into(), hot_from })
    );
    let now = TimeMs(T_MS + 3_600_000);
    assert_eq!(ask("van", 3_601), TagOutcome::Refused(TagRefusal::Ahead { now }));
    assert_eq!(ask("van", 2_700), TagOutcome::TakenUp);
    assert_eq!(ask("van", 3_000), TagOutcome::Unchanged);
    let newest = TimeMs(T_MS + 2_700_000);
    let vehicle_id = "v".to_owned();
    assert_eq!(ask("car", 2_700), TagOutcome::Refused(TagRefusal::NotAfter { vehicle_id, newest }));
    assert_eq!(ask("car", 2_701), TagOutcome::TakenUp);
}
