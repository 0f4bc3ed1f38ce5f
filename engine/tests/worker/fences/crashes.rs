//! A worker killed in the middle of a change: all shards have it, or none.

use std::collections::BTreeSet;
use std::fs;

use super::{Fences, Place, at, sq, square, stop, write_set};
use crate::support::{Launch, segments_of, wait_for};

const VEHICLES: u32 = 12;

/// Everybody parked in SQ, then a little later again.
fn everybody(second: u32) -> Vec<String> {
    let round = |second| (0..VEHICLES).map(move |n| at(&format!("v-{n}"), second, 10.005));
    round(second).chain(round(second + 10)).collect()
}

fn two_shards(place: &Place) -> Launch {
    place.launch().set("shards", "2")
}

/// The fence `f` stands everywhere or nowhere, and can be put; everybody has
/// entered it at one time.
fn check_after_a_put(place: &Place, stands: Option<bool>, case: &str) {
    let worker = two_shards(place).start();
    let fences = Fences::of(&worker);
    let stood = fences.ids() == ["f"];
    assert!(stands.is_none_or(|stands| stands == stood), "{case}: {stood}");
    // Whoever was not answered sends it again.
    let answer = fences.put("f", &sq());
    assert_eq!(answer["changed"], !stood, "{case}: {answer}");
    assert_eq!(answer["version"], 1, "{case}");
    worker.client().deliver(&everybody(20));
    stop(worker);
    let expected: BTreeSet<String> = (0..VEHICLES)
        .map(|n| format!("12:00:10.000Z geofence_enter v-{n} f v1 fence_created"))
        .collect();
    assert_eq!(place.told().into_iter().collect::<BTreeSet<_>>(), expected, "{case}");
}

/// Two shards begin with a commit each for settings, and one for pings of
/// everybody; the fifth and the sixth commit are the change. The shards commit
/// side by side: at the sixth the fifth may be done or not.
#[test]
fn shards_agree_after_a_crash_at_their_commits() {
    for (point, nth, stands) in [
        ("commit.before", 5, Some(false)),
        ("commit.before", 6, None),
        ("commit.after", 5, Some(true)),
        ("commit.after", 6, Some(true)),
    ] {
        let case = format!("{point}:{nth}");
        let place = Place::new();
        let mut worker = two_shards(&place).dies_at(point, nth).start();
        worker.client().deliver(&everybody(0));
        let answer = Fences::of(&worker).change("PUT", "f", &sq());
        assert!(answer.is_none(), "{case}: {answer:?}");
        assert_eq!(worker.wait().code(), None, "{case}: killed: {}", worker.log());
        check_after_a_put(&place, stands, &case);
    }
}

/// What a crash leaves that came after one shard's commit and before the
/// other's: the change is the last segment of one of them.
#[test]
fn a_shard_that_missed_a_change_makes_it_at_the_next_start() {
    for shard in [0, 1] {
        let place = Place::new();
        let mut worker = two_shards(&place).start();
        worker.client().deliver(&everybody(0));
        let before = segments_of(&place.data(), shard).len();
        Fences::of(&worker).put("f", &sq());
        worker.kill();
        let segments = segments_of(&place.data(), shard);
        assert_eq!(segments.len(), before + 1, "the change and nothing else");
        fs::remove_file(segments.last().unwrap()).unwrap();
        check_after_a_put(&place, Some(true), &format!("shard {shard}"));
    }
}

/// The same for fences of a file: those to begin with, and others.
#[test]
fn shards_agree_after_a_crash_while_a_file_is_taken_up() {
    for (point, nth) in [("commit.before", 2), ("commit.before", 5), ("commit.after", 5)] {
        let case = format!("{point}:{nth}");
        let place = Place::new();
        let file = place.path("city.geojson");
        write_set(&file, &[("f", sq())]);
        let launch = two_shards(&place).fences(&file);
        let dying = launch.clone().dies_at(point, nth);
        let mut worker = if nth == 2 { dying.spawn() } else { dying.start() };
        if nth > 2 {
            worker.client().deliver(&everybody(0));
            write_set(&file, &[("f", square(10.0, 10.002))]);
        }
        assert_eq!(worker.wait().code(), None, "{case}: killed: {}", worker.log());

        let worker = launch.start();
        let fences = Fences::of(&worker);
        if nth == 2 {
            worker.client().deliver(&everybody(0));
            write_set(&file, &[("f", square(10.0, 10.002))]);
            wait_for("the file", || fences.get("").body.contains("10.002").then_some(()));
        }
        assert!(fences.get("").body.contains("10.002"), "{case}");
        worker.client().deliver(&everybody(20));
        stop(worker);
        let expected: BTreeSet<String> = (0..VEHICLES)
            .flat_map(|n| {
                [
                    format!("12:00:00.000Z geofence_enter v-{n} f v1 first_seen"),
                    format!("12:00:10.000Z geofence_exit v-{n} f v2 fence_changed"),
                    format!("12:00:10.000Z geofence_visit v-{n} f v2 fence_changed"),
                ]
            })
            .collect();
        assert_eq!(place.told().into_iter().collect::<BTreeSet<_>>(), expected, "{case}");
    }
}
