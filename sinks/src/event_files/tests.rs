use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, GeofenceCross, GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, Id,
    IdleEnd, IdleStart, SourceRecovered, SourceStalled, StationaryEnd, StationaryStart,
    VehicleOffline, VehicleOnline,
};

use super::*;
use crate::schema::EVENTS;
use crate::testing::{DAY_MS, NOON_MS, batches, event, finish, segment, write_all};

async fn write(directory: &Path, events: Vec<FleetEvent>) {
    let mut sink = open(directory, 3, None, FileLimits::default()).unwrap();
    write_all(&mut sink, [Segment { events, ..segment(9, []) }]).await;
    finish(&mut sink).await;
}

/// Columns that every row fills.
fn filled_by_all() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        EVENTS.iter().filter(|column| !column.nullable).map(|column| column.name).collect();
    names.push("op");
    names
}

#[tokio::test]
async fn each_kind_fills_its_own_columns() {
    let source = || "http".to_owned();
    let visit = GeofenceVisit { enter_time_ms: 1, pings: 3, ..GeofenceVisit::default() };
    let cases: [(Detail, &[&str]); 13] = [
        (Detail::GeofenceEnter(GeofenceEnter {}), &[]),
        (Detail::GeofenceExit(GeofenceExit {}), &[]),
        (
            Detail::GeofenceCross(GeofenceCross { out_time_ms: 1, inside_m: 2.0 }),
            &["out_time", "inside_m"],
        ),
        (Detail::GeofenceDwell(GeofenceDwell { threshold_s: 300 }), &["threshold_s"]),
        (
            Detail::GeofenceVisit(visit),
            &["enter_time", "duration_s", "certain_s", "possible_s", "max_gap_s", "pings"],
        ),
        (Detail::StationaryStart(StationaryStart {}), &[]),
        (Detail::StationaryEnd(StationaryEnd { duration_s: 1.0 }), &["duration_s"]),
        (Detail::IdleStart(IdleStart {}), &[]),
        (Detail::IdleEnd(IdleEnd { duration_s: 1.0 }), &["duration_s"]),
        (Detail::VehicleOffline(VehicleOffline { threshold_s: 1.0 }), &["threshold_s"]),
        (Detail::VehicleOnline(VehicleOnline { silence_s: 1.0 }), &["silence_s"]),
        (Detail::SourceStalled(SourceStalled { source: source() }), &["source"]),
        (Detail::SourceRecovered(SourceRecovered { source: source() }), &["source"]),
    ];
    let directory = tempfile::tempdir().unwrap();
    let events = cases.iter().map(|(detail, _)| event(0xe, detail.clone())).collect();
    write(directory.path(), events).await;
    let batches = batches(directory.path());
    let (name, batch) = &batches[0];
    assert!(name.starts_with("dt=2016-11-25/shard-3-"), "{name}");
    assert_eq!(batch.num_rows(), cases.len());
    for (row, (detail, own)) in cases.iter().enumerate() {
        let kind = batch.column_by_name("kind").unwrap().as_string::<i32>().value(row);
        assert_eq!(kind, protos::event_json::kind(&event(0xe, detail.clone())));
        for (column, values) in EVENTS.iter().zip(batch.columns()) {
            let filled = own.contains(&column.name) || filled_by_all().contains(&column.name);
            assert_eq!(values.is_valid(row), filled, "{kind}.{}", column.name);
        }
    }
}

#[tokio::test]
async fn the_envelope_goes_out_whole() {
    let whole = FleetEvent {
        vehicle_id: "v".into(),
        fence_id: "f".into(),
        fence_version: 2,
        visit_id: Id::new(0xaa),
        episode_id: Id::new(0xbb),
        not_before_ms: 5,
        not_after_ms: 6,
        observed_at_ms: NOON_MS + DAY_MS,
        lat: Some(30.5),
        lon: Some(-97.25),
        distance_m: Some(-1.5),
        accuracy_m: Some(5.0),
        confidence: Some(0.5),
        reason: 1,
        late: true,
        replaces: Id::new(0xcc),
        ..event(0xe, Detail::GeofenceEnter(GeofenceEnter {}))
    };
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), vec![whole]).await;
    let batches = batches(directory.path());
    let batch = &batches[0].1;
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0);
    let names = ["op", "vehicle_id", "fence_id", "visit_id", "episode_id", "reason", "replaces"];
    let [visit, episode, replaces] = [0xaa, 0xbb, 0xcc].map(|id| Id::new(id).to_string());
    assert_eq!(names.map(text), ["assert", "v", "f", &visit, &episode, "crossed", &replaces]);
    assert_eq!(text("location"), "POINT(-97.25 30.5)");
    let time = |name: &str| {
        batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().value(0)
    };
    assert_eq!(
        ["event_time", "not_before", "not_after", "observed_at"].map(time),
        [NOON_MS * 1000, 5000, 6000, (NOON_MS + DAY_MS) * 1000]
    );
    let number =
        |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().value(0);
    assert_eq!(
        ["lat", "lon", "distance_m", "accuracy_m", "confidence"].map(number),
        [30.5, -97.25, -1.5, 5.0, 0.5]
    );
    assert!(batch.column_by_name("late").unwrap().as_boolean().value(0));
}

#[tokio::test]
async fn an_event_is_filed_near_its_observation() {
    let at = |event_time_ms: i64, observed_at_ms: i64| FleetEvent {
        event_time_ms,
        observed_at_ms,
        ..event(0xe, Detail::GeofenceExit(GeofenceExit {}))
    };
    let directory = tempfile::tempdir().unwrap();
    // The last has no observation: its segment's time, noon, counts.
    let events = vec![
        at(NOON_MS, NOON_MS),
        at(NOON_MS - 50 * DAY_MS, NOON_MS - 45 * DAY_MS),
        at(NOON_MS - 50 * DAY_MS, 0),
    ];
    write(directory.path(), events).await;
    let days: Vec<String> = batches(directory.path())
        .into_iter()
        .map(|(name, _)| name.split('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(days, ["dt=2016-10-06", "dt=2016-10-25", "dt=2016-11-25"]);
}
