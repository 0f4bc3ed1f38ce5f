//! Changing fences while the worker runs, over HTTP and by the configured
//! files (semantics §7).

mod api;
mod crashes;
mod files;
mod stored;
mod vectors;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Client, Launch, Outputs, Worker, fold, ping};

const TOKEN: &str = "a-token-of-some-length";

/// A place to run a worker in.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: TempDir::new().unwrap() };
        fs::write(place.path("token"), format!("{TOKEN}\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A worker by the pings' own clock that takes changes of the fences.
    fn launch(&self) -> Launch {
        Launch::run(&self.data())
            .set("clock", "event")
            .set("commit.max_delay", "5ms")
            .set("detection.reorder_delay", "0s")
            .set("detection.dwell", "1h")
            .set("fences_poll", "20ms")
            .set("http.token_file", self.path("token").to_str().unwrap())
    }

    /// Kind, vehicle, fence, version, event time and reason of every folded
    /// event about a fence, in order of time.
    fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self
            .events()
            .iter()
            .map(|event| {
                let text = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
                let time = text("event_time");
                format!(
                    "{} {} {} {} v{} {}",
                    &time[11..],
                    text("kind"),
                    text("vehicle_id"),
                    text("fence_id"),
                    event["fence_version"],
                    text("reason"),
                )
            })
            .collect();
        told.sort();
        told
    }

    fn events(&self) -> Vec<Value> {
        let folded = fold(&Outputs::of(&self.data()).event_log());
        let events = folded.into_values().map(Value::Object);
        events.filter(|event| event["fence_id"].is_string()).collect()
    }

    /// The one folded event of a kind.
    fn only(&self, kind: &str) -> Value {
        let mut found: Vec<_> =
            self.events().into_iter().filter(|event| event["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        found.remove(0)
    }
}

/// Changes fences with the token.
struct Fences(Client);

impl Fences {
    fn of(worker: &Worker) -> Self {
        Self(worker.client())
    }

    fn change(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let bearer = format!("Bearer {TOKEN}");
        self.0.change(method, &format!("/v1/fences/{path}"), &[("authorization", &bearer)], body)
    }

    /// A change that comes to `status`.
    fn expect(&self, status: u16, method: &str, path: &str, body: &str) -> Value {
        let answer = self.change(method, path, body).expect("an answer");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        answer.json()
    }

    fn put(&self, id: &str, body: &str) -> Value {
        let answer = self.change("PUT", id, body).expect("an answer");
        assert!([200, 201].contains(&answer.status), "{answer:?}");
        answer.json()
    }

    fn delete(&self, id: &str) -> Value {
        self.expect(200, "DELETE", id, "")
    }

    fn get(&self, path: &str) -> Answer {
        self.0.get(&format!("/v1/fences{path}")).expect("an answer")
    }

    /// Ids of the newest set.
    fn ids(&self) -> Vec<String> {
        let set = self.get("").json();
        let ids = set["features"].as_array().expect("features").iter();
        ids.map(|feature| feature["id"].as_str().expect("an id").to_owned()).collect()
    }
}

/// A rectangle of latitudes 50.000 to 50.010 as a feature without an id.
fn square(west: f64, east: f64) -> String {
    let ring = json!([[west, 50.0], [east, 50.0], [east, 50.01], [west, 50.01], [west, 50.0]]);
    polygon(&json!([ring]))
}

fn polygon(coordinates: &Value) -> String {
    let geometry = json!({"type": "Polygon", "coordinates": coordinates});
    json!({"type": "Feature", "properties": {}, "geometry": geometry}).to_string()
}

/// The specification's SQ.
fn sq() -> String {
    square(10.0, 10.01)
}

/// Features as a file.
fn collection(features: &[(&str, String)]) -> String {
    let feature = |(id, feature): &(&str, String)| {
        let mut feature: Value = serde_json::from_str(feature).unwrap();
        feature["id"] = (*id).into();
        feature
    };
    let features: Vec<Value> = features.iter().map(feature).collect();
    json!({"type": "FeatureCollection", "features": features}).to_string()
}

/// A ping at 12:00 and `second`, in the middle of SQ's latitudes.
fn at(vehicle: &str, second: u32, lon: f64) -> String {
    let time = format!("2026-03-01T12:{:02}:{:02}Z", second / 60, second % 60);
    ping(vehicle, &time, lon, 50.005, r#","accuracy_m":5"#)
}

fn stop(mut worker: Worker) {
    assert!(worker.stop().success(), "{}", worker.log());
}

fn write_set(path: &Path, features: &[(&str, String)]) {
    fs::write(path, collection(features)).unwrap();
}
