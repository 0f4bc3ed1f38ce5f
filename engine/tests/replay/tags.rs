//! Fences that open and close, and concern some vehicles only, in a replay.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{fleetstream, replay_well};

/// A yard for vans, open from eight to six in Berlin.
fn yard() -> String {
    json!({
        "type": "Feature",
        "id": "yard",
        "properties": {
            "radius_m": 500,
            "tags": ["van"],
            "schedule": {"zone": "Europe/Berlin", "week": {"mon-sun": ["08:00-18:00"]}},
        },
        "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
    })
    .to_string()
}

/// Two vehicles in the yard all day long, when the clocks go forward.
fn pings() -> String {
    let mut csv = String::from("vehicle_id,event_time,lat,lon\n");
    for minute in (0..24 * 60).step_by(10) {
        for vehicle in ["bus", "van"] {
            let (hour, minute) = (minute / 60, minute % 60);
            csv.push_str(&format!("{vehicle},2026-03-29T{hour:02}:{minute:02}:00Z,50,10\n"));
        }
    }
    csv
}

#[test]
fn a_day_of_a_yard_for_vans() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("pings.csv"), pings()).expect("writable");
    fs::write(path("yard.json"), yard()).expect("writable");
    fs::write(path("tags.json"), r#"{"van": ["van"], "bus": ["bus"]}"#).expect("writable");
    let tags = path("tags.json");
    let told = |more: &[&str]| {
        let mut options = vec!["--vehicle-tags", tags.to_str().expect("a path of text")];
        options.extend(more);
        let replayed = replay_well(&[&path("pings.csv")], &path("yard.json"), &options);
        let log = fs::read_to_string(replayed.out().join("events.ndjson")).expect("events");
        let events = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let of_fence = events.filter(|event: &Value| event["fence_id"].is_string());
        of_fence
            .filter(|event| event["kind"] != "geofence_dwell")
            .map(|event| {
                ["event_time", "kind", "vehicle_id", "reason"]
                    .map(|key| event[key].as_str().unwrap_or("-").to_owned())
                    .join(" ")
            })
            .collect::<Vec<String>>()
    };
    let wanted = [
        "2026-03-29T06:00:00.000Z geofence_enter van schedule_opened",
        "2026-03-29T16:00:00.000Z geofence_exit van schedule_closed",
        "2026-03-29T16:00:00.000Z geofence_visit van schedule_closed",
    ];
    assert_eq!(told(&[]), wanted);
    let disturbed = ["--shuffle-seconds", "600", "--seed", "3", "--duplicate", "0.05"];
    assert_eq!(told(&disturbed), wanted);
    assert_eq!(told(&["--shards", "3"]), wanted);
}

#[test]
fn tags_that_cannot_be_used_are_refused() {
    let folder = TempDir::new().expect("a temporary directory");
    fs::write(folder.path().join("pings.csv"), pings()).expect("writable");
    fs::write(folder.path().join("yard.json"), yard()).expect("writable");
    fs::write(folder.path().join("tags.json"), r#"["van"]"#).expect("writable");
    let arguments =
        "replay --pings pings.csv --fences yard.json --out out --vehicle-tags tags.json";
    let output = fleetstream(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(told.contains("tags.json: an object from vehicle ids to lists of tags"), "{told}");
}
