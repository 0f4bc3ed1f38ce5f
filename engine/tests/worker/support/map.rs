//! Live positions in Firestore, which Google's emulator plays.

use std::collections::BTreeMap;

use jiff::Timestamp;
use local_cloud::FirestoreEmulator;
use serde_json::Value;

use super::{Launch, wait_for};

pub(crate) const DATABASE: &str = "projects/demo-worker/databases/(default)";

/// A collection of the emulator that the tests share, of 300 documents at the
/// most.
pub(crate) struct Map {
    emulator: &'static FirestoreEmulator,
    collection: &'static str,
}

impl Map {
    /// `None` where the emulator is not installed.
    pub(crate) fn new(collection: &'static str) -> Option<Self> {
        let emulator = FirestoreEmulator::shared().expect("the emulator starts")?;
        Some(Self { emulator, collection })
    }

    /// Where the emulator listens.
    pub(crate) fn host(&self) -> String {
        self.emulator.host()
    }

    pub(crate) fn with_address(&self, launch: Launch) -> Launch {
        launch
            .env("FIRESTORE_EMULATOR_HOST", &self.host())
            .set("firestore.database", DATABASE)
            .set("firestore.collection", self.collection)
    }

    /// Fields of each document, as the REST interface shows them.
    pub(crate) fn documents(&self) -> BTreeMap<String, Value> {
        let uri = format!(
            "http://{}/v1/{DATABASE}/documents/{}?pageSize=300",
            self.host(),
            self.collection
        );
        let answer = ureq::get(uri).header("authorization", "Bearer owner").call();
        let text = answer.expect("an answer").body_mut().read_to_string().expect("a body");
        let listed: Value = serde_json::from_str(&text).expect("JSON");
        let documents = listed["documents"].as_array().cloned().unwrap_or_default();
        let id = |name: &str| name.rsplit('/').next().expect("a name").to_owned();
        documents
            .into_iter()
            .map(|document| {
                (id(document["name"].as_str().expect("a name")), document["fields"].clone())
            })
            .collect()
    }

    /// Time and latitude of each vehicle.
    pub(crate) fn shown(&self) -> BTreeMap<String, (Timestamp, f64)> {
        let documents = self.documents();
        let position = |fields: &Value| {
            let time = fields["event_time"]["timestampValue"].as_str()?.parse().ok()?;
            Some((time, fields["location"]["geoPointValue"]["latitude"].as_f64()?))
        };
        let shown = documents.iter().filter_map(|(id, it)| Some((id.clone(), position(it)?)));
        shown.collect()
    }

    /// Waits until each of `newest` is shown: vehicle, time, latitude.
    pub(crate) fn shows(&self, newest: &BTreeMap<String, (Timestamp, f64)>) {
        wait_for("the newest positions", || (self.shown() == *newest).then_some(()));
    }
}
