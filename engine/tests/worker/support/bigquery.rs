//! BigQuery, which a stand-in plays, and what is in its tables.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use local_cloud::bigquery::{Options, Standin};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Launch;
use super::outputs::Archived;

/// The one dataset.
pub(crate) const DATASET: &str = "projects/p/datasets/fleet";

/// A stand-in with an empty dataset.
pub(crate) struct Bigquery {
    pub(crate) standin: Standin,
    /// Outlives it.
    _runtime: Runtime,
}

impl Bigquery {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let standin = runtime.block_on(Standin::start(Options::default())).expect("it starts");
        standin.create_dataset("p", "fleet").expect("it is new");
        Self { standin, _runtime: runtime }
    }

    pub(crate) fn with_addresses(&self, launch: Launch) -> Launch {
        launch
            .env("BIGQUERY_STORAGE_ENDPOINT", &self.standin.storage_endpoint())
            .env("BIGQUERY_REST_ENDPOINT", &self.standin.rest_endpoint())
    }

    /// `fleetstream bigquery ensure`: its exit code and its answer.
    pub(crate) fn ensure(&self, more: &[&str]) -> (Option<i32>, Value) {
        let arguments = ["bigquery", "ensure", "--dataset", DATASET, "--format", "json"];
        let launch = self.with_addresses(Launch::of(&[&arguments, more].concat()));
        let output = launch.output();
        let answer = serde_json::from_slice(&output.stdout);
        (output.status.code(), answer.unwrap_or(Value::Null))
    }

    fn rows(&self, table: &str) -> Vec<RecordBatch> {
        self.standin.rows(&format!("fleet.{table}")).expect("it is there")
    }

    /// As [`Outputs::archive`](super::Outputs::archive).
    pub(crate) fn pings(&self) -> Vec<Archived> {
        let mut pings = Vec::new();
        for batch in self.rows("pings") {
            let text = |name: &str| batch.column_by_name(name).expect(name).as_string::<i32>();
            let times = batch.column_by_name("event_time").expect("event_time");
            let times = times.as_primitive::<TimestampMicrosecondType>();
            pings.extend((0..batch.num_rows()).map(|row| Archived {
                ping_id: text("ping_id").value(row).to_owned(),
                vehicle_id: text("vehicle_id").value(row).to_owned(),
                event_time_us: times.value(row),
                disposition: text("disposition").value(row).to_owned(),
            }));
        }
        pings.sort();
        pings
    }

    /// As [`Outputs::event_files`](super::Outputs::event_files).
    pub(crate) fn events(&self) -> Vec<(String, i64)> {
        let mut events = Vec::new();
        for batch in self.rows("events") {
            let ids = batch.column_by_name("event_id").expect("event_id").as_string::<i32>();
            let revisions = batch.column_by_name("revision").expect("revision");
            let revisions = revisions.as_primitive::<Int64Type>();
            let event = |row| (ids.value(row).to_owned(), revisions.value(row));
            events.extend((0..batch.num_rows()).map(event));
        }
        events.sort();
        events
    }
}
