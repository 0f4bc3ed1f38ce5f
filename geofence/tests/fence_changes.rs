//! Changes of the fences as inputs: which are taken up, which are refused,
//! and what is told of a fence's versions (semantics §7).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;

use geofence::{
    Detector, FenceOutcome, FenceRefusal, FenceSet, Input, Settings, TimeMs, parse_fences,
};
use support::pings::ping;
use support::shard::{Shard, plain};

const INSIDE: f64 = 10.005;
const AWAY: f64 = 10.5;

/// Squares of these ids, `width` degrees wide from longitude 10 on.
fn squares(ids: &[&str], width: f64) -> FenceSet {
    let feature = |id: &&str| {
        let (e, n) = (10.0 + width, 50.01);
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{}},"geometry":{{"type":"Polygon",
            "coordinates":[[[10,50],[{e},50],[{e},{n}],[10,{n}],[10,50]]]}}}}"#
        )
    };
    let features: Vec<String> = ids.iter().map(feature).collect();
    parse_fences(support::collection(&features).as_bytes()).unwrap().set
}

/// What a change at `t_s` comes to, when it is received then.
fn change(shard: &mut Shard, set: FenceSet, t_s: i64) -> FenceOutcome {
    let before = shard.detector.encode_state();
    let foreseen = shard.detector.judge_fences(&set, TimeMs(t_s * 1000));
    assert_eq!(shard.detector.encode_state(), before, "to ask changes nothing");
    let effects = shard.fences(set, t_s);
    assert_eq!(effects.fences, std::slice::from_ref(&foreseen));
    if foreseen != FenceOutcome::TakenUp {
        assert!(effects.events.is_empty(), "{:?}", effects.events);
    }
    foreseen
}

#[test]
fn the_newest_set_again_is_unchanged_whenever_it_is_said_to_begin() {
    let mut shard = Shard::new(plain(), squares(&["a"], 0.01));
    for t_s in [100, 0, -5] {
        assert_eq!(change(&mut shard, squares(&["a"], 0.01), t_s), FenceOutcome::Unchanged);
    }
    assert_eq!(shard.detector.fence_history().epochs.len(), 1);
}

#[test]
fn sets_follow_each_other_in_time() {
    let mut shard = Shard::new(plain(), squares(&["a"], 0.01));
    assert_eq!(change(&mut shard, squares(&["a"], 0.02), 100), FenceOutcome::TakenUp);
    let refused = FenceOutcome::Refused(FenceRefusal::NotAfter { newest: TimeMs(100_000) });
    for t_s in [100, 99] {
        assert_eq!(change(&mut shard, squares(&["a"], 0.03), t_s), refused);
    }
    assert_eq!(change(&mut shard, squares(&["a"], 0.03), 101), FenceOutcome::TakenUp);
}

#[test]
fn a_change_must_not_reach_behind_a_hot_window() {
    let settings = Settings { hot_lateness_ms: 60_000, ..plain() };
    let mut shard = Shard::new(settings, squares(&["a"], 0.01));
    shard.pings([ping(1_000, AWAY, 50.0).of("v-1"), ping(1_030, AWAY, 50.0).of("v-2")]);
    let refused = FenceOutcome::Refused(FenceRefusal::BehindHotWindow {
        vehicle_id: "v-2".into(),
        hot_from: TimeMs(970_000),
    });
    assert_eq!(change(&mut shard, squares(&["a"], 0.02), 969), refused);
    assert_eq!(change(&mut shard, squares(&["a"], 0.02), 970), FenceOutcome::TakenUp);
}

#[test]
fn only_a_shard_without_vehicles_can_be_said_to_have_had_fences_since_ever() {
    let since_ever = |shard: &mut Shard, set| {
        let input = Input::Fences { set: Arc::new(set), valid_from: TimeMs::MIN };
        shard.apply(&[input], TimeMs(0)).fences.remove(0)
    };
    let refused = FenceOutcome::Refused(FenceRefusal::NotAfter { newest: TimeMs::MIN });

    let mut with_fences = Shard::new(plain(), squares(&["a"], 0.01));
    assert_eq!(since_ever(&mut with_fences, squares(&["a"], 0.02)), refused);

    let mut without = Shard::new(plain(), FenceSet::empty());
    assert_eq!(since_ever(&mut without, squares(&["a"], 0.02)), FenceOutcome::TakenUp);

    let mut with_vehicle = Shard::new(plain(), FenceSet::empty());
    with_vehicle.ping(ping(0, AWAY, 50.0));
    assert_eq!(since_ever(&mut with_vehicle, squares(&["a"], 0.02)), refused);
}

/// Two shards of one worker: the second has seen no vehicle when the first
/// fence is drawn, and must judge late pings as the first does.
#[test]
fn a_first_fence_begins_at_the_same_time_in_a_shard_without_vehicles() {
    let told = |early: bool| {
        let mut shard = Shard::new(plain(), FenceSet::empty());
        if early {
            shard.ping(ping(10, AWAY, 50.0).of("other"));
        }
        shard.fences(squares(&["a"], 0.01), 100);
        shard.ping(ping(60, INSIDE, 50.005).received(110));
        shard.told()
    };
    assert_eq!(told(false), ["enter a @100"]);
    assert_eq!(told(true), told(false));
}

#[test]
fn a_history_tells_the_versions_of_a_fence() {
    let mut shard = Shard::new(plain(), squares(&["a", "b"], 0.01));
    shard.fences(squares(&["a"], 0.02), 100);
    shard.fences(squares(&["a", "c"], 0.02), 200);
    shard.fences(squares(&["a", "b"], 0.03), 300);
    let history = shard.detector.fence_history();
    let spans = |id: &str| -> Vec<(u32, Option<i64>, Option<i64>)> {
        let seconds = |t: Option<TimeMs>| t.map(|t| t.0 / 1000);
        let versions = history.versions_of(id);
        versions.iter().map(|v| (v.version, seconds(v.valid_from), seconds(v.valid_to))).collect()
    };
    assert_eq!(spans("a"), [(1, None, Some(100)), (2, Some(100), Some(300)), (3, Some(300), None)]);
    assert_eq!(spans("b"), [(1, None, Some(100)), (2, Some(300), None)]);
    assert_eq!(spans("c"), [(1, Some(200), Some(300))]);
    assert!(spans("d").is_empty());
    assert_eq!(history.versions_of("a")[1].fence, &squares(&["a"], 0.02).fences()[0]);
}

#[test]
fn a_history_is_cut_where_nothing_can_be_judged_any_more() {
    let settings = Settings { hot_lateness_ms: 1_000, ..plain() };
    let mut shard = Shard::new(settings, squares(&["a"], 0.01));
    shard.ping(ping(10, AWAY, 50.0));
    shard.fences(squares(&["a"], 0.02), 100);
    // Enough for a checkpoint behind the change, then past the sweep after a day.
    for t_s in (200..300).chain([93_600]) {
        shard.ping(ping(t_s, AWAY, 50.0));
    }
    let history = shard.detector.fence_history();
    assert!(history.is_cut);
    let versions = history.versions_of("a");
    assert_eq!(versions.len(), 1);
    assert_eq!((versions[0].version, versions[0].valid_from), (2, None), "known no longer");
}

#[test]
fn a_history_survives_a_snapshot() {
    let mut shard = Shard::new(plain(), squares(&["a"], 0.01));
    shard.fences(squares(&["a"], 0.02), 100);
    let restored: Detector = shard.restored();
    assert_eq!(restored.fence_history(), shard.detector.fence_history());
}
