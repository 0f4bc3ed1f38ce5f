//! The tags of vehicles, from the configured file and over HTTP, and what they
//! mean for fences (semantics §7).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::config::Clock;
use engine::intake::{OwnedShards, shard_of};
use engine::journal::Store;
use engine::shard::{Control, TagChange, TagInput};
use engine::tags::{Tagger, read};
use engine::wall_clock::WallClock;
use geofence::{TagChanges, TagOutcome, TimeMs};
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::shard::{Owner, claim};
use crate::support::{
    Answer, Launch, Outputs, PATIENCE, Worker, fold, ping, segments_of, wait_for,
};

const TOKEN: &str = "a-token-of-some-length";

/// A yard for vans, in a directory to run workers in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("token", TOKEN);
        let yard = json!({
            "type": "Feature",
            "id": "yard",
            "properties": {"radius_m": 500, "tags": ["van"]},
            "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
        });
        place.write("fences.json", &yard.to_string());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn launch(&self) -> Launch {
        Launch::run(&self.path("data"))
            .set("clock", "event")
            .set("shards", "3")
            .set("commit.max_delay", "5ms")
            .set("detection.reorder_delay", "0s")
            .set("fences_poll", "20ms")
            .set("fences", text(&self.path("fences.json")))
            .set("http.token_file", text(&self.path("token")))
    }

    fn with_file(&self, tags: &Value) -> Launch {
        self.write("tags.json", &tags.to_string());
        self.launch().set("vehicle_tags", text(&self.path("tags.json")))
    }

    /// Time of day, kind, vehicle and reason of the folded enters and exits.
    fn told(&self) -> Vec<String> {
        let events = fold(&Outputs::of(&self.path("data")).event_log()).into_values();
        let text = |event: &serde_json::Map<String, Value>, key: &str| {
            event[key].as_str().unwrap_or("-").to_owned()
        };
        let mut told: Vec<String> = events
            .filter(|event| ["geofence_enter", "geofence_exit"].contains(&&*text(event, "kind")))
            .map(|event| {
                let [time, kind, vehicle, reason] =
                    ["event_time", "kind", "vehicle_id", "reason"].map(|key| text(&event, key));
                format!("{} {} {vehicle} {reason}", &time[11..19], &kind[9..])
            })
            .collect();
        told.sort();
        told
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn at(vehicle: &str, second: u32) -> String {
    let time = format!("2026-03-01T12:{:02}:{:02}Z", second / 60, second % 60);
    ping(vehicle, &time, 10.0, 50.0, "")
}

fn put(worker: &Worker, vehicle: &str, tags: &Value, token: &str) -> Answer {
    let (path, bearer) = (format!("/v1/vehicles/{vehicle}/tags"), format!("Bearer {token}"));
    let headers = [("authorization", bearer.as_str())];
    worker.client().change("PUT", &path, &headers, tags.to_string()).expect("an answer")
}

fn tags(worker: &Worker, vehicle: &str) -> Value {
    let path = format!("/v1/vehicles/{vehicle}/tags");
    worker.client().get(&path).expect("an answer").json()["tags"].clone()
}

fn stop(mut worker: Worker) {
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn a_file_of_tags_is_taken_up_at_the_start_and_when_it_changes() {
    let place = Place::new();
    let worker = place.with_file(&json!({"a": ["van"], "b": ["truck"]})).start();
    worker.client().deliver(&[at("a", 0), at("b", 0), at("c", 0)]);
    worker.client().deliver(&[at("c", 5)]);
    place.write("tags.json", r#"{"b": ["van"]}"#);
    wait_for("other tags", || (tags(&worker, "b") == json!(["van"])).then_some(()));
    wait_for("other tags", || (tags(&worker, "a") == json!([])).then_some(()));
    worker.client().deliver(&[at("a", 10), at("b", 10), at("c", 10)]);
    stop(worker);
    let told = [
        "12:00:00 enter a first_seen",
        "12:00:05 enter b assignment_changed",
        "12:00:05 exit a assignment_changed",
    ];
    assert_eq!(place.told(), told);

    // The journal knows which tags were taken up: no change, no event.
    let worker = place.with_file(&json!({"b": ["van"]})).start();
    assert_eq!(tags(&worker, "b"), json!(["van"]));
    worker.client().deliver(&[at("b", 15)]);
    stop(worker);
    assert_eq!(place.told(), told);
}

#[test]
fn a_put_counts_from_then_on_and_outlives_a_crash() {
    let place = Place::new();
    let mut worker = place.launch().start();
    // As long as nobody has tags, fences do not ask for any.
    worker.client().deliver(&[at("a", 0), at("b", 0)]);
    worker.client().deliver(&[at("a", 5)]);
    assert_eq!(put(&worker, "a", &json!(["van"]), "another-token-of-some-length").status, 401);
    assert_eq!(put(&worker, "a", &json!("van"), TOKEN).status, 422);
    assert_eq!(put(&worker, "a%20b", &json!(["van"]), TOKEN).status, 400);
    let answer = put(&worker, "a", &json!(["van", "van"]), TOKEN);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (&answer.json()["changed"], &answer.json()["tags"]),
        (&json!(true), &json!(["van"]))
    );
    assert_eq!(put(&worker, "a", &json!(["van"]), TOKEN).json()["changed"], false);
    worker.kill();
    let worker = place.launch().set("strict_audit", "true").start();
    assert_eq!((tags(&worker, "a"), tags(&worker, "b")), (json!(["van"]), json!([])));
    worker.client().deliver(&[at("b", 10), at("a", 10)]);
    stop(worker);
    assert_eq!(
        place.told(),
        [
            "12:00:00 enter a first_seen",
            "12:00:00 enter b first_seen",
            "12:00:05 exit b assignment_changed",
        ]
    );
}

#[test]
fn a_put_stands_after_a_crash_though_a_snapshot_began_with_the_file_before_it() {
    let place = Place::new();
    let fleet = |tag: &str| -> Value {
        let tags = (0..500).map(|i| (format!("vehicle-{i}"), json!([tag, format!("{tag}-{i}")])));
        Value::Object(tags.collect())
    };
    let launch = place
        .with_file(&json!({"a": ["truck"]}))
        .set("shards", "1")
        // The record of so many tags is longer than the state before it.
        .set("journal.snapshot_min_segments", "1");
    let mut worker = launch.start();
    worker.client().deliver(&[at("a", 0)]);
    place.write("tags.json", &fleet("van").to_string());
    let taken_up = json!(["van", "van-7"]);
    wait_for("the file's tags", || (tags(&worker, "vehicle-7") == taken_up).then_some(()));
    assert_eq!(put(&worker, "vehicle-7", &json!(["truck"]), TOKEN).status, 200);
    worker.kill();
    let worker = launch.start();
    worker.client().deliver(&[at("a", 1)]);
    assert_eq!(tags(&worker, "vehicle-7"), json!(["truck"]), "{}", worker.log());
    stop(worker);
}

#[test]
fn what_gathers_goes_on_gathering_when_something_is_asked() {
    let place = Place::new();
    let mut worker = place.launch().set("shards", "1").set("commit.max_delay", "2s").start();
    let before = segments_of(&place.path("data"), 0).len();
    std::thread::scope(|scope| {
        for second in 0..20 {
            let client = worker.client();
            scope.spawn(move || client.deliver(&[at("a", second)]));
            assert_eq!(tags(&worker, "a"), json!([]));
            let versions = worker.client().get("/v1/fences/yard/versions").expect("an answer");
            assert_eq!(versions.status, 200);
        }
    });
    assert!(worker.stop().success(), "{}", worker.log());
    let segments = segments_of(&place.path("data"), 0).len() - before;
    // Of two seconds' pings each, and of cursors on the way out.
    assert!(segments <= 12, "{segments} segments");
}

#[test]
fn a_file_that_cannot_be_used_is_a_mistake_at_the_start_and_none_later() {
    let place = Place::new();
    let output = place.with_file(&json!({"a": "van"})).output();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("tags.json: vehicle \"a\": a list of texts is needed"), "{told}");

    let mut worker = place.with_file(&json!({"a": ["van"]})).start();
    place.write("tags.json", "{");
    worker.wait_for_line("the configured vehicle tags cannot be used: the last ones stay");
    assert_eq!(tags(&worker, "a"), json!(["van"]));
    assert_eq!(put(&worker, "a", &json!(["truck"]), TOKEN).status, 200);
    assert_eq!(put(&worker, "a", &json!(["truck"]), TOKEN).status, 200);
    let page = worker.client().get("/metrics").expect("metrics").body;
    for (origin, outcome) in
        [("configured", "unusable"), ("http", "changed"), ("http", "unchanged")]
    {
        let counted =
            format!("fleetstream_tag_changes_total{{origin=\"{origin}\",outcome=\"{outcome}\"}} 1");
        assert!(page.lines().any(|line| line == counted), "{counted}");
    }
    stop(worker);
}

/// Whoever watches the file has read it anew after a start: what it says is
/// news only if it was not the last that a file has said.
#[tokio::test]
async fn the_file_as_it_was_before_a_restart_leaves_what_was_put_since() {
    let place = Place::new();
    let file = |text: &str| {
        place.write("tags.json", text);
        read(&place.path("tags.json")).unwrap()
    };
    let (vans, trucks) = (file(r#"{"a": ["van"]}"#), file(r#"{"a": ["truck"]}"#));
    let store = Store::shared(Arc::new(InMemory::new()));
    let start = async || {
        let owner = Owner::start(claim(store.clone()).await.unwrap());
        let tagger = Tagger::new(OwnedShards::all(1), vec![owner.control.clone()]);
        (owner, tagger)
    };
    let at = |second: i64| TimeMs(1_770_000_000_000 + second * 1_000);

    let (owner, tagger) = start().await;
    tagger.configure(&vans, at(0)).await.unwrap();
    tagger.put("a", vec!["bus".to_owned()], at(1)).await.unwrap();
    tagger.configure(&vans, at(2)).await.unwrap();
    assert_eq!(tagger.of("a").await.unwrap(), ["bus"], "within one run");
    owner.finish().await;

    let (owner, tagger) = start().await;
    tagger.configure(&vans, at(3)).await.unwrap();
    assert_eq!(tagger.of("a").await.unwrap(), ["bus"], "after a restart");
    tagger.configure(&trucks, at(4)).await.unwrap();
    assert_eq!(tagger.of("a").await.unwrap(), ["truck"], "the file says something new");
    tagger.configure(&vans, at(5)).await.unwrap();
    assert_eq!(tagger.of("a").await.unwrap(), ["van"], "and what it said before is new again");
    owner.finish().await;
}

/// The worker before this one had a clock that was ten minutes ahead: until then
/// the receive times of this one stand still.
#[tokio::test]
async fn tags_given_by_a_clock_that_was_ahead_hold_nobody_up() {
    let mut claimed = claim(Store::shared(Arc::new(InMemory::new()))).await.unwrap();
    let ahead = WallClock::read().plus(600_000);
    let vehicles = [("a".to_owned(), vec!["van".to_owned()])].into();
    let changes = TagChanges { vehicles, is_whole: false };
    let tags = TagInput { changes, valid_from: ahead, configured: None };
    claimed.configure_tags(&tags, ahead).await.unwrap();

    let owner = Owner::start_by(Clock::Wall, claimed);
    let tagger = Tagger::new(OwnedShards::all(1), vec![owner.control.clone()]);
    let put = tagger.put("a", vec!["truck".to_owned()], ahead);
    let tagged = timeout(PATIENCE, put).await.expect("the shard waits for no clock").unwrap();
    assert_eq!(tagged.valid_from, Some(ahead.plus(1)));
    assert_eq!(tagger.of("a").await.unwrap(), ["truck"]);
    owner.finish().await;
}

/// The first tags of all have tags count in every shard: a client that goes when
/// one of them knows must not leave the others behind.
#[tokio::test]
async fn a_put_reaches_every_shard_though_its_sender_goes() {
    let (shards, mut ears): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel(1)).unzip();
    let tagger = Tagger::new(OwnedShards::all(2), shards);
    let own = shard_of("a", 2) as usize;
    let sender =
        tokio::spawn(async move { tagger.put("a", vec!["van".to_owned()], TimeMs(0)).await });
    let change = told(&mut ears[own]).await;
    sender.abort();
    assert!(sender.await.unwrap_err().is_cancelled());
    // Nobody may hear of it.
    let _ = change.done.send((TagOutcome::TakenUp, TimeMs(1)));
    assert_eq!(told(&mut ears[1 - own]).await.changes, TagChanges::default());
}

/// The change that a shard is told of.
async fn told(ear: &mut mpsc::Receiver<Control>) -> TagChange {
    match timeout(PATIENCE, ear.recv()).await.expect("in time") {
        Some(Control::Tags(change)) => *change,
        other => panic!("a change of tags, not {other:?}"),
    }
}
