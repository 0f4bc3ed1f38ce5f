//! The vectors of the specification about changed fences, through the whole
//! pipeline.

use serde_json::json;

use super::{Fences, Place, at, polygon, sq, square, stop};

#[test]
fn v20_a_fence_drawn_round_a_parked_vehicle() {
    let place = Place::new();
    let worker = place.launch().start();
    worker.client().deliver(&[at("v", 0, 10.005)]);
    worker.client().deliver(&[at("other", 100, 11.0)]);
    let answer = Fences::of(&worker).expect(201, "PUT", "f", &sq());
    assert_eq!(
        answer,
        json!({
            "id": "f", "version": 1, "changed": true, "repairs": [],
            "valid_from": "2026-03-01T12:01:40.000Z",
        })
    );
    stop(worker);
    assert_eq!(place.told(), ["12:01:40.000Z geofence_enter v f v1 fence_created"]);
}

#[test]
fn v21_a_fence_shrunk_away_from_a_parked_vehicle() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    fences.put("f", &sq());
    worker.client().deliver(&[at("v", 0, 10.009)]);
    worker.client().deliver(&[at("other", 100, 11.0)]);
    let answer = fences.put("f", &square(10.0, 10.005));
    assert_eq!((&answer["version"], &answer["changed"]), (&json!(2), &json!(true)));
    stop(worker);
    assert_eq!(
        place.told(),
        [
            "12:00:00.000Z geofence_enter v f v1 first_seen",
            "12:01:40.000Z geofence_exit v f v2 fence_changed",
            "12:01:40.000Z geofence_visit v f v2 fence_changed",
        ]
    );
    let exit = place.only("geofence_exit");
    for key in ["event_time", "not_before", "not_after"] {
        assert_eq!(exit[key], answer["valid_from"], "{key}");
    }
}

#[test]
fn v22_a_fence_deleted_round_a_vehicle_whose_late_ping_still_counts() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    fences.put("f", &sq());
    worker.client().deliver(&[at("v", 0, 10.005)]);
    worker.client().deliver(&[at("v", 30, 10.005)]);
    worker.client().deliver(&[at("other", 100, 11.0)]);
    let answer = fences.delete("f");
    assert_eq!((&answer["version"], &answer["changed"]), (&json!(1), &json!(true)));
    assert!(fences.ids().is_empty());
    worker.client().deliver(&[at("v", 120, 10.005)]);
    worker.client().deliver(&[at("v", 90, 10.005)]);
    stop(worker);
    assert_eq!(
        place.told(),
        [
            "12:00:00.000Z geofence_enter v f v1 first_seen",
            "12:01:40.000Z geofence_exit v f v1 fence_deleted",
            "12:01:40.000Z geofence_visit v f v1 fence_deleted",
        ]
    );
    let visit = place.only("geofence_visit");
    assert_eq!((&visit["pings"], &visit["certain_s"]), (&json!(3), &json!(90.0)));
}

#[test]
fn v23_the_same_fence_again_is_no_version_and_no_event() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    fences.put("f", &sq());
    worker.client().deliver(&[at("v", 0, 10.005)]);
    worker.client().deliver(&[at("v", 60, 10.005)]);
    // From another corner, the other way round, with an id of its own.
    let again = json!({
        "type": "Feature", "id": "f", "properties": null,
        "geometry": {"type": "Polygon", "coordinates": [
            [[10.01, 50.01], [10.01, 50.0], [10.0, 50.0], [10.0, 50.01], [10.01, 50.01]]]},
    });
    let answer = fences.expect(200, "PUT", "f", &again.to_string());
    assert_eq!(answer, json!({"id": "f", "version": 1, "changed": false, "repairs": []}));
    stop(worker);
    assert_eq!(place.told(), ["12:00:00.000Z geofence_enter v f v1 first_seen"]);
}

#[test]
fn v25_a_late_ping_is_judged_by_the_version_of_its_time() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    fences.put("f", &sq());
    worker.client().deliver(&[at("v", 0, 9.995)]);
    worker.client().deliver(&[at("other", 100, 11.0)]);
    fences.put("f", &square(10.02, 10.03));
    worker.client().deliver(&[at("v", 120, 9.995)]);
    worker.client().deliver(&[at("v", 50, 10.005)]);
    stop(worker);
    let told = place.told();
    let enter = told.iter().find(|line| line.contains("geofence_enter")).expect("an enter");
    assert!(enter.ends_with("v f v1 crossed"), "{enter}");
    let exit = told.iter().find(|line| line.contains("geofence_exit")).expect("an exit");
    assert_eq!(exit, "12:01:40.000Z geofence_exit v f v2 fence_changed");
}

#[test]
fn v44_geometry_that_cannot_be_used_leaves_the_last_version() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    fences.put("f", &sq());
    let before = fences.get("/f").body;

    let line = json!([[[10.0, 50.0], [10.01, 50.0], [10.0, 50.0]]]);
    let refused = fences.expect(422, "PUT", "f", &polygon(&line));
    assert_eq!((&refused["code"], &refused["fence"]), (&json!("too_few_points"), &json!("f")));
    assert!(refused["message"].as_str().unwrap().contains("coordinates[0]"), "{refused}");
    assert_eq!(fences.get("/f").body, before);
    assert_eq!(fences.get("/f/versions").json()["versions"].as_array().unwrap().len(), 1);

    // What has one plain reading is mended, and said to be.
    let crossing =
        json!([[[10.0, 50.0], [10.01, 50.01], [10.01, 50.0], [10.0, 50.01], [10.0, 50.0]]]);
    let unclosed = json!([[[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.02]]]);
    let clockwise = json!([[[10.0, 50.0], [10.0, 50.03], [10.01, 50.0], [10.0, 50.0]]]);
    let cases =
        [(crossing, Some("self_crossing")), (unclosed, Some("ring_closed")), (clockwise, None)];
    for (version, (coordinates, code)) in (2..).zip(cases) {
        let answer = fences.expect(200, "PUT", "f", &polygon(&coordinates));
        assert_eq!(answer["version"], version, "{answer}");
        assert_eq!(answer["repairs"][0]["code"].as_str(), code, "{answer}");
    }
    stop(worker);
}
