//! Where and when a path meets an edge.

use super::{MID, named, neighbour, over};
use crate::fleet::{Shard, at, line, passed, robust};
use crate::support::{am, am_cut, co, ho, multi, ring, sm, sq};

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
fn v07_a_corridor_is_crossed() {
    let mut shard = over(co());
    shard.each(&[at(0.0, 30.01, 49.999), at(20.0, 30.01, 50.001)]);
    assert_eq!(shard.told(), ["cross f 7.3 [0.0, 20.0] crossed"]);
    assert_eq!(passed(&shard.only("cross")).0, "12.7");
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
fn v46_a_crossing_over_two_minutes_is_still_dated_between() {
    let mut shard = over(sq());
    shard.each(&[at(0.0, 9.995, MID), at(121.0, 10.005, MID)]);
    assert_eq!(shard.told(), ["enter f 60.5 [0.0, 121.0] crossed"]);
}
