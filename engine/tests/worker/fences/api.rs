//! Who may change fences over HTTP, and what is answered.

use std::fs;

use serde_json::{Value, json};

use super::{Fences, Place, TOKEN, at, sq, square, stop};
use crate::support::Launch;

#[test]
fn without_a_token_file_nobody_changes_fences() {
    let place = Place::new();
    let worker = Launch::run(&place.data()).start();
    let client = worker.client();
    for (method, token) in [("PUT", TOKEN), ("DELETE", TOKEN), ("PUT", "")] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = client.change(method, "/v1/fences/f", &headers, sq()).expect("an answer");
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.json()["code"], "changes_disabled");
        assert!(answer.body.contains("http.token_file"), "it says how: {answer:?}");
    }
    let answer = client.change("PUT", "/v1/vehicles/van-7/tags", &[], r#"["van"]"#);
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("changes_disabled")));
    assert!(answer.body.contains("tags"), "it says what of: {answer:?}");
    assert!(Fences::of(&worker).ids().is_empty());
    stop(worker);
}

#[test]
fn only_the_bearer_of_the_token_changes_fences() {
    let place = Place::new();
    let worker = place.launch().start();
    let client = worker.client();
    let attempt = |headers: &[(&str, &str)]| {
        let answer = client.change("PUT", "/v1/fences/f", headers, sq()).expect("an answer");
        (answer.status, answer.json()["code"].as_str().map(str::to_owned))
    };
    let missing = (401, Some("token_missing".to_owned()));
    let wrong = (401, Some("token_wrong".to_owned()));
    assert_eq!(attempt(&[]), missing);
    assert_eq!(attempt(&[("authorization", TOKEN)]), missing);
    assert_eq!(attempt(&[("authorization", "Bearer")]), missing);
    for token in [&TOKEN[1..], &format!("{TOKEN}x"), &TOKEN.to_uppercase()] {
        assert_eq!(attempt(&[("authorization", &format!("Bearer {token}"))]), wrong, "{token}");
    }
    assert_eq!(attempt(&[("authorization", &format!("bearer {TOKEN}"))]), (201, None));

    // The token can be exchanged under the running worker.
    fs::write(place.path("token"), "another-token-of-some-length").unwrap();
    assert_eq!(attempt(&[("authorization", &format!("Bearer {TOKEN}"))]), wrong);
    assert_eq!(attempt(&[("authorization", "Bearer another-token-of-some-length")]).0, 200);
    fs::remove_file(place.path("token")).unwrap();
    assert_eq!(attempt(&[("authorization", "Bearer another-token-of-some-length")]).0, 503);
    stop(worker);
}

#[test]
fn a_token_file_without_a_token_is_a_mistake_in_the_configuration() {
    let place = Place::new();
    fs::write(place.path("token"), "short\n").unwrap();
    let output = place.launch().output();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("http.token_file") && told.contains("holds no token"), "{told}");
}

#[test]
fn what_is_not_a_fence_is_refused() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    let named = |id: Value| {
        json!({"type": "Feature", "id": id, "properties": {"radius_m": 50},
        "geometry": {"type": "Point", "coordinates": [10, 50]}})
    };
    let nameless =
        json!({"type": "Feature", "properties": {"id": "other"}, "geometry": null}).to_string();
    for (status, code, path, body) in [
        (400, "body_not_json", "f", "{".to_owned()),
        (400, "query_unreadable", "f?from=now", sq()),
        (400, "valid_from_invalid", "f?valid_from=noon", sq()),
        (400, "valid_from_invalid", "f?valid_from=2200-01-01T00:00:00Z", sq()),
        (422, "feature_invalid", "f", r#"{"type":"FeatureCollection","features":[]}"#.to_owned()),
        (422, "feature_invalid", "f", "[]".to_owned()),
        (422, "id_mismatch", "f", named(json!("g")).to_string()),
        (422, "id_mismatch", "f", nameless),
        (422, "geometry_missing", "f", r#"{"type":"Feature","properties":{}}"#.to_owned()),
    ] {
        assert_eq!(fences.expect(status, "PUT", path, &body)["code"], code, "{path} {body}");
    }
    assert_eq!(fences.expect(404, "DELETE", "f", "")["code"], "not_found");
    assert!(fences.ids().is_empty());
    // The path wins, and says the same as a number does.
    assert_eq!(fences.expect(201, "PUT", "7", &named(json!(7)).to_string())["id"], "7");
    assert_eq!(fences.expect(201, "PUT", "a%2Fb%20%C3%BC", &sq())["id"], "a/b ü");
    assert_eq!(fences.ids(), ["7", "a/b ü"]);
    assert_eq!(fences.get("/a%2Fb%20%C3%BC").json()["id"], "a/b ü");
    stop(worker);
}

#[test]
fn a_fence_and_its_versions_can_be_read() {
    let place = Place::new();
    let worker = place.launch().start();
    let fences = Fences::of(&worker);
    for path in ["/f", "/f/versions"] {
        assert_eq!(fences.get(path).status, 404, "{path}");
    }
    worker.client().deliver(&[at("v", 0, 11.0)]);
    fences.put("f", &sq());
    worker.client().deliver(&[at("v", 10, 11.0)]);
    fences.put("f", &square(10.0, 10.02));
    worker.client().deliver(&[at("v", 20, 11.0)]);
    fences.delete("f");
    assert_eq!(fences.get("/f").status, 404);
    fences.put("f", &sq());

    let feature = fences.get("/f").json();
    assert_eq!((&feature["type"], &feature["id"]), (&json!("Feature"), &json!("f")));
    assert_eq!(fences.get("").json()["features"][0], feature);

    let versions = fences.get("/f/versions").json()["versions"].clone();
    let spans: Vec<[&Value; 3]> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|version| [&version["version"], &version["valid_from"], &version["valid_to"]])
        .collect();
    let (first, second) = (json!("2026-03-01T12:00:00.000Z"), json!("2026-03-01T12:00:10.000Z"));
    // The clock stood still between the deletion and the last change.
    let (third, fourth) = (json!("2026-03-01T12:00:20.000Z"), json!("2026-03-01T12:00:20.001Z"));
    assert_eq!(
        spans,
        [
            [&json!(1), &first, &second],
            [&json!(2), &second, &third],
            [&json!(3), &fourth, &Value::Null],
        ]
    );
    assert_eq!(versions[0]["hash"], versions[2]["hash"], "the same shape");
    assert_ne!(versions[0]["hash"], versions[1]["hash"]);
    stop(worker);
}

#[test]
fn a_change_can_be_announced_and_must_not_come_too_early() {
    let place = Place::new();
    let worker = place.launch().set("shards", "2").start();
    let fences = Fences::of(&worker);
    worker.client().deliver(&[at("v", 0, 10.005)]);
    worker.client().deliver(&[at("v", 1800, 10.005)]);

    // The hot window of 15 min begins at 12:15.
    let early = fences.expect(409, "PUT", "f?valid_from=2026-03-01T12:14:59.999Z", &sq());
    assert_eq!(early["code"], "behind_hot_window");
    assert!(early["message"].as_str().unwrap().contains("2026-03-01T12:15:00.000Z"), "{early}");
    assert!(fences.ids().is_empty(), "in no shard");

    fences.expect(201, "PUT", "f?valid_from=2026-03-01T12:31:00Z", &sq());
    let passed = fences.expect(409, "DELETE", "f?valid_from=2026-03-01T12:31:00Z", "");
    assert_eq!(passed["code"], "not_after_newest");
    // From now on, which is before that: it would do nothing yet.
    let now = fences.expect(409, "PUT", "g", &sq());
    assert_eq!(now["code"], "not_after_newest");
    assert!(now["message"].as_str().unwrap().contains("2026-03-01T12:31:00.001Z"), "{now}");
    worker.client().deliver(&[at("v", 1830, 10.005)]);
    worker.client().deliver(&[at("v", 1870, 10.005)]);
    stop(worker);
    assert_eq!(place.told(), ["12:31:00.000Z geofence_enter v f v1 fence_created"]);
}

#[test]
fn by_the_wall_clock_a_fence_counts_from_its_receipt() {
    let place = Place::new();
    let worker = place.launch().set("clock", "wall").start();
    let now = jiff::Timestamp::now();
    let time = format!("{now:.3}");
    worker.client().deliver(&[crate::support::ping("v", &time, 10.005, 50.005, "")]);
    let answer = Fences::of(&worker).put("f", &sq());
    let valid_from: jiff::Timestamp = answer["valid_from"].as_str().unwrap().parse().unwrap();
    assert!(valid_from >= now && valid_from <= jiff::Timestamp::now(), "{answer}");
    stop(worker);
    let enter = place.only("geofence_enter");
    assert_eq!(
        (&enter["event_time"], &enter["reason"]),
        (&answer["valid_from"], &json!("fence_created"))
    );
}
