//! What a worker left in its data directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

/// Reads the outputs of a data directory.
pub(crate) struct Outputs(PathBuf);

/// One row of the archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Archived {
    pub(crate) ping_id: String,
    pub(crate) vehicle_id: String,
    pub(crate) event_time_us: i64,
    pub(crate) disposition: String,
}

impl Outputs {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self(data_dir.to_owned())
    }

    /// Every operation, by shard, in order.
    pub(crate) fn event_log(&self) -> Vec<Value> {
        self.lines("event_log")
    }

    /// Every refused input, by shard, in order.
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        self.lines("dead_letters")
    }

    /// Event time and line of each vehicle's newest position.
    pub(crate) fn positions(&self) -> BTreeMap<String, Value> {
        let text = fs::read_to_string(self.0.join("positions.ndjson")).expect("positions");
        let position = |line: &str| {
            let value: Value = serde_json::from_str(line).expect("JSON");
            (value["vehicle_id"].as_str().expect("a vehicle").to_owned(), value)
        };
        text.lines().map(position).collect()
    }

    /// Every archived ping, sorted.
    pub(crate) fn archive(&self) -> Vec<Archived> {
        let mut rows = Vec::new();
        for path in parquet_files(&self.0.join("pings")) {
            let file = File::open(&path).expect("readable");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
            for batch in reader.build().expect("a reader") {
                let batch = batch.expect("readable rows");
                let text = |name: &str| batch.column_by_name(name).expect(name).as_string::<i32>();
                let (ids, vehicles) = (text("ping_id"), text("vehicle_id"));
                let dispositions = text("disposition");
                let times = batch.column_by_name("event_time").expect("event_time");
                let times = times.as_primitive::<TimestampMicrosecondType>();
                rows.extend((0..batch.num_rows()).map(|row| Archived {
                    ping_id: ids.value(row).to_owned(),
                    vehicle_id: vehicles.value(row).to_owned(),
                    event_time_us: times.value(row),
                    disposition: dispositions.value(row).to_owned(),
                }));
            }
        }
        rows.sort();
        rows
    }

    /// Event id and revision of every row of the Parquet files of events,
    /// sorted.
    pub(crate) fn event_files(&self) -> Vec<(String, i64)> {
        let mut rows = Vec::new();
        for path in parquet_files(&self.0.join("events")) {
            let file = File::open(&path).expect("readable");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
            for batch in reader.build().expect("a reader") {
                let batch = batch.expect("readable rows");
                let ids = batch.column_by_name("event_id").expect("event_id").as_string::<i32>();
                let revisions = batch.column_by_name("revision").expect("revision");
                let revisions = revisions.as_primitive::<Int64Type>();
                rows.extend(
                    (0..batch.num_rows())
                        .map(|row| (ids.value(row).to_owned(), revisions.value(row))),
                );
            }
        }
        rows.sort();
        rows
    }

    /// The lines of every shard's file.
    ///
    /// # Panics
    /// If a line is no JSON: a file that is read while its worker lives may
    /// end in the middle of one.
    fn lines(&self, directory: &str) -> Vec<Value> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.0.join(directory))
            .expect("the directory is there")
            .map(|entry| entry.expect("readable").path())
            .collect();
        paths.sort();
        let texts = paths.iter().map(|path| fs::read_to_string(path).expect("readable"));
        let parse = |line: &str| serde_json::from_str(line).expect("a line is one JSON object");
        texts.flat_map(|text| text.lines().map(parse).collect::<Vec<Value>>()).collect()
    }
}

fn parquet_files(directory: &Path) -> BTreeSet<PathBuf> {
    let days = fs::read_dir(directory).expect("the directory is there");
    let days = days.map(|day| day.expect("readable").path()).filter(|path| path.is_dir());
    days.flat_map(|day| fs::read_dir(day).expect("readable"))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect()
}

/// Folds operations: per id the highest revision counts, a retract hides, and
/// what tells how an event was learnt is left out.
///
/// # Panics
/// If an id has two operations of one revision.
pub(crate) fn fold(operations: &[Value]) -> BTreeMap<String, Map<String, Value>> {
    let mut newest: BTreeMap<String, &Value> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for operation in operations {
        let id = operation["event_id"].as_str().expect("an id").to_owned();
        let revision = operation["revision"].as_u64().expect("a revision");
        assert!(seen.insert((id.clone(), revision)), "twice in the log: {operation}");
        let known = newest.entry(id).or_insert(operation);
        if known["revision"].as_u64() < Some(revision) {
            *known = operation;
        }
    }
    let shown = newest.into_iter().filter(|(_, operation)| operation["op"] != "retract");
    shown
        .map(|(id, operation)| {
            let mut event = operation.as_object().expect("an object").clone();
            for how in ["op", "revision", "observed_at", "late", "replaces"] {
                event.remove(how);
            }
            (id, event)
        })
        .collect()
}
