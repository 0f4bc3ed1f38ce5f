//! Two workers and one journal in Cloud Storage: one works, one stands by and
//! takes over, and no ping is lost or there twice.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::http::Method;
use engine::journal::frame;
use jiff::Timestamp;
use local_cloud::PubsubEmulator;
use local_cloud::storage::{Fault, Storage, Trouble};
use prost::Message as _;
use protos::journal::input;
use protos::telemetry::VehiclePing;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Client, Launch, Worker, fences, ping, text, wait_for};

const BUCKET: &str = "fleet-journal";
/// What a worker says that finds the journals another's.
const STANDING_BY: &str = "standing by until the journal stops moving";
/// The least that a standby waits.
const QUIET: Duration = Duration::from_secs(5);

/// A stand-in for Cloud Storage, with what it needs to run.
struct Cloud {
    storage: Storage,
    _runtime: Runtime,
}

impl Cloud {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let storage = runtime.block_on(Storage::start()).expect("a free port");
        storage.create_bucket(BUCKET);
        Self { storage, _runtime: runtime }
    }

    /// A worker of its own directory on the shared journal.
    fn launch(&self, dir: &TempDir) -> Launch {
        Launch::run(dir.path())
            .env("STORAGE_EMULATOR_HOST", &self.storage.endpoint())
            .set("journal.url", &format!("gs://{BUCKET}/journal"))
            .set("files.parquet", "false")
            .set("files.event_log", "false")
            .set("files.dead_letters", "false")
            .set("clock", "event")
            .set("shards", "2")
            .set("commit.max_delay", "5ms")
    }

    /// Refuses whatever concerns the journals, until its faults are cleared.
    fn goes_away(&self) {
        for method in [Method::PUT, Method::GET, Method::HEAD] {
            let (path, trouble) = ("/journal/".to_owned(), Trouble::Refused(503));
            self.storage.faults().add(Fault { method, path, times: u32::MAX / 4, trouble });
        }
    }

    /// Ids of all pings in the journal, sorted.
    fn recorded(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for name in self.storage.names(BUCKET).iter().filter(|name| name.contains("/journal/0")) {
            let object = self.storage.object(BUCKET, name).expect("it was listed");
            let segment = frame::decode_segment(&object.bytes, name).expect("a whole segment");
            for recorded in &segment.inputs {
                let Some(input::Input::Pings(run)) = &recorded.input else { continue };
                let mut rest = run.payloads.as_ref();
                for &length in &run.payload_lengths {
                    let (payload, behind) = rest.split_at(length as usize);
                    rest = behind;
                    let ping = VehiclePing::decode(payload).expect("a ping");
                    ids.push(ping.ping_id.expect("every ping here has one"));
                }
            }
        }
        ids.sort();
        ids
    }
}

/// The n-th lot of pings: of ten vehicles, so that both shards have some.
fn lot(n: u32) -> Vec<String> {
    let line = |vehicle: u32| {
        let time = format!("2026-03-01T12:{:02}:{:02}Z", n / 60, n % 60);
        ping(
            &format!("v-{vehicle}"),
            &time,
            10.0,
            50.0,
            &format!(r#","ping_id":"p-{n:03}-{vehicle}""#),
        )
    };
    (0..10).map(line).collect()
}

fn ids(lots: std::ops::Range<u32>) -> Vec<String> {
    lots.flat_map(|n| (0..10).map(move |vehicle| format!("p-{n:03}-{vehicle}"))).collect()
}

/// Starts a worker that finds another one at work.
fn stand_by(launch: Launch) -> Worker {
    let mut worker = launch.spawn();
    worker.wait_for_line(STANDING_BY);
    worker
}

/// A worker that has been at work, and one that stands by, for longer than a
/// test may be held up: to a standby an owner with nothing to do is as good as
/// gone.
fn at_work_and_beside(cloud: &Cloud, dir: &TempDir, second: Launch) -> (Worker, Worker) {
    let first = cloud.launch(dir).start();
    first.client().deliver(&lot(0));
    (first, stand_by(second.set("journal.takeover_after", "20s")))
}

#[test]
fn v41_a_second_worker_takes_over_after_a_kill_and_nothing_is_lost_or_doubled() {
    let cloud = Cloud::new();
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let begun = Instant::now();
    let mut first = cloud.launch(&dirs[0]).start();
    assert!(begun.elapsed() < QUIET, "a journal that nobody has is not waited for");
    assert!(!dirs[0].path().join("journal").exists(), "no journal on this machine");

    first.client().deliver(&lot(0));
    let mut second = stand_by(cloud.launch(&dirs[1]));
    let begun = Instant::now();
    let mut n = 1;
    while begun.elapsed() < QUIET + QUIET / 5 {
        first.client().deliver(&lot(n));
        n += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(second.line("listening").is_none(), "it stood by: {}", second.log());

    // A lot on its way when the first dies: taken or not, nobody knows.
    let client = first.client();
    let unknown = std::thread::spawn(move || client.send(&lot(n)));
    first.kill();
    let acknowledged = unknown.join().unwrap().is_some_and(|answer| answer.status == 202);

    let died = Instant::now();
    second.wait_until_ready();
    assert!(died.elapsed() >= QUIET / 2, "{:?}", died.elapsed());
    let again = second.client().deliver(&lot(n));
    if acknowledged {
        assert_eq!(again["duplicate"], 10, "what was acknowledged is there");
    }
    second.client().deliver(&lot(n + 1));
    let position = second.client().get("/v1/positions/v-3").expect("an answer").json();
    let newest = format!("2026-03-01T12:{:02}:{:02}", (n + 1) / 60, (n + 1) % 60);
    assert!(position["event_time"].as_str().unwrap().starts_with(&newest), "{position}");
    assert!(second.stop().success(), "{}", second.log());
    assert_eq!(cloud.recorded(), ids(0..n + 2), "each once");
}

#[test]
fn v41_a_worker_that_wakes_up_after_a_takeover_acknowledges_nothing_and_ends_with_75() {
    let cloud = Cloud::new();
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut first = cloud.launch(&dirs[0]).start();
    first.client().deliver(&lot(0));
    let mut second = stand_by(cloud.launch(&dirs[1]));
    kill_process(first.process(), Signal::STOP).expect("a child of ours");
    second.wait_until_ready();
    second.client().deliver(&lot(1));

    kill_process(first.process(), Signal::CONT).expect("a child of ours");
    let answer = first.client().send(&lot(2));
    assert!(answer.as_ref().is_none_or(|answer| answer.status != 202), "{answer:?}");
    assert_eq!(first.wait().code(), Some(75), "{}", first.log());
    assert!(first.log().contains("fenced off"), "{}", first.log());
    second.client().deliver(&lot(2));
    assert!(second.stop().success(), "{}", second.log());
    assert_eq!(cloud.recorded(), ids(0..3));
}

/// A fence and the tags of a vehicle, in files beside a worker's directory.
struct Named {
    dir: TempDir,
}

impl Named {
    fn new() -> Self {
        let named = Self { dir: TempDir::new().unwrap() };
        named.write("as-it-was", "old");
        named
    }

    fn write(&self, fence: &str, tag: &str) {
        let fence = format!(
            r#"{{"type": "Feature", "id": "{fence}", "properties": {{"radius_m": 50}},
                "geometry": {{"type": "Point", "coordinates": [10.0, 50.0]}}}}"#
        );
        fs::write(self.path("fences.json"), fence).unwrap();
        fs::write(self.path("tags.json"), format!(r#"{{"v-1": ["{tag}"]}}"#)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A worker that they are named to, and that does not look at them again
    /// while a test goes on.
    fn launch(&self, cloud: &Cloud, dir: &TempDir) -> Launch {
        let tags = self.path("tags.json");
        let launch = cloud.launch(dir).fences(&self.path("fences.json"));
        launch.set("vehicle_tags", tags.to_str().unwrap()).set("fences_poll", "1h")
    }
}

#[test]
fn a_standby_says_that_it_lives_and_takes_nothing() {
    let cloud = Cloud::new();
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (mut first, mut second) = at_work_and_beside(&cloud, &dirs[0], cloud.launch(&dirs[1]));
    let early = second.wait_for_line("only /livez and /readyz answer yet");
    let client = Client::new(early["address"].as_str().unwrap());
    assert_eq!(client.get("/livez").expect("an answer").status, 200);
    let unready = client.get("/readyz").expect("an answer");
    assert_eq!(
        (unready.status, &unready.json()["reasons"][0]["code"]),
        (503, &json!("recovering"))
    );
    let refused = client.send(&lot(1)).expect("an answer");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("recovering")));

    first.kill();
    second.wait_until_ready();
    assert_eq!(client.get("/readyz").expect("an answer").status, 200, "at the same address");
    client.deliver(&lot(1));
    assert!(second.stop().success(), "{}", second.log());
    assert_eq!(cloud.recorded(), ids(0..2));
}

#[test]
fn a_standby_begins_with_the_files_as_they_are_when_it_takes_over() {
    let (cloud, named) = (Cloud::new(), Named::new());
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let second = named.launch(&cloud, &dirs[1]);
    let (mut first, mut second) = at_work_and_beside(&cloud, &dirs[0], second);
    named.write("as-it-is", "new");
    first.kill();
    second.wait_until_ready();
    let fences = second.client().get("/v1/fences").expect("an answer").body;
    assert!(fences.contains("as-it-is") && !fences.contains("as-it-was"), "{fences}");
    let tags = second.client().get("/v1/vehicles/v-1/tags").expect("an answer").json();
    assert_eq!(tags["tags"][0], "new", "{tags}");
    assert!(second.stop().success(), "{}", second.log());
}

#[test]
fn a_mistake_found_at_the_takeover_costs_nobody_the_shards() {
    let (cloud, named) = (Cloud::new(), Named::new());
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let second = named.launch(&cloud, &dirs[1]);
    let (mut first, mut second) = at_work_and_beside(&cloud, &dirs[0], second);
    fs::write(named.path("fences.json"), "{").unwrap();
    fs::write(named.path("tags.json"), "[]").unwrap();
    // The first has nothing to do, which to a standby is as good as gone.
    assert_eq!(second.wait().code(), Some(78), "{}", second.log());
    let told = second.log();
    assert!(told.contains("2 mistakes in the configuration"), "{told}");
    assert!(told.contains("fences.json") && told.contains("tags.json"), "{told}");
    first.client().deliver(&lot(1));
    assert!(first.stop().success(), "{}", first.log());
}

#[test]
fn a_missing_topic_is_found_before_anybody_is_fenced_off() {
    let Some(emulator) = PubsubEmulator::shared().unwrap() else { return };
    let cloud = Cloud::new();
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut first = cloud.launch(&dirs[0]).start();
    first.client().deliver(&lot(0));
    let nowhere = "projects/fleet-shared/topics/nowhere";
    let second = cloud.launch(&dirs[1]).env("PUBSUB_EMULATOR_HOST", &emulator.host());
    let output = second.set("pubsub.events_topic", nowhere).output();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains(&format!("{nowhere} does not exist")), "{told}");
    assert!(told.contains("pubsub.events_topic"), "{told}");
    first.client().deliver(&lot(1));
    assert!(first.stop().success(), "{}", first.log());
}

#[test]
fn a_worker_killed_round_its_commit_is_followed_by_itself() {
    let cloud = Cloud::new();
    let dir = TempDir::new().unwrap();
    // The first commits of a new journal are its settings, one a shard.
    for (n, fail_point) in (0..).zip(["commit.before", "commit.after", "ack.before"]) {
        let nth = if n == 0 { 3 } else { 1 };
        let mut worker = cloud.launch(&dir).dies_at(fail_point, nth).start();
        let answer = worker.client().send(&lot(n));
        assert!(answer.is_none(), "{fail_point}: {answer:?}");
        assert_eq!(worker.wait().code(), None, "killed: {}", worker.log());
    }
    let mut worker = cloud.launch(&dir).start();
    for n in 0..3 {
        worker.client().deliver(&lot(n));
    }
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(cloud.recorded(), ids(0..3), "each once");
}

#[test]
fn commits_come_through_a_bucket_that_is_away_for_a_while() {
    let cloud = Cloud::new();
    let dir = TempDir::new().unwrap();
    let mut worker = cloud.launch(&dir).start();
    worker.client().deliver(&lot(0));
    cloud.goes_away();
    let client = worker.client();
    let waiting = std::thread::spawn(move || client.send(&lot(1)));
    worker.wait_for_line("commit not yet durable; trying again");
    assert!(!waiting.is_finished(), "202 means durable");
    cloud.storage.faults().clear();
    let answer = waiting.join().unwrap().expect("an answer");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(cloud.recorded(), ids(0..2));
}

#[test]
fn what_an_event_waits_for_its_commit_is_part_of_its_latency() {
    let cloud = Cloud::new();
    let dir = TempDir::new().unwrap();
    let fences = fences(dir.path(), &[("depot", 10.0)]);
    let launch = cloud.launch(&dir).set("clock", "wall").set("detection.reorder_delay", "0s");
    let mut worker = launch.fences(&fences).start();
    let client = worker.client();
    let latency_s = || client.metric("fleetstream_event_latency_seconds_sum");

    cloud.goes_away();
    let enters = ping("v", &Timestamp::now().to_string(), 10.0, 50.0, "");
    let waiting = worker.client();
    let waiting = std::thread::spawn(move || waiting.send(&[enters]));
    let waits_s = || client.metric("fleetstream_commit_age_seconds");
    wait_for("a commit that takes long", || (waits_s() >= 1.0).then_some(()));
    cloud.storage.faults().clear();
    assert_eq!(waiting.join().unwrap().expect("an answer").status, 202);
    assert!(latency_s() >= 1.0, "{} s", latency_s());
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn a_journal_that_cannot_be_used_is_a_matter_of_configuration() {
    let cloud = Cloud::new();
    let dir = TempDir::new().unwrap();
    for (launch, told) in [
        (cloud.launch(&dir).set("journal.url", "gs://not-there"), "there is no bucket not-there"),
        (
            cloud.launch(&dir).env("STORAGE_EMULATOR_HOST", "http://storage.example.com:80"),
            "storage.example.com is not this machine",
        ),
        (cloud.launch(&dir).set("files.event_log", "true"), "set files.event_log = false"),
    ] {
        let output = launch.output();
        assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(told), "{told}: {}", text(&output.stderr));
    }
    wait_for("nothing was written", || cloud.storage.names(BUCKET).is_empty().then_some(()));
}
