//! Positions, fences, health, metrics, and what is not there.

use std::time::{Duration, Instant};

use engine::intake::PauseReason;
use geofence::{LivePosition, Position, Status, TimeMs};
use serde_json::json;

use crate::client::{ask, get};
use crate::world::World;

fn live(vehicle_id: &str, lat: f64, lon: f64) -> LivePosition {
    LivePosition {
        vehicle_id: vehicle_id.into(),
        event_time: TimeMs(1_480_075_200_000),
        position: Position::from_degrees(lat, lon).unwrap(),
        accuracy_m: None,
        heading_deg: Some(90.0),
        speed_mps: Some(12.5),
        status: Status::Moving,
        fences: ["austin-downtown"].into_iter().collect(),
        seq: 17,
    }
}

#[tokio::test]
async fn one_position_has_every_field() {
    let world = World::new().await;
    world.positions.update([live("bus:1", 30.25, -97.75)]);
    let answer = get(world.address, "/v1/positions/bus:1").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "vehicle_id": "bus:1", "event_time": "2016-11-25T12:00:00.000Z",
        "lat": 30.25, "lon": -97.75, "heading_deg": 90.0, "speed_mps": 12.5,
        "status": "moving", "fences": ["austin-downtown"], "seq": 17,
    });
    assert_eq!(answer.json(), expected);
    let missing = get(world.address, "/v1/positions/bus%3A2").await;
    assert_eq!((missing.status, missing.code()), (404, "vehicle_unknown".into()));
}

#[tokio::test]
async fn the_list_is_sorted_narrowed_and_limited() {
    let world = World::new().await;
    for (id, lat, lon) in [("c", 1.0, 1.0), ("a", 2.0, 2.0), ("b", -17.0, 179.99), ("d", 1.5, 1.5)]
    {
        world.positions.update([live(id, lat, lon)]);
    }
    let list = async |query: &str| {
        let answer = get(world.address, &format!("/v1/positions{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let json = answer.json();
        let ids = json.as_array().unwrap().iter().map(|p| p["vehicle_id"].as_str().unwrap());
        let total: usize = answer.header("x-total-count").unwrap().parse().unwrap();
        (ids.collect::<String>(), total)
    };
    assert_eq!(list("").await, ("abcd".into(), 4));
    assert_eq!(list("?limit=2").await, ("ab".into(), 4));
    assert_eq!(list("?bbox=1,1,2,2").await, ("acd".into(), 3));
    assert_eq!(list("?bbox=1,1,2,2&limit=1").await, ("a".into(), 3));
    assert_eq!(list("?bbox=179,-18,-179,-16").await, ("b".into(), 1));
    let bad = [
        ("?bbox=1,2,3", "bbox_unreadable"),
        ("?limit=100001", "limit_out_of_range"),
        ("?limit=many", "query_unreadable"),
        ("?bbbox=1,1,2,2", "query_unreadable"),
    ];
    for (query, code) in bad {
        let answer = get(world.address, &format!("/v1/positions{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{query}");
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::new().await;
    world.positions.update([live("a", 1.0, 1.0)]);
    for path in ["/v1/positions", "/v1/positions/a", "/v1/fences", "/", "/map.js"] {
        let first = get(world.address, path).await;
        assert_eq!(first.header("cache-control"), Some("no-cache"), "{path}");
        let tag = first.header("etag").expect("tagged").to_owned();
        let known = format!("\"other\", {tag}");
        let line = format!("GET {path}");
        let again = ask(world.address, &line, &[("if-none-match", &known)], b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    let tag = get(world.address, "/v1/positions").await.header("etag").unwrap().to_owned();
    world.positions.update([live("a", 1.0, 1.000_000_1)]);
    let headers = [("if-none-match", tag.as_str())];
    assert_eq!(ask(world.address, "GET /v1/positions", &headers, b"").await.status, 200);
}

#[tokio::test]
async fn fences_are_the_current_set() {
    let world = World::new().await;
    for set in ["{\"features\":[]}", "{\"features\":[1]}"] {
        world.fences.send_replace(set.into());
        let answer = get(world.address, "/v1/fences").await;
        assert_eq!(answer.header("content-type"), Some("application/geo+json"));
        assert_eq!(answer.body, set.as_bytes());
    }
    // Not narrowed: what is asked for in vain is told.
    let narrowed = get(world.address, "/v1/fences?bbox=1,1,2,2").await;
    assert_eq!((narrowed.status, narrowed.code().as_str()), (400, "query_unreadable"));
}

#[tokio::test]
async fn readiness_names_every_reason() {
    let world = World::new().await;
    let ready = get(world.address, "/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({"ready": true, "reasons": []})));

    let long_ago = Instant::now().checked_sub(Duration::from_secs(31)).expect("up for longer");
    world.health.commit_awaited(0, long_ago);
    world.intake.pause(PauseReason::DiskNearlyFull);
    let unready = get(world.address, "/readyz").await;
    assert_eq!(unready.status, 503);
    let json = unready.json();
    assert_eq!(json["ready"], false);
    let codes: Vec<&str> =
        json["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["commit_overdue", "disk_nearly_full"]);
    assert_eq!(get(world.address, "/livez").await.status, 200, "alive all the same");

    world.health.committed(0, None);
    world.intake.resume(PauseReason::DiskNearlyFull);
    assert_eq!(get(world.address, "/readyz").await.status, 200);
    world.intake.pause(PauseReason::Draining);
    assert_eq!(get(world.address, "/readyz").await.json()["reasons"][0]["code"], "draining");
}

#[tokio::test]
async fn metrics_are_text() {
    let world = World::new().await;
    let answer = get(world.address, "/metrics").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"fleetstream_test 1\n"[..]));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn what_is_not_there_says_so_in_json() {
    let world = World::new().await;
    for path in ["/v1/ping", "/favicon.ico", "/v1/positions/a/b"] {
        let answer = get(world.address, path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found".into()), "{path}");
    }
    for line in ["GET /v1/pings", "DELETE /v1/positions/a", "POST /readyz"] {
        let answer = ask(world.address, line, &[], b"").await;
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed".into()), "{line}");
        assert!(answer.header("allow").is_some(), "{line}");
    }
}
