//! The engine against the known truth of generated fleets: without noise,
//! lateness and loss, everything that really happened is found, nothing else
//! is, and every time is right.

mod cloud;
mod worker;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadgen::profile::{Profile, World};
use loadgen::read::{EventReader, Fold};
use loadgen::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use loadgen::stream::{Deliveries as _, Stream};
use loadgen::truth::{Names, Record};
use loadgen::verdict::{KindScore, Report, score};
use loadgen::wire::Encoder;
use rstest::rstest;
use worker::Worker;

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
    let pings = directory.join("pings.ndjson");
    let truth = write_pings(world, &pings);
    replay_file(world, &pings, directory);
    truth
}

/// Replays a file of pings into `out` in the directory.
fn replay_file(world: &World, pings: &Path, directory: &Path) {
    let fences = directory.join("fences.geojson");
    fs::write(&fences, &world.geojson).expect("a writable directory");
    let detection = &world.profile.detection;
    let output = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
        .args(["replay", "--pings"])
        .arg(pings)
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
    score(truth, &fold, 60_000, name)
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

#[tokio::test]
async fn parquet_says_what_ndjson_says() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut told = Vec::new();
    for (name, pings) in [("lines", "pings.ndjson"), ("columns", "pings.parquet")] {
        let out = directory.path().join(name);
        let pings = out.join(pings);
        fs::create_dir(&out).expect("a writable directory");
        // No ignition of some, copies and late pings: whatever a row may lack.
        let more = "[transport]\nduplicates = 0.05\nreordered = 0.05\nreorder_s = 3";
        let plan = RunPlan::new(world(5, 40, 1, 300, more), Target::File(pings.clone()), &out);
        let report = run(plan).await.expect("a run");
        assert!(report.pings.copies > 100, "{:?}", report.pings);
        replay_file(&world(5, 40, 1, 300, more), &pings, &out);
        let read = |file: &str| fs::read_to_string(out.join("out").join(file)).expect("written");
        told.push((read("events.ndjson"), read("liveness.ndjson")));
    }
    assert!(told[0].0.lines().count() > 100);
    assert_eq!(told[0], told[1]);
}

/// Checks that fail, but for those of how fast it was, which depends on who else
/// uses the machine; what is right does not.
fn failed_but_for_speed(report: &Report) -> Vec<&str> {
    let speed = |name: &str| name == "rate_min" || name.contains("p99");
    let failed = report.checks.iter().filter(|check| !check.holds && !speed(&check.name));
    failed.map(|check| check.name.as_str()).collect()
}

#[rstest]
#[case::by_its_event_stream(false)]
#[case::by_its_event_log(true)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_worker_passes_and_is_verified_again_from_its_files(#[case] by_log: bool) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut profile = Profile::load("smoke").expect("it is shipped");
    profile.malformed.share = 0.02;
    profile.transport.duplicates = 0.02;
    profile.thresholds.rejects_exact = true;
    let world = profile.world(None).expect("fences of its own");
    RunDirectory::create(directory.path())
        .and_then(|files| files.write_world(&world))
        .expect("a writable directory");
    let worker = Worker::start(directory.path(), &[], &[]);
    let data_dir = directory.path().join("data");
    let target = Target::Http(worker.url.parse().expect("an address"));
    let plan = RunPlan {
        profile: "smoke".into(),
        connections: 3,
        patience: Duration::from_secs(20),
        read_from: Some(worker.url.parse().expect("an address")),
        events_files: by_log.then(|| data_dir.join("event_log")),
        data_dir: Some(data_dir.clone()),
        pid: Some(worker.child.id()),
        ..RunPlan::new(world, target, directory.path())
    };
    let report = run(plan).await.expect("a run");
    let text = loadgen::verdict::text(&report);
    assert_eq!(failed_but_for_speed(&report), [""; 0], "{text}");
    assert_eq!(report.unchecked, [""; 0], "{text}");
    assert_eq!(report.pings.tally.archived, 2_000);
    // Looked at while the run went on, too.
    assert!(report.pings.archive_behind_max.is_some(), "{text}");
    assert_eq!(report.pings.positions_wrong.map(|wrong| wrong.0), Some(0));
    assert!(report.kinds["geofence_enter"].found >= 20);
    assert!(report.latency.event.count > 0 && report.latency.position.count > 0);
    let received = report.latency.received;
    let is_known = received.count > report.latency.event.count && received.early == 0;
    assert_eq!(is_known, !by_log, "{received:?}");
    assert!(report.process.is_some_and(|used| used.rss_bytes_max > 0));
    // What is stored says what was sent and told.
    assert_eq!(report.rejects.dead_letters.as_ref(), Some(&report.rejects.expected), "{text}");
    assert_eq!(report.rejects.dead_letters_altered, 0, "{text}");
    let operations = report.events.as_ref().map(|events| events.operations);
    assert_eq!(
        report.event_rows.as_ref().map(|rows| (rows.rows, rows.wrong())),
        operations.map(|it| (it, 0)),
        "{text}"
    );

    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let again =
        verify(&RunDirectory::open(directory.path()), kept, false).expect("everything is there");
    assert_eq!(again.kinds, report.kinds);
    assert_eq!(again.pings, report.pings);
    assert_eq!(again.event_rows, report.event_rows);
    assert_eq!(again.rejects, report.rejects);

    // A letter with one byte that was not sent is told, and nothing else is.
    drop(worker);
    falsify_a_letter(&data_dir.join("dead_letters"));
    let again = verify(&RunDirectory::open(directory.path()), kept, false).expect("a report");
    assert_eq!(again.rejects.dead_letters_altered, 1);
    let [example] = &again.rejects.dead_letter_examples[..] else { panic!("{:?}", again.rejects) };
    assert!(example.contains(": byte 0 must be 0x"), "{example}");
    let wrong: Vec<&str> = failed_but_for_speed(&again);
    assert_eq!(wrong, ["rejects_exact"]);
}

/// Changes the first byte of a letter's message.
fn falsify_a_letter(letters: &Path) {
    let files = fs::read_dir(letters).expect("letters").map(|file| file.expect("a file").path());
    let has_one = |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|it| it.len() > 0);
    let path = files.into_iter().find(has_one).expect("some shard has refused something");
    let text = fs::read_to_string(&path).expect("lines");
    let line: serde_json::Value =
        serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let encoded = line["payload_base64"].as_str().expect("a message");
    let mut message = STANDARD.decode(encoded).expect("base64");
    message[0] ^= 1;
    fs::write(&path, text.replacen(encoded, &STANDARD.encode(message), 1)).expect("writable");
}
