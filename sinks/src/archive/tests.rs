use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use protos::telemetry::VehiclePing;

use super::*;
use crate::schema::PINGS;
use crate::testing::{
    DAY_MS, NOON_MS, any_ping, batches, finish, ping, published, run, run_with_extras, segment,
    write_all,
};

async fn archive(directory: &Path, segments: impl IntoIterator<Item = Segment>) {
    let mut sink = open(directory, 3, None, FileLimits::default()).unwrap();
    write_all(&mut sink, segments).await;
    let cursor = finish(&mut sink).await;
    assert_eq!(cursor.pending_through_seq, None);
}

/// A cell as text; `-` when null.
fn cell(column: &ArrayRef, row: usize) -> String {
    use arrow_schema::DataType;
    if column.is_null(row) {
        return "-".into();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => {
            column.as_primitive::<TimestampMicrosecondType>().value(row).to_string()
        }
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row).to_string(),
        other => panic!("unexpected type {other}"),
    }
}

fn rows(batch: &RecordBatch) -> Vec<Vec<(&'static str, String)>> {
    (0..batch.num_rows())
        .map(|row| {
            let name = |index: usize| PINGS[index].name;
            batch.columns().iter().enumerate().map(|(i, it)| (name(i), cell(it, row))).collect()
        })
        .collect()
}

#[tokio::test]
async fn a_row_says_all_that_the_ping_said_and_what_became_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let whole = VehiclePing {
        vehicle_id: "bus-7".into(),
        ping_id: Some("p1".into()),
        seq: Some(u64::MAX),
        event_time_us: NOON_MS * 1000 + 7,
        lat: 30.267_200_04,
        lon: -97.743_106_05,
        altitude_m: Some(150.5),
        accuracy_m: Some(5.0),
        speed_mps: Some(12.5),
        heading_deg: Some(359.5),
        odometer_m: Some(1e6),
        ignition: Some(true),
        engine_rpm: Some(900.0),
        fuel_percent: Some(55.5),
        battery_percent: Some(99.0),
        driver_id: Some("d".into()),
        route_id: Some("r".into()),
        trip_id: Some("t".into()),
    };
    archive(directory.path(), [segment(41, [run_with_extras(&[whole])])]).await;
    let batches = batches(directory.path());
    assert_eq!(batches.len(), 1);
    let expected = [
        ("vehicle_id", "bus-7"),
        ("ping_id", "p1"),
        ("seq", "9223372036854775807"),
        ("event_time", "1480075200000007"),
        ("lat", "30.2672"),
        ("lon", "-97.7431061"),
        ("altitude_m", "150.5"),
        ("accuracy_m", "5"),
        ("speed_mps", "12.5"),
        ("heading_deg", "359.5"),
        ("odometer_m", "1000000"),
        ("ignition", "true"),
        ("engine_rpm", "900"),
        ("fuel_percent", "55.5"),
        ("battery_percent", "99"),
        ("driver_id", "d"),
        ("route_id", "r"),
        ("trip_id", "t"),
        ("location", "POINT(-97.7431061 30.2672)"),
        ("receive_time", "1480075200000000"),
        ("message_id", "m0"),
        ("disposition", "on_time"),
        ("supersedes", "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"),
        ("shard", "3"),
        ("journal_seq", "41"),
        ("day", "17130"),
    ];
    assert_eq!(rows(&batches[0].1), [expected.map(|(name, value)| (name, value.to_owned()))]);
}

#[tokio::test]
async fn what_a_ping_lacks_is_null_and_so_is_a_devices_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let bare = VehiclePing {
        vehicle_id: "v".into(),
        event_time_us: NOON_MS * 1000,
        speed_mps: Some(114.0),
        heading_deg: Some(511.0),
        accuracy_m: Some(0.0),
        ..VehiclePing::default()
    };
    archive(directory.path(), [segment(1, [run(&[bare])])]).await;
    let batches = batches(directory.path());
    let nulls: Vec<&str> = rows(&batches[0].1)[0]
        .iter()
        .filter_map(|(name, value)| (value == "-").then_some(*name))
        .collect();
    let nullable: Vec<&str> =
        PINGS.iter().filter(|column| column.nullable).map(|column| column.name).collect();
    assert_eq!(nulls, nullable);
}

#[tokio::test]
async fn rows_lie_in_the_partition_of_their_day() {
    let directory = tempfile::tempdir().unwrap();
    let days_ago = |days: i64| NOON_MS - days * DAY_MS;
    let pings = [0_i64, 1, 40, -5, 7168].map(|days| ping(days.unsigned_abs(), days_ago(days)));
    archive(directory.path(), [segment(1, [run(&pings)])]).await;
    let found: Vec<(String, usize)> = batches(directory.path())
        .into_iter()
        .map(|(name, batch)| (name.split('/').next().unwrap().to_owned(), batch.num_rows()))
        .collect();
    let expected = [("2016-10-25", 2), ("2016-11-24", 1), ("2016-11-25", 1), ("2016-11-26", 1)];
    assert_eq!(found, expected.map(|(day, rows)| (format!("dt={day}"), rows)));
}

/// A trace whose times are in another unit than its columns say.
#[tokio::test]
async fn rows_of_years_that_no_table_has_share_a_partition() {
    let directory = tempfile::tempdir().unwrap();
    let years = [-9_000, -1, 11_000, 12_000, 50_000];
    let runs = years.map(|year: i64| {
        let received = (year - 1970) * 365 * DAY_MS;
        protos::journal::PingRun { receive_time_ms: received, ..run(&[ping(1, received)]) }
    });
    archive(directory.path(), [segment(1, runs)]).await;
    let found: Vec<(String, usize)> = batches(directory.path())
        .into_iter()
        .map(|(name, batch)| (name.split('/').next().unwrap().to_owned(), batch.num_rows()))
        .collect();
    let expected = [("0001-01-01", 2), ("9999-12-31", 3)];
    assert_eq!(found, expected.map(|(day, rows)| (format!("dt={day}"), rows)));
}

#[tokio::test]
async fn columns_carry_their_descriptions_and_units() {
    let directory = tempfile::tempdir().unwrap();
    archive(directory.path(), [segment(1, [run(&[ping(1, NOON_MS)])])]).await;
    let file = std::fs::File::open(directory.path().join(&published(directory.path())[0])).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    for (field, column) in reader.schema().fields().iter().zip(PINGS) {
        assert_eq!(field.name(), column.name);
        assert_eq!(field.is_nullable(), column.nullable);
        assert_eq!(field.metadata()["description"], column.description);
        assert_eq!(field.metadata().get("unit").map_or("", String::as_str), column.unit);
    }
    assert_eq!(reader.schema().fields().len(), PINGS.len());
}

#[tokio::test]
async fn a_segment_that_contradicts_itself_stops_the_archive() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = open(directory.path(), 3, None, FileLimits::default()).unwrap();
    let mut damaged = run(&[ping(1, NOON_MS), ping(2, NOON_MS)]);
    let mut payloads = damaged.payloads.to_vec();
    let last = damaged.payload_lengths[0] as usize;
    payloads[last] = 0xff;
    damaged.payloads = payloads.into();
    let damaged = Arc::new(segment(1, [damaged]));
    let error = sink.write(Arc::clone(&damaged)).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    // Its first ping was taken: going on would publish half a segment, or
    // double it.
    assert!(matches!(sink.write(damaged).await, Err(SinkError::Stopped { .. })));
    assert!(matches!(sink.flush(crate::Flush::Final).await, Err(SinkError::Stopped { .. })));
    assert_eq!(published(directory.path()), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_same_segments_give_the_same_rows(
        pings in prop::collection::vec(any_ping(), 0..40),
        cuts in prop::collection::vec(1..9_usize, 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut rest = &pings[..];
        let mut segments = Vec::new();
        for (index, cut) in cuts.into_iter().enumerate() {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            rest = tail;
            segments.push(segment(index as u64 + 1, [run(head)]));
        }
        let directories = [0, 1].map(|_| tempfile::tempdir().unwrap());
        for directory in &directories {
            runtime.block_on(archive(directory.path(), segments.clone()));
        }
        let [once, again] = directories.map(|directory| {
            crate::testing::files(directory.path())
        });
        prop_assert_eq!(once, again);
    }
}
