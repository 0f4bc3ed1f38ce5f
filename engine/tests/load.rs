//! The engine against the known truth of generated fleets: without noise,
//! lateness and loss, everything that really happened is found, nothing else
//! is, and every time is right.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadgen::google::Pubsub;
use loadgen::profile::{Profile, World};
use loadgen::read::{EventReader, Fold};
use loadgen::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use loadgen::stream::{Deliveries as _, Stream};
use loadgen::truth::{Names, Record};
use loadgen::verdict::{KindScore, score};
use loadgen::wire::Encoder;
use rstest::rstest;

/// Monday, 5 January 2026, 06:00 UTC.
const START_MS: i64 = 1_767_592_800_000;

fn world(seed: u64, vehicles: u32, interval_s: u32, seconds: u32, more: &str) -> World {
    let rate = vehicles / interval_s;
    let profile = format!(
        "about = \"a test\"
         seed = {seed}
         [load]
         seconds = {seconds}
         rate = [{{ at_s = 0, rate = {rate} }}]
         [fleet]
         vehicles = {vehicles}
         fences = 160
         blocks = 10
         stop_s = [10, 400]
         parked = 0.03
         idling = 0.03
         on_edge = 0.03
         no_ignition = 0.1
         {more}
         [detection]
         dwell_s = [10, 60]
         stationary_after_s = 60
         idle_after_s = 45"
    );
    Profile::parse(&profile).expect("a valid profile").world(None).expect("fences of its own")
}

/// Writes the pings of a world, with the truth as it comes.
fn write_pings(world: &World, path: &Path) -> Vec<Record> {
    let mut out = BufWriter::new(File::create(path).expect("a writable directory"));
    let (mut truth, mut line) = (Vec::new(), Vec::new());
    let (mut encoder, mut stream) = (Encoder::new(START_MS, ""), Stream::new(world));
    while let Some(delivery) = stream.next(&mut |record| truth.push(record)) {
        line.clear();
        encoder.json_line(&delivery.ping, Some(START_MS + delivery.send_ms), &mut line);
        out.write_all(&line).expect("room on the disk");
    }
    out.flush().expect("room on the disk");
    truth
}

fn replay(world: &World, directory: &Path) -> Vec<Record> {
    let (pings, fences) = (directory.join("pings.ndjson"), directory.join("fences.geojson"));
    fs::write(&fences, &world.geojson).expect("a writable directory");
    let truth = write_pings(world, &pings);
    let detection = &world.profile.detection;
    let output = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
        .args(["replay", "--pings"])
        .arg(&pings)
        .arg("--fences")
        .arg(&fences)
        .arg("--out")
        .arg(directory.join("out"))
        .args(["--set", "detection.dwell=10s,60s"])
        .args(["--set", &format!("detection.stationary_after={}s", detection.stationary_after_s)])
        .args(["--set", &format!("detection.idle_after={}s", detection.idle_after_s)])
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    truth
}

fn scores(world: &World, truth: &[Record], directory: &Path) -> BTreeMap<String, KindScore> {
    let reader =
        EventReader::new(&world.fences, Names { start_ms: START_MS, prefix: String::new() });
    let mut fold = Fold::default();
    for file in ["events.ndjson", "liveness.ndjson"] {
        let text = fs::read(directory.join("out").join(file)).expect("replay writes it");
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            fold.take(reader.from_json(line).expect("an event"));
        }
    }
    let name = |number: u32| world.fences.get(number).id.clone();
    score(truth, fold.events(), 60_000, name)
}

#[rstest]
#[case::one(1)]
#[case::two(2)]
fn everything_that_happened_is_found_and_nothing_else(#[case] seed: u64) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let world = world(seed, 64, 1, 700, "");
    let truth = replay(&world, directory.path());
    let scores = scores(&world, &truth, directory.path());
    for kind in [
        "geofence_enter",
        "geofence_exit",
        "geofence_cross",
        "geofence_dwell",
        "geofence_visit",
        "stationary_start",
        "stationary_end",
        "idle_start",
        "idle_end",
    ] {
        let score = scores.get(kind).unwrap_or_else(|| panic!("no {kind} at all"));
        assert!(score.required >= 20, "{kind}: {score:#?}");
        assert_eq!((score.precision, score.recall), (1.0, 1.0), "{kind}: {score:#?}");
        assert!(score.time_error_ms.max <= 1_000.0, "{kind}: {score:#?}");
        assert_eq!(score.inside_interval, 1.0, "{kind}: {score:#?}");
        assert!(score.undecidable * 10 <= score.required, "{kind}: {score:#?}");
    }
}

#[test]
fn silence_is_found_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let gaps = "gaps = { share = 0.3, every_s = 1800, shortest_s = 200, longest_s = 900 }";
    let world = world(3, 60, 5, 3_600, gaps);
    let truth = replay(&world, directory.path());
    let scores = scores(&world, &truth, directory.path());
    for kind in ["vehicle_offline", "vehicle_online"] {
        let score = &scores[kind];
        assert!(score.required >= 5, "{kind}: {score:#?}");
        assert_eq!((score.precision, score.recall), (1.0, 1.0), "{kind}: {score:#?}");
        assert_eq!(score.time_error_ms.max, 0.0, "{kind}: {score:#?}");
    }
}

/// A worker, killed when dropped.
struct Worker {
    child: Child,
    url: String,
}

impl Worker {
    /// Starts one on a configuration that `loadgen prepare` writes.
    fn start(directory: &Path) -> Self {
        let log = directory.join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
            .args(["run", "--listen", "127.0.0.1:0", "--set", "log.format=json"])
            // How full this machine's disk is has nothing to do with it.
            .args(["--set", "journal.min_free_percent=0", "--config"])
            .arg(directory.join("fleetstream.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a writable directory"))
            .spawn()
            .expect("the binary starts");
        let mut worker = Self { child, url: String::new() };
        let until = Instant::now() + Duration::from_secs(60);
        while worker.url.is_empty() {
            let text = fs::read_to_string(&log).expect("it was made");
            let ended = worker.child.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < until, "it does not listen:\n{text}");
            let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            let listening = |line: &serde_json::Value| line["message"] == "listening";
            match lines.into_iter().find(listening) {
                Some(line) => {
                    worker.url =
                        format!("http://{}", line["address"].as_str().expect("an address"));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        worker
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_worker_passes_and_is_verified_again_from_its_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let profile = Profile::load("smoke").expect("it is shipped");
    let world = profile.world(None).expect("fences of its own");
    RunDirectory::create(directory.path())
        .and_then(|files| files.write_world(&world))
        .expect("a writable directory");
    let worker = Worker::start(directory.path());
    let data_dir = directory.path().join("data");
    let plan = RunPlan {
        world: Arc::new(world),
        profile: "smoke".into(),
        traces: None,
        target: Target::Http(worker.url.parse().expect("an address")),
        out: directory.path().to_owned(),
        start_ms: None,
        prefix: None,
        connections: 3,
        patience: Duration::from_secs(20),
        read_from: Some(worker.url.parse().expect("an address")),
        pubsub: Pubsub::Service,
        events_subscription: None,
        data_dir: Some(data_dir.clone()),
        pid: Some(worker.child.id()),
        view: false,
    };
    let report = run(plan).await.expect("a run");
    // How fast it is depends on who else uses the machine; what is right does
    // not.
    let wrong = |name: &str| !name.contains("rate") && !name.contains("p99");
    for check in report.checks.iter().filter(|check| wrong(&check.name)) {
        assert!(check.holds, "{check:?}\n{}", loadgen::verdict::text(&report));
    }
    assert_eq!(report.pings.tally.archived, 2_000);
    assert_eq!(report.pings.positions_wrong.map(|wrong| wrong.0), Some(0));
    assert!(report.kinds["geofence_enter"].found >= 20);
    assert!(report.latency.event.count > 0 && report.latency.position.count > 0);
    assert!(report.process.is_some_and(|used| used.rss_bytes_max > 0));

    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let again = verify(&RunDirectory::open(directory.path()), kept).expect("everything is there");
    assert_eq!(again.kinds, report.kinds);
    assert_eq!(again.pings, report.pings);
}
