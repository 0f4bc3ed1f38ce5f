//! What the tests of this crate share: pings, segments, and readers of files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use geofence::{FenceIds, LivePosition, Position, Status, TimeMs};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use prost::Message;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id};
use protos::journal::{
    DeadLetter, Disposition, Input, PingRun, Segment, SegmentKind, Supersedes, input,
};
use protos::telemetry::VehiclePing;

/// 2016-11-25T12:00:00Z.
pub(crate) const NOON_MS: i64 = 1_480_075_200_000;
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Any ping the wire can carry, sound or not.
pub(crate) fn any_ping() -> impl Strategy<Value = VehiclePing> {
    let number = || proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO);
    let text = || proptest::option::of("[a-zü]{0,9}");
    (
        ("[A-Za-z0-9.]{0,9}", text(), any::<Option<u64>>(), any::<i64>()),
        (any::<Option<bool>>(), -90.0..=90.0, -180.0..=180.0, number(), number(), number()),
        (number(), number(), number(), number(), number(), text(), text(), text()),
    )
        .prop_map(|(who, at, rest)| VehiclePing {
            vehicle_id: who.0,
            ping_id: who.1,
            seq: who.2,
            event_time_us: who.3,
            ignition: at.0,
            lat: at.1,
            lon: at.2,
            altitude_m: at.3,
            accuracy_m: at.4,
            speed_mps: at.5,
            heading_deg: rest.0,
            odometer_m: rest.1,
            engine_rpm: rest.2,
            fuel_percent: rest.3,
            battery_percent: rest.4,
            driver_id: rest.5,
            route_id: rest.6,
            trip_id: rest.7,
        })
}

/// A plain ping that `seq` tells from all others.
pub(crate) fn ping(seq: u64, event_time_ms: i64) -> VehiclePing {
    VehiclePing {
        vehicle_id: format!("bus-{}", seq % 7),
        seq: Some(seq),
        event_time_us: event_time_ms * 1000,
        lat: 30.0 + (seq % 1000) as f64 * 1e-5,
        lon: -97.0,
        speed_mps: Some(12.5),
        ..VehiclePing::default()
    }
}

/// A run of pings received at noon, one each millisecond.
pub(crate) fn run(pings: &[VehiclePing]) -> PingRun {
    let payloads: Vec<Vec<u8>> = pings.iter().map(Message::encode_to_vec).collect();
    PingRun {
        payload_lengths: payloads.iter().map(|payload| payload.len() as u32).collect(),
        payloads: payloads.concat().into(),
        receive_time_ms: NOON_MS,
        receive_time_deltas: vec![1; pings.len().saturating_sub(1)],
        dispositions: vec![Disposition::OnTime.into(); pings.len()],
        ..PingRun::default()
    }
}

/// [`run`] with what only some sources and pings have.
pub(crate) fn run_with_extras(pings: &[VehiclePing]) -> PingRun {
    PingRun {
        message_ids: (0..pings.len()).map(|index| format!("m{index}")).collect(),
        supersedes: vec![Supersedes { index: 0, identity: "0f".repeat(16) }],
        ..run(pings)
    }
}

/// A segment of shard 3.
pub(crate) fn segment(seq: u64, runs: impl IntoIterator<Item = PingRun>) -> Segment {
    let inputs =
        runs.into_iter().map(|run| Input { input: Some(input::Input::Pings(run)) }).collect();
    Segment {
        journal_id: "j".into(),
        shard: 3,
        seq,
        kind: SegmentKind::Data.into(),
        now_ms: NOON_MS,
        inputs,
        ..Segment::default()
    }
}

/// A segment with `pings` pings spread over `days` days, numbered through from
/// `seq` thousands.
pub(crate) fn segment_of_days(seq: u64, pings: u64, days: u64) -> Segment {
    let pings: Vec<VehiclePing> = (0..pings)
        .map(|index| {
            let day = (seq + index) % days.max(1);
            ping(seq * 1000 + index, NOON_MS - day as i64 * DAY_MS)
        })
        .collect();
    segment(seq, (!pings.is_empty()).then(|| run(&pings)))
}

/// An event of `detail` at noon.
pub(crate) fn event(event_id: u128, detail: Detail) -> FleetEvent {
    FleetEvent {
        event_id: Id::new(event_id),
        op: 1,
        revision: 9,
        event_time_ms: NOON_MS,
        schema_version: 1,
        detail: Some(detail),
        ..FleetEvent::default()
    }
}

/// A dead letter of these bytes.
pub(crate) fn dead_letter(payload: &[u8]) -> DeadLetter {
    DeadLetter {
        reason: "undecodable".into(),
        detail: "not a VehiclePing".into(),
        source: "http".into(),
        source_message_id: "0f".into(),
        receive_time_ms: NOON_MS,
        payload: payload.to_vec().into(),
        content_type: "application/x-protobuf".into(),
    }
}

/// A position measured at noon.
pub(crate) fn live_position(vehicle_id: &str, lat: f64, lon: f64, seq: u64) -> LivePosition {
    LivePosition {
        vehicle_id: vehicle_id.into(),
        event_time: TimeMs(NOON_MS),
        position: Position::from_degrees(lat, lon).unwrap(),
        accuracy_m: None,
        heading_deg: None,
        speed_mps: None,
        status: Status::Moving,
        fences: FenceIds::default(),
        seq,
    }
}

/// Whether readers of a table see this file.
fn is_published(name: &str) -> bool {
    !name.starts_with(['.', '_']) && name.ends_with(".parquet")
}

/// Every file under `root` as `partition/name`, with its bytes.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for partition in fs::read_dir(root).unwrap().map(Result::unwrap) {
        for file in fs::read_dir(partition.path()).unwrap().map(Result::unwrap) {
            let name =
                [partition.file_name(), file.file_name()].map(|it| it.into_string().unwrap());
            found.insert(name.join("/"), fs::read(file.path()).unwrap());
        }
    }
    found
}

/// Names of the published files under `root`.
pub(crate) fn published(root: &Path) -> Vec<String> {
    let names = files(root).into_keys();
    names.filter(|name| is_published(name.split_once('/').unwrap().1)).collect()
}

/// The rows of every published file under `root`, by file.
pub(crate) fn batches(root: &Path) -> Vec<(String, RecordBatch)> {
    let mut batches = Vec::new();
    for name in published(root) {
        let file = File::open(root.join(&name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        batches.extend(reader.map(|batch| (name.clone(), batch.unwrap())));
    }
    batches
}

/// The values of a column of integers in every published file under `root`.
pub(crate) fn integers(root: &Path, column: &str) -> Vec<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    batches(root)
        .iter()
        .flat_map(|(_, batch)| {
            let values = batch.column_by_name(column).unwrap();
            values.as_primitive::<Int64Type>().values().to_vec()
        })
        .collect()
}

/// Runs `sink` over `segments`.
pub(crate) async fn write_all(
    sink: &mut dyn crate::Sink,
    segments: impl IntoIterator<Item = Segment>,
) {
    for segment in segments {
        sink.write(Arc::new(segment)).await.unwrap();
    }
}

/// Flushes for good and records every cursor, as an orderly end does; returns
/// the last.
pub(crate) async fn finish(sink: &mut dyn crate::Sink) -> protos::journal::Cursor {
    let mut cursor = sink.flush(crate::Flush::Final).await.unwrap();
    while let Some(next) = sink.recorded(&cursor).await.unwrap() {
        cursor = next;
    }
    cursor
}
