//! A restart with something else than before: settings, fences, shards, or an
//! engine of another core version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engine::journal::{Fenced, OpenOptions, Standby, Store, WriterId, claim};
use geofence::CORE_VERSION;
use prost::Message as _;
use protos::journal::{Cursor, Disposition, Input, PingRun, Segment, input};
use protos::telemetry::VehiclePing;
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Launch, Outputs, PATIENCE, Worker, fences, fold, ping, segments_of, text, wait_at_most,
    wait_for,
};

fn launch(dir: &Path) -> Launch {
    with_usual_settings(Launch::run(dir))
}

/// Goes on with a journal that comes out differently.
fn lenient(dir: &Path) -> Launch {
    let dir = dir.to_str().unwrap();
    with_usual_settings(Launch::of(&["run", "--listen", "127.0.0.1:0", "--data-dir", dir]))
}

fn with_usual_settings(launch: Launch) -> Launch {
    launch.set("clock", "event").set("commit.max_delay", "1ms").set("detection.reorder_delay", "0s")
}

fn at(vehicle: &str, minute: u32, lon: f64) -> String {
    ping(vehicle, &format!("2026-03-01T12:{minute:02}:00Z"), lon, 50.0, "")
}

/// Vehicle, kind, fence and reason of what was asserted, in order.
fn told(dir: &Path) -> Vec<[String; 4]> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let log = Outputs::of(dir).event_log();
    log.iter()
        .map(|event| ["vehicle_id", "kind", "fence_id", "reason"].map(|key| text(event, key)))
        .collect()
}

#[test]
fn fences_that_were_removed_moved_and_added_meanwhile() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let first = fences(dir.path(), &[("gone", 10.0), ("moved", 11.0), ("stays", 12.0)]);
    let mut worker = launch(&data).fences(&first).start();
    let vehicles = [("a", 10.0), ("b", 11.0), ("c", 12.0), ("d", 13.0)];
    let pings = |minute| vehicles.map(|(vehicle, lon)| at(vehicle, minute, lon));
    worker.client().deliver(&pings(0));
    worker.client().deliver(&pings(1));
    worker.kill();

    let second = fences(dir.path(), &[("moved", 21.0), ("stays", 12.0), ("new", 13.0)]);
    let mut worker = launch(&data).fences(&second).start();
    assert!(worker.stop().success(), "{}", worker.log());
    let row = |vehicle: &str, kind: &str, fence: &str, reason: &str| {
        [vehicle, kind, fence, reason].map(str::to_owned)
    };
    let mut told_at_restart = told(&data).split_off(3);
    told_at_restart.sort();
    let mut expected = [
        row("a", "geofence_exit", "gone", "fence_deleted"),
        row("a", "geofence_visit", "gone", "fence_deleted"),
        row("b", "geofence_exit", "moved", "fence_changed"),
        row("b", "geofence_visit", "moved", "fence_changed"),
        row("d", "geofence_enter", "new", "fence_created"),
    ];
    expected.sort();
    assert_eq!(told_at_restart, expected);
    let log = Outputs::of(&data).event_log();
    for event in &log[3..] {
        // It takes effect at its receive time, which is the newest ping's.
        assert_eq!(event["event_time"], "2026-03-01T12:01:00.000Z", "{event}");
        assert_eq!(event["not_before"], event["not_after"], "{event}");
    }

    // The same again changes nothing, and comes out the same.
    let mut worker = launch(&data).fences(&second).start();
    worker.client().deliver(&pings(2));
    worker.kill();
    let mut worker = launch(&data).fences(&second).start();
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(told(&data).len(), log.len(), "nothing new");
}

#[test]
fn settings_count_from_their_place_in_the_journal_on() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let fences = fences(dir.path(), &[("f", 10.0)]);
    for (n, dwell) in ["5m", "1m", "5m"].into_iter().enumerate() {
        let launch = launch(&data).fences(&fences).set("detection.dwell", dwell);
        let mut worker = launch.start();
        // A vehicle of its own to each life: inside for two minutes, gone.
        let (vehicle, minute) = (format!("v-{n}"), 10 * n as u32);
        for (later, lon) in [(0, 10.0), (2, 10.0), (3, 15.0)] {
            worker.client().deliver(&[at(&vehicle, minute + later, lon)]);
        }
        worker.kill();
    }
    // Every life is applied again, each with the settings it had.
    let mut worker = launch(&data).fences(&fences).set("detection.dwell", "5m").start();
    assert!(worker.stop().success(), "{}", worker.log());
    let told = told(&data);
    let dwells: Vec<&str> = told
        .iter()
        .filter(|row| row[1] == "geofence_dwell")
        .map(|[vehicle, ..]| vehicle.as_str())
        .collect();
    assert_eq!(dwells, ["v-1"]);
}

#[test]
fn another_number_of_shards_is_refused() {
    let dir = TempDir::new().unwrap();
    assert!(launch(dir.path()).set("shards", "2").start().stop().success());
    for shards in ["1", "3"] {
        let output = launch(dir.path()).set("shards", shards).output();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("set shards = 2"), "{said}");
    }
    assert!(!dir.path().join("journal/shard-2").exists(), "nothing is founded beside it");
    assert!(launch(dir.path()).set("shards", "2").start().stop().success());
}

/// Appends a segment as an engine of `core_version` would have written it,
/// that saw `pings` and concluded nothing from them.
fn append_without_events(data: &Path, core_version: u32, pings: &[VehiclePing]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions {
            shard: 0,
            shards: 1,
            first_seq: 1,
            created_at_ms: 0,
            writer: WriterId::random(),
            standby: Standby::ExclusiveLock,
            set_aside_tail: false,
        };
        let store = Store::local(&data.join("journal")).unwrap();
        let mut claim = claim(store, options).await.unwrap();
        let mut cursors: BTreeMap<String, Cursor> = BTreeMap::new();
        let snapshot = claim.snapshot().map(|snapshot| snapshot.cursors.clone());
        let mut keep = |recorded: Vec<Cursor>| {
            cursors.extend(recorded.into_iter().map(|cursor| (cursor.sink.clone(), cursor)));
        };
        keep(snapshot.unwrap_or_default());
        while let Some(segment) = claim.next_segment().await.unwrap() {
            keep(segment.cursors);
        }
        let cursors = cursors.into_values().collect();
        let fence = Segment { core_version, cursors, ..Segment::default() };
        let Fenced::Won(mut journal, _) = claim.fence(fence).await.unwrap() else {
            panic!("nobody else is there")
        };
        let payloads: Vec<Vec<u8>> = pings.iter().map(|ping| ping.encode_to_vec()).collect();
        let received = pings[0].event_time_us / 1000;
        let run = PingRun {
            receive_time_ms: received,
            receive_time_deltas: vec![0; pings.len() - 1],
            payload_lengths: payloads.iter().map(|payload| payload.len() as u32).collect(),
            payloads: payloads.concat().into(),
            dispositions: vec![Disposition::OnTime.into(); pings.len()],
            ..PingRun::default()
        };
        let inputs = vec![Input { input: Some(input::Input::Pings(run)) }];
        let segment = Segment { core_version, now_ms: received, inputs, ..Segment::default() };
        journal.commit(segment).await.unwrap();
    });
}

/// A journal whose last segment lacks the enter of vehicle "w".
fn journal_that_differs(dir: &TempDir, core_version: u32) -> std::path::PathBuf {
    let data = dir.path().join("data");
    let fences = fences(dir.path(), &[("f", 10.0)]);
    let mut worker = launch(&data).fences(&fences).start();
    worker.client().deliver(&[at("v", 0, 10.0)]);
    worker.kill();
    let time: jiff::Timestamp = "2026-03-01T12:01:00Z".parse().unwrap();
    let unseen = VehiclePing {
        vehicle_id: "w".to_owned(),
        event_time_us: time.as_microsecond(),
        lat: 50.0,
        lon: 10.0,
        ..VehiclePing::default()
    };
    append_without_events(&data, core_version, &[unseen]);
    fences
}

/// The event that was missed comes as an ordinary one, once.
fn expect_correction(data: &Path) {
    let events = fold(&Outputs::of(data).event_log());
    let enters: Vec<_> = events.values().filter(|event| event["vehicle_id"] == "w").collect();
    assert_eq!(enters.len(), 1, "{enters:?}");
    assert_eq!(enters[0]["kind"], "geofence_enter");
    assert_eq!(enters[0]["event_time"], "2026-03-01T12:01:00.000Z", "when it was");
}

#[test]
fn what_another_engine_saw_differently_becomes_a_correction() {
    let dir = TempDir::new().unwrap();
    let fences = journal_that_differs(&dir, CORE_VERSION + 1);
    let data = dir.path().join("data");
    // A strict audit is about this engine's own word.
    let mut worker = launch(&data).fences(&fences).start();
    let recovered = worker.line("recovered").unwrap();
    assert_eq!(recovered["other_version"], 1, "{recovered}");
    assert_eq!(recovered["differences"], 0, "{recovered}");
    worker.client().deliver(&[at("w", 2, 10.0)]);
    worker.kill();
    // What it was corrected to is what the journal says from then on.
    let mut worker = launch(&data).fences(&fences).start();
    assert!(worker.stop().success(), "{}", worker.log());
    expect_correction(&data);
}

#[test]
fn a_journal_that_contradicts_this_engine_is_fatal_to_a_strict_audit_alone() {
    let dir = TempDir::new().unwrap();
    let fences = journal_that_differs(&dir, CORE_VERSION);
    let data = dir.path().join("data");
    let output = launch(&data).fences(&fences).output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("came out differently"), "{said}");

    let mut worker = lenient(&data).fences(&fences).start();
    let recovered = worker.line("recovered").unwrap();
    assert_eq!(recovered["differences"], 1, "{recovered}");
    worker.client().deliver(&[at("w", 2, 10.0)]);
    assert!(worker.stop().success(), "{}", worker.log());
    expect_correction(&data);
}

#[test]
fn a_worker_on_the_wall_clock_comes_back_to_the_same() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let fences = fences(dir.path(), &[("f", 10.0)]);
    // Evaluated by the clock, in between and after what is committed.
    let launch = Launch::run(&data)
        .fences(&fences)
        .set("commit.max_delay", "1ms")
        // Its vehicles jump 570 m at a time, which robust would not believe.
        .set("detection.profile", "plain")
        .set("detection.reorder_delay", "40ms")
        .set("journal.snapshot_min_segments", "20");
    let mut sent = 0;
    for life in 0..6 {
        let mut worker = launch.start();
        let client = worker.client();
        for step in 0..30_u32 {
            let now = jiff::Timestamp::now();
            // Every seventh one is late, over the edge and back.
            let late = jiff::SignedDuration::from_millis(if step % 7 == 3 { 900 } else { 0 });
            let time = now.checked_sub(late).unwrap().to_string();
            let lon = 10.0 + 0.008 * f64::from(step % 4);
            let id = format!(r#","ping_id":"{life}-{step}""#);
            let vehicle = format!("v-{}", step % 3);
            client.deliver(&[ping(&vehicle, &time, lon, 50.0, &id)]);
            sent += 1;
        }
        worker.kill();
    }
    let mut worker = launch.start();
    assert!(worker.stop().success(), "{}", worker.log());
    let outputs = Outputs::of(&data);
    assert_eq!(outputs.archive().len(), sent);
    let log = outputs.event_log();
    // Refuses two operations of one id and revision.
    let events = fold(&log);
    assert!(events.len() > 10, "{}", events.len());
    assert!(log.iter().any(|event| event["late"] == true), "some were late");
}

/// The newest snapshot that is whole: a file that is being written has a `#` in its
/// name.
fn newest_snapshot(data: &Path) -> Option<String> {
    let files = fs::read_dir(data.join("journal/shard-0/snapshots")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.contains('#')).max()
}

#[test]
fn a_large_fleet_comes_back_from_a_snapshot_that_was_taken_down_between_segments() {
    const VEHICLES: usize = 6_000;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let fences = fences(dir.path(), &[("f", 10.0)]);
    let launch = launch(&data)
        .fences(&fences)
        .set("journal.snapshot_min_segments", "2")
        .set("archive.max_age", "1s");
    let mut worker = launch.start();
    let client = worker.client();
    let ids: Vec<String> = (0..VEHICLES).map(|i| format!("vehicle-{i}")).collect();
    let mut sent = 0;
    for minute in 0..6 {
        // A state of more than one step, in segments of which none has all.
        for part in ids.chunks(1_000) {
            let lon = 10.0 + 0.008 * f64::from(minute % 3);
            client.deliver(&part.iter().map(|id| at(id, minute, lon)).collect::<Vec<_>>());
            sent += part.len();
        }
    }
    // Written beside the segments, and in no hurry.
    wait_for("a snapshot", || newest_snapshot(&data));
    worker.kill();

    let mut worker = launch.start();
    let recovered = worker.line("recovered").unwrap();
    assert_eq!(recovered["differences"], 0, "{recovered}");
    assert!(recovered["snapshot"].as_u64().is_some(), "{recovered}");
    // The time that a drain has may be too short for so many.
    let outputs = Outputs::of(&data);
    wait_at_most(PATIENCE, "the archive", || (outputs.archive().len() >= sent).then_some(()));
    worker.terminate();
    assert!(worker.wait().success(), "{}", worker.log());
    assert_eq!(outputs.archive().len(), sent);
    fold(&outputs.event_log());
}

/// Pings of one vehicle, of which each makes a small segment.
fn single_pings() -> impl Iterator<Item = Vec<String>> {
    (0..).map(|ms| {
        let time = format!("2026-03-01T13:00:{:02}.{:03}Z", ms / 1_000, ms % 1_000);
        vec![ping("v-0", &time, 10.0, 50.0, "")]
    })
}

#[test]
fn a_snapshot_waits_for_no_segment_after_its_own() {
    let dir = TempDir::new().unwrap();
    // Nothing but pings makes a segment.
    let launch = launch(dir.path())
        .set("journal.snapshot_min_segments", "1")
        .set("journal.heartbeat", "10m")
        .set("source.stalled_after", "1h");
    // More state than is taken down right after a segment.
    let mut worker = launch.start();
    for part in 0..6 {
        worker.client().deliver(&thousand(part, 0));
    }
    assert!(worker.stop().success(), "{}", worker.log());

    let mut worker = launch.start();
    let due_at = deliver_until_a_snapshot_is_due(&worker, dir.path());
    wait_for("a snapshot of it", || newest_snapshot(dir.path()).filter(|newest| *newest == due_at));
    assert_eq!(newest_segment(dir.path()), due_at);
    assert!(worker.stop().success(), "{}", worker.log());
}

/// A thousand vehicles.
fn thousand(part: usize, minute: u32) -> Vec<String> {
    (0..1_000).map(|i| at(&format!("v-{}", 1_000 * part + i), minute, 10.0)).collect()
}

/// Delivers pings until the segments have more bytes than the newest snapshot, which
/// calls for the next one. Returns the name of the last.
fn deliver_until_a_snapshot_is_due(worker: &Worker, data: &Path) -> String {
    let newest = newest_snapshot(data).expect("of the end");
    let snapshot = data.join("journal/shard-0/snapshots").join(newest);
    let due_after = fs::metadata(snapshot).unwrap().len();
    let bytes = || {
        let sizes = segments_of(data, 0).into_iter().map(|path| path.metadata().unwrap().len());
        sizes.sum::<u64>()
    };
    let before = bytes();
    let mut minutes = 1..;
    while bytes() - before <= due_after {
        worker.client().deliver(&thousand(0, minutes.next().unwrap()));
    }
    newest_segment(data)
}

fn newest_segment(data: &Path) -> String {
    let newest = segments_of(data, 0).pop().expect("a segment");
    newest.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn after_a_start_snapshots_come_no_more_often_than_before() {
    let dir = TempDir::new().unwrap();
    let launch = launch(dir.path()).set("journal.snapshot_min_segments", "2");
    let mut worker = launch.start();
    worker.client().deliver(&thousand(0, 0));
    assert!(worker.stop().success(), "{}", worker.log());
    let first = newest_snapshot(dir.path()).expect("of the end");

    let mut worker = launch.start();
    deliver_until_a_snapshot_is_due(&worker, dir.path());
    let client = worker.client();
    // All that comes now is small.
    let mut pings = single_pings();
    let mut deliver_one = || client.deliver(&pings.next().unwrap());
    let next = wait_for("another snapshot", || {
        deliver_one();
        newest_snapshot(dir.path()).filter(|newest| *newest > first)
    });
    for _ in 0..100 {
        deliver_one();
    }
    assert_eq!(newest_snapshot(dir.path()), Some(next), "for a hundred small segments");
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn the_second_snapshot_of_a_journal_waits_for_as_many_bytes_as_the_first_has() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(dir.path()).set("journal.snapshot_min_segments", "2").start();
    let client = worker.client();
    client.deliver(&thousand(0, 0));
    let mut pings = single_pings();
    let mut deliver_one = || client.deliver(&pings.next().unwrap());
    let first = wait_for("a snapshot", || {
        deliver_one();
        newest_snapshot(dir.path())
    });
    for _ in 0..40 {
        deliver_one();
    }
    assert_eq!(newest_snapshot(dir.path()), Some(first), "for forty small segments");
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn a_first_start_that_was_cut_short_records_its_settings_the_next_time() {
    for fail_point in ["commit.before", "commit.after"] {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let fences = fences(dir.path(), &[("f", 10.0)]);
        let launch = |dwell| launch(&data).fences(&fences).set("detection.dwell", dwell);
        // After the claim, with the settings.
        let mut worker = launch("5m").dies_at(fail_point, 1).spawn();
        assert_eq!(worker.wait().code(), None, "killed: {}", worker.log());

        let mut worker = launch("5m").start();
        for minute in [0, 2, 3] {
            worker.client().deliver(&[at("v", minute, 10.0)]);
        }
        worker.kill();
        // What follows is not what was in force.
        let mut worker = launch("1m").start();
        let recovered = worker.line("recovered").unwrap();
        assert_eq!(recovered["differences"], 0, "{fail_point}: {recovered}");
        assert!(worker.stop().success(), "{}", worker.log());
    }
}

/// A sink that a start leaves out loses its cursor. What it wrote stays, and
/// what comes after its return is added once.
#[rstest]
#[case::the_journal_has_all("1h")]
#[case::the_journal_has_what_snapshots_do_not("0s")]
fn files_that_were_switched_off_go_on_after_what_is_there(#[case] keep: &str) {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let fences = fences(dir.path(), &[("f", 10.0)]);
    let launch = || {
        launch(&data)
            .fences(&fences)
            .set("journal.keep", keep)
            .set("journal.snapshot_min_segments", "1")
    };
    let life = |launch: Launch, minute: u32| {
        let mut worker = launch.start();
        let bad = r#"{"vehicle_id":"bad vehicle"}"#.to_owned();
        worker.client().deliver(&[at(&format!("v-{minute}"), minute, 10.0), bad]);
        assert!(worker.stop().success(), "{}", worker.log());
    };
    let off = |launch: Launch| {
        let keys = ["files.event_log", "files.dead_letters", "files.parquet"];
        keys.into_iter().fold(launch, |launch, key| launch.set(key, "false"))
    };
    life(launch(), 0);
    life(off(launch()), 1);
    life(launch(), 2);
    // Killed and started again, they go on from their cursors.
    let mut worker = launch().start();
    worker.client().deliver(&[at("v-3", 3, 10.0)]);
    worker.kill();
    assert!(launch().start().stop().success());

    let outputs = Outputs::of(&data);
    let vehicles: Vec<String> = outputs.archive().into_iter().map(|ping| ping.vehicle_id).collect();
    assert_eq!(vehicles, ["v-0", "v-2", "v-3"]);
    let entered: Vec<Value> =
        outputs.event_log().iter().map(|event| event["vehicle_id"].clone()).collect();
    assert_eq!(entered, ["v-0", "v-2", "v-3"]);
    assert_eq!(outputs.event_files().len(), 3);
    assert_eq!(outputs.dead_letters().len(), 2);
}

/// A deployment in a quiet hour.
#[test]
fn a_source_that_was_silent_before_a_restart_is_told_to_speak_again_once_it_does() {
    let dir = TempDir::new().unwrap();
    let launch = || {
        Launch::run(dir.path()).set("source.stalled_after", "1s").set("commit.max_delay", "20ms")
    };
    let told = || -> Vec<String> {
        let log = Outputs::of(dir.path()).event_log();
        let kinds = log.iter().map(|event| event["kind"].as_str().unwrap_or_default().to_owned());
        kinds.filter(|kind| kind.starts_with("source_")).collect()
    };
    let now = || jiff::Timestamp::now().to_string();
    let mut worker = launch().start();
    worker.client().deliver(&[ping("v", &now(), 10.0, 50.0, "")]);
    wait_for("the source to be told silent", || (told() == ["source_stalled"]).then_some(()));
    assert!(worker.stop().success(), "{}", worker.log());

    let mut worker = launch().start();
    // Looked at twice and more, which shows by nothing but the time.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(told(), ["source_stalled"], "it has not spoken yet, and is told once");
    worker.client().deliver(&[ping("v", &now(), 10.0, 50.0, "")]);
    wait_for("the source to speak", || {
        (told().get(..2)? == ["source_stalled", "source_recovered"]).then_some(())
    });
    assert!(worker.stop().success(), "{}", worker.log());
}
