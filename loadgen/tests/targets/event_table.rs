//! A table of events as a target writes it beside its event stream, and one that
//! says something else.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use loadgen::run::{Kept, RunDirectory, run, verify};
use loadgen::truth::Names;
use loadgen::verdict::{Part, Report};
use parquet::arrow::ArrowWriter;
use protos::event_json::{Rendering, push_event};
use protos::events::FleetEvent;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::judged::plan;
use crate::support::{FakeEngine, Faults, messages_of, world};

const TEXTS: [&str; 11] = [
    "event_id",
    "op",
    "kind",
    "vehicle_id",
    "fence_id",
    "visit_id",
    "episode_id",
    "reason",
    "replaces",
    "source",
    "location",
];
const TIMES: [&str; 6] =
    ["event_time", "not_before", "not_after", "observed_at", "enter_time", "out_time"];
const NUMBERS: [&str; 12] = [
    "lat",
    "lon",
    "distance_m",
    "accuracy_m",
    "confidence",
    "duration_s",
    "certain_s",
    "possible_s",
    "max_gap_s",
    "inside_m",
    "threshold_s",
    "silence_s",
];
const INTEGERS: [&str; 6] =
    ["revision", "fence_version", "schema_version", "pings", "shard", "journal_seq"];

/// A row by its columns.
type Row = HashMap<String, Value>;

fn row(event: &FleetEvent) -> Row {
    let mut json = Vec::new();
    push_event(&mut json, event, Rendering::Full);
    let mut row: Row = serde_json::from_slice(&json).expect("an object");
    row.insert("shard".into(), json!(0));
    row.insert("journal_seq".into(), json!(event.revision));
    if let Some((lat, lon)) = event.lat.zip(event.lon) {
        row.insert("location".into(), json!(format!("POINT({lon} {lat})")));
    }
    row
}

fn write(data_dir: &Path, rows: &[Row]) {
    let directory = data_dir.join("events/dt=2026-01-05");
    std::fs::create_dir_all(&directory).expect("a writable directory");
    let of = |name: &'static str| rows.iter().map(move |row| row.get(name));
    let time = |value: &Value| -> i64 {
        let time = value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
        time.as_microsecond()
    };
    let days = of("event_time").map(|it| it.map(|it| time(it).div_euclid(86_400_000_000) as i32));
    let flags = of("late").map(|it| it.and_then(Value::as_bool));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("day", Arc::new(Date32Array::from_iter(days))),
        ("late", Arc::new(BooleanArray::from_iter(flags))),
    ];
    for name in TEXTS {
        let texts = of(name).map(|it| it.and_then(Value::as_str));
        columns.push((name, Arc::new(StringArray::from_iter(texts))));
    }
    for name in TIMES {
        let times = of(name).map(|it| it.map(time));
        columns.push((name, Arc::new(TimestampMicrosecondArray::from_iter(times))));
    }
    for name in NUMBERS {
        let numbers = of(name).map(|it| it.and_then(Value::as_f64));
        columns.push((name, Arc::new(Float64Array::from_iter(numbers))));
    }
    for name in INTEGERS {
        let integers = of(name).map(|it| it.and_then(Value::as_i64));
        columns.push((name, Arc::new(Int64Array::from_iter(integers))));
    }
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(directory.join("part.parquet")).expect("a writable file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("room on the disk");
    writer.close().expect("room on the disk");
}

/// Runs against a perfect engine that streams its events, and verifies with these
/// changes made to the rows of its table.
async fn judged(alter: impl FnOnce(&mut Vec<Row>)) -> Report {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start_ms = jiff::Timestamp::now().as_millisecond() + 500;
    let names = Names { start_ms, prefix: "t-".into() };
    let engine = FakeEngine::new(&world(300, 3), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    run(plan(world(300, 3), directory.path(), &names, &address)).await.expect("a run");
    stop.cancel();
    serving.await.expect("the server does not panic");
    let told = messages_of(&world(300, 3), &names, Faults::default());
    let mut rows: Vec<Row> = told.iter().map(row).collect();
    alter(&mut rows);
    let data_dir = directory.path().join("data");
    std::fs::create_dir_all(data_dir.join("pings")).expect("a writable directory");
    write(&data_dir, &rows);
    let kept = Kept { data_dir: Some(&data_dir), events: None };
    verify(&RunDirectory::open(directory.path()), kept, true).expect("everything is there")
}

fn is_event_table_wrong(report: &Report) -> bool {
    report.checks.iter().any(|check| check.name == "event_rows_wrong" && !check.holds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_says_what_was_told_is_right() {
    // Another fleet's rows are none of the run.
    let report = judged(|rows| {
        let other = Row::from([("vehicle_id".to_owned(), json!("x-v0000001"))]);
        rows.push(rows[0].clone().into_iter().chain(other).collect());
    })
    .await;
    let rows = report.event_rows.as_ref().expect("it was looked at");
    let told = report.events.as_ref().expect("events").operations;
    assert!(told > 20 && rows.rows == told, "{rows:?}");
    assert_eq!((rows.wrong(), rows.examples.len()), (0, 0), "{rows:?}");
    assert!(!is_event_table_wrong(&report) && report.from_files.contains(&Part::EventTable));
}

#[rstest]
#[case::kind("kind", json!("geofence_exit_"))]
#[case::fence("fence_id", json!("elsewhere"))]
#[case::time("event_time", json!("2099-01-05T06:00:00.001Z"))]
#[case::interval("not_after", Value::Null)]
#[case::place("lat", json!(48.5))]
#[case::late("late", json!(true))]
#[case::of_another_kind("inside_m", json!(5.0))]
#[case::segment("journal_seq", json!(2))]
#[case::place_as_text("location", json!("POINT(1 2)"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_another_value_fails_by_that_column(
    #[case] column: &str,
    #[case] value: Value,
) {
    let mut id = Value::Null;
    let report = judged(|rows| {
        id = rows[3]["event_id"].clone();
        match value {
            Value::Null => drop(rows[3].remove(column)),
            value => drop(rows[3].insert(column.to_owned(), value)),
        }
    })
    .await;
    let rows = report.event_rows.as_ref().expect("it was looked at");
    let counts = (rows.missing, rows.doubled, rows.strangers, rows.altered);
    assert_eq!(counts, (0, 0, 0, 1), "{rows:?}");
    let [example] = &rows.examples[..] else { panic!("{rows:?}") };
    assert!(example.contains(&format!("event {} revision 1: ", id.as_str().expect("an id"))));
    assert!(example.contains(&format!("{column} must be ")), "{example}");
    assert!(is_event_table_wrong(&report) && !report.pass);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_not_there_or_twice_or_of_nothing_are_told_apart() {
    let report = judged(|rows| {
        rows[1] = rows[0].clone();
        rows[2].insert("event_id".into(), json!(format!("{:032x}", u128::MAX)));
    })
    .await;
    let rows = report.event_rows.as_ref().expect("it was looked at");
    let counts = (rows.missing, rows.doubled, rows.strangers, rows.altered);
    assert_eq!(counts, (2, 1, 1, 0), "{rows:?}");
    assert_eq!(rows.examples.len(), 4, "{rows:?}");
    assert!(is_event_table_wrong(&report) && !report.pass);
}
