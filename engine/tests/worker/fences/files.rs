//! The configured file or directory, taken up while the worker runs and at a
//! restart.

use std::fs;

use super::{Fences, Place, at, collection, sq, square, stop, write_set};
use crate::support::{Worker, wait_for};

fn wait_for_ids(worker: &Worker, ids: &[&str]) {
    let fences = Fences::of(worker);
    wait_for(&format!("fences {ids:?}"), || (fences.ids() == ids).then_some(()));
}

/// The count of one outcome of configured changes.
fn counted(worker: &Worker, outcome: &str) -> bool {
    let page = worker.client().get("/metrics").expect("metrics").body;
    let start = "fleetstream_fence_changes_total{";
    page.lines().any(|line| {
        line.starts_with(start) && line.contains("configured") && line.contains(outcome)
    })
}

#[test]
fn a_directory_is_watched() {
    let place = Place::new();
    place.write("fences/a.geojson", &collection(&[("a", sq())]));
    let worker = place.launch().fences(&place.path("fences")).start();
    worker.client().deliver(&[at("v", 0, 10.005)]);
    worker.client().deliver(&[at("other", 5, 11.0)]);
    place.write("fences/b.json", &collection(&[("b", sq())]));
    wait_for_ids(&worker, &["a", "b"]);
    worker.client().deliver(&[at("other", 10, 11.0)]);
    fs::remove_file(place.path("fences/a.geojson")).unwrap();
    wait_for_ids(&worker, &["b"]);
    stop(worker);
    assert_eq!(
        place.told(),
        [
            "12:00:00.000Z geofence_enter v a v1 first_seen",
            "12:00:05.000Z geofence_enter v b v1 fence_created",
            "12:00:10.000Z geofence_exit v a v1 fence_deleted",
            "12:00:10.000Z geofence_visit v a v1 fence_deleted",
        ]
    );
}

#[test]
fn files_that_cannot_be_used_change_nothing_until_they_are_mended() {
    let place = Place::new();
    let file = place.path("city.geojson");
    write_set(&file, &[("a", sq())]);
    let mut worker = place.launch().fences(&file).start();
    let flat = r#"{"type":"Feature","id":"flat","properties":{},
        "geometry":{"type":"Polygon","coordinates":[[[1,1],[2,2],[1,1]]]}}"#;
    fs::write(&file, flat).unwrap();
    let line = worker.wait_for_line("the configured fences cannot be used: the last ones stay");
    let problem = line["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("city.geojson: flat: ") && problem.contains("[too_few_points]"));
    assert!(counted(&worker, "unusable"));
    assert_eq!(Fences::of(&worker).ids(), ["a"]);

    fs::write(&file, "{ not json").unwrap();
    fs::remove_file(&file).unwrap();
    wait_for("a missing file", || worker.log().contains("cannot be read").then_some(()));
    assert_eq!(Fences::of(&worker).ids(), ["a"]);

    write_set(&file, &[("a", sq()), ("b", sq())]);
    wait_for_ids(&worker, &["a", "b"]);
    stop(worker);
}

#[test]
fn two_files_with_one_id_are_refused_by_name() {
    let place = Place::new();
    place.write("fences/a.geojson", &collection(&[("depot", sq())]));
    place.write("fences/b.geojson", &collection(&[("depot", square(10.0, 10.5))]));
    let output = place.launch().fences(&place.path("fences")).output();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("b.geojson: depot: ") && told.contains("a.geojson has"), "{told}");
}

#[test]
fn what_http_changed_stands_until_the_file_does() {
    let place = Place::new();
    let file = place.path("city.geojson");
    write_set(&file, &[("a", sq()), ("b", sq())]);
    let launch = place.launch().fences(&file);
    let worker = launch.start();
    let fences = Fences::of(&worker);
    fences.put("http", &sq());
    fences.delete("b");
    stop(worker);

    // The same file, written anew: nothing changed.
    write_set(&file, &[("b", sq()), ("a", sq())]);
    let mut worker = launch.start();
    assert_eq!(Fences::of(&worker).ids(), ["a", "http"]);
    worker.kill();

    // Killed, started again, and the journal still knows.
    let worker = launch.start();
    assert_eq!(Fences::of(&worker).ids(), ["a", "http"]);
    stop(worker);

    // Changed while nobody looked.
    write_set(&file, &[("a", sq()), ("c", sq())]);
    let worker = launch.start();
    assert_eq!(Fences::of(&worker).ids(), ["a", "c"]);
    Fences::of(&worker).put("http", &sq());

    // Changed while the worker looks.
    write_set(&file, &[("d", sq())]);
    wait_for_ids(&worker, &["d"]);
    stop(worker);

    // No longer configured: that is a change too.
    let worker = place.launch().start();
    assert!(Fences::of(&worker).ids().is_empty());
    stop(worker);
}

#[test]
fn a_restart_from_a_snapshot_knows_which_file_was_taken_up() {
    let place = Place::new();
    let file = place.path("city.geojson");
    write_set(&file, &[("a", sq())]);
    let launch = place
        .launch()
        .fences(&file)
        .set("journal.snapshot_min_segments", "1")
        .set("journal.keep", "0s");
    let worker = launch.start();
    Fences::of(&worker).put("http", &sq());
    for second in 0..20 {
        worker.client().deliver(&[at("v", second, 11.0)]);
    }
    stop(worker);
    for _ in 0..2 {
        let worker = launch.start();
        assert_eq!(Fences::of(&worker).ids(), ["a", "http"]);
        worker.client().deliver(&[at("v", 30, 11.0)]);
        stop(worker);
    }
}
