//! The judge is judged: targets that are wrong in known ways get the verdict
//! they deserve, with the right numbers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{ArchiveRow, Done, FakeEngine, Faults, world, write_archive};
use loadgen::profile::{SHIPPED, World};
use loadgen::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use loadgen::send::Snapshot;
use loadgen::truth::{Kind, Names};
use loadgen::verdict::{Part, Report};
use reqwest::Url;
use rstest::rstest;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch::{Receiver, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) fn plan(world: World, out: &Path, names: &Names, address: &str) -> RunPlan {
    let url: Url = format!("http://{address}").parse().expect("an address");
    RunPlan {
        profile: "smoke".into(),
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        connections: 2,
        patience: Duration::from_secs(20),
        read_from: Some(url.clone()),
        ..RunPlan::new(world, Target::Http(url), out)
    }
}

/// Waits until a run says that it is as far as this.
async fn until(seen: &mut Receiver<Snapshot>, far_enough: impl FnMut(&Snapshot) -> bool) {
    let waiting = timeout(Duration::from_secs(60), seen.wait_for(far_enough));
    waiting.await.expect("it comes to that in time").expect("the run goes on");
}

pub(crate) fn names() -> Names {
    let start_ms = jiff::Timestamp::now().as_millisecond() + 500;
    Names { start_ms, prefix: "t-".into() }
}

/// Runs against a fake engine, then verifies with what it kept as its archive.
async fn judged(rate: u32, seconds: u32, faults: Faults) -> (Report, Done) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(rate, seconds), &names, faults);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    run(plan(world(rate, seconds), directory.path(), &names, &address)).await.expect("a run");
    stop.cancel();
    serving.await.expect("the server does not panic");
    let done = engine.done();
    let data_dir = directory.path().join("data");
    write_archive(&data_dir, &names, &done.kept, faults.alter);
    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let report =
        verify(&RunDirectory::open(directory.path()), kept, false).expect("everything is there");
    (report, done)
}

pub(crate) fn failed(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.holds).map(|check| check.name.as_str()).collect()
}

/// What fails but for how fast it was, which depends on the machine.
fn failed_but_for_speed(report: &Report) -> Vec<&str> {
    let speed = |name: &str| name == "rate_min" || name.contains("p99");
    failed(report).into_iter().filter(|name| !speed(name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_perfect_target_is_found_perfect() {
    let (report, done) = judged(600, 6, Faults::default()).await;
    assert_eq!(done.kept.len(), 3_600);
    let tally = report.pings.tally;
    assert_eq!((tally.missing, tally.doubled, tally.altered), (0, 0, 0));
    assert_eq!(tally.acknowledged, 3_600);
    assert_eq!(report.pings.positions_wrong, Some((0, 600)));
    assert_eq!((failed_but_for_speed(&report), report.unchecked.len()), (vec![], 0));
    assert!(report.kinds.len() > 3);
    for (kind, score) in &report.kinds {
        assert_eq!((score.precision, score.recall), (1.0, 1.0), "{kind}");
        assert_eq!((score.time_error_ms.max, score.inside_interval), (0.0, 1.0), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_drops_doubles_and_shifts_fails_with_those_numbers() {
    let faults = Faults { drops_of: 1_000, doubles_of: 100, shift_ms: 3_000, ..Faults::default() };
    let (report, done) = judged(1_000, 4, faults).await;
    assert_eq!((done.dropped, done.kept.len()), (4, 3_996));
    assert_eq!(report.pings.tally.missing, 4);
    assert_eq!(report.pings.tally.doubled, 0);
    assert!(done.doubled >= 5, "{done:?}");
    let made_up: u64 = report.kinds.values().map(|score| score.made_up).sum();
    assert_eq!(made_up, done.doubled);
    for score in report.kinds.values().filter(|score| score.found > 0) {
        assert_eq!((score.recall, score.time_bias_ms), (1.0, 3_000.0));
        assert_eq!((score.time_error_ms.p50, score.inside_interval), (3_000.0, 0.0));
    }
    assert!(!report.pass);
    let failed = failed(&report);
    for name in ["missing_max", "f1_min geofence_enter", "time_error_p95_ms_max geofence_enter"] {
        assert!(failed.contains(&name), "{name}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_ping_in_a_thousand_lost_is_told_as_that() {
    let faults = Faults { drops_of: 1_000, ..Faults::default() };
    let (report, done) = judged(1_000, 5, faults).await;
    assert_eq!((done.dropped, report.pings.tally.missing), (5, 5));
    assert_eq!(report.pings.tally.archived, 4_995);
    assert_eq!(report.pings.tally.acknowledged, 5_000);
    assert_eq!(failed_but_for_speed(&report), ["missing_max"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_in_a_thousand_doubled_is_told_as_that() {
    // Events enough for three of them.
    let faults = Faults { doubles_of: 1_000, ..Faults::default() };
    let (report, done) = judged(4_000, 15, faults).await;
    let required: u64 = report.kinds.values().map(|score| score.required).sum();
    assert_eq!(done.doubled, required / 1_000);
    assert!(done.doubled >= 3, "{required}");
    let made_up: u64 = report.kinds.values().map(|score| score.made_up).sum();
    assert_eq!(made_up, done.doubled);
    for (kind, score) in &report.kinds {
        let precision = score.found as f64 / (score.found + score.made_up) as f64;
        assert_eq!((score.recall, score.precision), (1.0, precision), "{kind}");
    }
    assert_eq!(report.pings.tally.missing, 0);
    // Whatever kind they are of, the profile wants every event to be right.
    let f1 = |kind: &str| report.kinds.get(kind).map_or(1.0, |score| score.f1);
    let mut wanted = Kind::ALL.map(Kind::name);
    wanted.sort_unstable();
    let expected: Vec<String> =
        wanted.iter().filter(|kind| f1(kind) < 1.0).map(|kind| format!("f1_min {kind}")).collect();
    assert_eq!(failed_but_for_speed(&report), expected);
    assert!(!expected.is_empty() && !report.pass);
}

#[rstest]
#[case::time("event_time", |row: &mut ArchiveRow| row.ping.event_time_us += 1)]
#[case::place_by_a_hair("lat", |row: &mut ArchiveRow| row.ping.lat += 1e-7)]
#[case::place_far_off("lon", |row: &mut ArchiveRow| row.ping.lon += 5.0)]
#[case::accuracy("accuracy_m", |row: &mut ArchiveRow| row.ping.accuracy_m = None)]
#[case::speed("speed_mps", |row: &mut ArchiveRow| row.ping.speed_mps = Some(99.0))]
#[case::heading("heading_deg", |row: &mut ArchiveRow| row.ping.heading_deg = Some(0.125))]
#[case::ignition("ignition", |row: &mut ArchiveRow| {
    row.ping.ignition = row.ping.ignition.is_none().then_some(true);
})]
#[case::place_as_text("location", |row: &mut ArchiveRow| row.location = "POINT(1 2)".into())]
#[case::day("day", |row: &mut ArchiveRow| row.day -= 1)]
#[case::number_never_sent("altitude_m", |row: &mut ArchiveRow| row.ping.altitude_m = Some(0.0))]
#[case::text_never_sent("trip_id", |row: &mut ArchiveRow| row.ping.trip_id = Some("t".into()))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_says_something_else_fails_by_that_name(
    #[case] column: &str,
    #[case] alter: fn(&mut ArchiveRow),
) {
    let faults = Faults { alter: Some(alter), ..Faults::default() };
    let (report, done) = judged(200, 2, faults).await;
    let tally = report.pings.tally;
    assert_eq!((tally.altered, tally.archived, tally.missing), (3, 400, 0));
    let of_archive = ["missing_max", "doubled_max", "strangers_max", "altered_max"];
    let failed = failed(&report).into_iter().filter(|name| of_archive.contains(name));
    assert_eq!(failed.collect::<Vec<_>>(), ["altered_max"]);
    assert!(!report.pass);
    // Which row, which column, what was sent and what is there.
    let examples = &report.pings.altered_examples;
    assert_eq!(examples.len(), 3, "{examples:?}");
    for (example, sent) in examples.iter().zip(&done.kept) {
        let row = format!("{} seq {}: ", sent.vehicle_id, sent.seq.expect("a number"));
        assert!(example.starts_with(&row), "{example}");
        assert!(example.contains(&format!("{column} must be ")), "{example}");
    }
    let (sent, said) = (&done.kept[0], &examples[0]);
    match column {
        "lat" => assert!(said.contains(&format!("lat must be {} and is ", sent.lat)), "{said}"),
        "altitude_m" => assert!(said.ends_with("altitude_m must be none and is 0"), "{said}"),
        _ => {}
    }
}

#[rstest]
#[case(Kind::Visit)]
#[case(Kind::StationaryEnd)]
#[case(Kind::IdleEnd)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_never_tells_of_a_kind_fails_by_its_name(#[case] hides: Kind) {
    let faults = Faults { hides: Some(hides), ..Faults::default() };
    let (report, _) = judged(600, 8, faults).await;
    assert!(report.kinds[hides.name()].required > 0);
    assert_eq!(failed_but_for_speed(&report), [format!("f1_min {}", hides.name())]);
}

#[rstest]
#[case::nothing_in_it(&[], &[Part::Archive, Part::DeadLetters], false)]
#[case::no_archive(&["dead_letters"], &[], true)]
#[case::no_letters(&["pings"], &[], false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_not_looked_at(
    #[case] there: &[&str],
    #[case] unread: &[Part],
    #[case] letters: bool,
) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data_dir = directory.path().join("data");
    std::fs::create_dir(&data_dir).expect("a writable directory");
    for name in there {
        std::fs::create_dir_all(data_dir.join(name)).expect("a writable directory");
    }
    let names = names();
    let engine = FakeEngine::new(&world(200, 1), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    // Once the last ping was sent, the archive is not waited for.
    let interrupt = CancellationToken::new();
    let (monitor, mut seen) = channel(Snapshot::default());
    let running = tokio::spawn(run(RunPlan {
        data_dir: Some(data_dir.clone()),
        interrupt: interrupt.clone(),
        monitor: Some(monitor),
        ..plan(world(200, 1), directory.path(), &names, &address)
    }));
    until(&mut seen, |seen| seen.answered == 200).await;
    interrupt.cancel();
    let report = running.await.expect("no panic").expect("a run");
    stop.cancel();
    serving.await.expect("the server does not panic");
    assert_eq!(report.unread.keys().copied().collect::<Vec<_>>(), unread);
    assert_eq!(report.pings.archive_read, there.contains(&"pings"));
    // An archive of which nothing came, as it was not waited for.
    assert_eq!(report.pings.archive_cut_short, there.contains(&"pings"));
    assert!(!failed(&report).contains(&"missing_max"));
    assert_eq!(report.rejects.dead_letters.is_some(), letters);

    // Nor does verifying clear or forget what it does not look at again.
    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let again = verify(&RunDirectory::open(directory.path()), kept, false);
    assert_eq!(again.is_err(), there.is_empty());
    write_archive(&data_dir, &names, &engine.done().kept, None);
    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let again = verify(&RunDirectory::open(directory.path()), kept, false).expect("a report");
    assert_eq!((again.pings.archive_read, again.pings.tally.missing), (true, 0));
    assert!(!again.pings.archive_cut_short);
    assert_eq!(again.rejects, report.rejects);
    assert_eq!(again.unread.contains_key(&Part::DeadLetters), there.is_empty());
    assert!(!again.unread.contains_key(&Part::Archive));

    // What a run has read from files, and verifying finds no more, is not judged.
    for name in ["pings", "dead_letters"] {
        let _ = std::fs::remove_dir_all(data_dir.join(name));
    }
    std::fs::create_dir_all(data_dir.join("event_log")).expect("a writable directory");
    let again = verify(&RunDirectory::open(directory.path()), kept, false).expect("a report");
    assert_eq!((again.pings.archive_read, again.rejects.dead_letters.is_some()), (false, false));
    assert!(again.unchecked.contains(&"missing_max".to_owned()) && !again.pass);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_that_is_not_there_ends_a_run_before_it_sends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(200, 1), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(Arc::clone(&engine).serve(listener, CancellationToken::new()));
    let out = directory.path().join("run");
    let refused = run(RunPlan {
        data_dir: Some(directory.path().join("dat")),
        ..plan(world(200, 1), &out, &names, &address)
    });
    let refused = format!("{:#}", refused.await.expect_err("there is none"));
    assert!(refused.contains("dat is no directory") && refused.contains("--data-dir"), "{refused}");
    assert!(!out.exists() && engine.requests() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_answers_a_run_ends_before_it_sends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("run");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let refused = run(RunPlan { start_ms: None, ..plan(world(200, 1), &out, &names(), &address) });
    let refused = timeout(Duration::from_secs(30), refused).await.expect("it says so soon");
    let refused = format!("{:#}", refused.expect_err("nobody is there"));
    assert!(refused.contains(&address) && refused.contains("--url"), "{refused}");
    assert!(!out.exists(), "nothing is known of a run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_that_are_three_seconds_late_are_told_as_that() {
    let faults = Faults { shift_ms: 3_000, ..Faults::default() };
    let (report, _) = judged(600, 5, faults).await;
    for (kind, score) in report.kinds.iter().filter(|(_, score)| score.found > 0) {
        assert_eq!((score.precision, score.recall), (1.0, 1.0), "{kind}");
        assert_eq!((score.time_bias_ms, score.time_error_ms.p50), (3_000.0, 3_000.0), "{kind}");
        assert_eq!(score.time_error_ms.max, 3_000.0, "{kind}");
        assert_eq!(score.inside_interval, 0.0, "{kind}");
    }
    let failed = failed_but_for_speed(&report);
    assert!(failed.len() > 3, "{failed:?}");
    let of_times = ["time_error_p95_ms_max ", "inside_interval_min "];
    assert!(failed.iter().all(|name| of_times.iter().any(|it| name.starts_with(it))), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_refuses_for_a_while_loses_nothing_and_is_told_of() {
    let faults = Faults { unavailable: 3, cut_off: 2, ..Faults::default() };
    let (report, done) = judged(200, 3, faults).await;
    assert_eq!(done.kept.len(), 600);
    let tally = report.pings.tally;
    assert_eq!((tally.acknowledged, tally.missing, tally.doubled), (600, 0, 0));
    assert_eq!(report.sending.answers.get("503 queue_full"), Some(&3));
    let broken = report.sending.answers.get("connection broken");
    // The client itself tries again on a connection that was used before.
    assert!(broken.is_none_or(|&count| count <= 2), "{:?}", report.sending.answers);
    assert!(report.sending.retries >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_202_that_cannot_be_read_is_no_answer() {
    let faults = Faults { garbled: 2, ..Faults::default() };
    let (report, done) = judged(200, 3, faults).await;
    assert_eq!((done.kept.len(), report.pings.tally.acknowledged), (600, 600));
    assert_eq!(report.sending.answers.get("202 unreadable"), Some(&2));
    assert_eq!((report.sending.retries, report.sending.answered), (2, 600));
    // It had taken them all the same.
    assert!(report.pings.duplicates > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_there_at_first_gets_everything_later() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(200, 3), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let (monitor, mut seen) = channel(Snapshot::default());
    let plan = RunPlan {
        monitor: Some(monitor),
        ..plan(world(200, 3), directory.path(), &names, &address.to_string())
    };
    let running = tokio::spawn(run(plan));
    until(&mut seen, |seen| seen.answers.contains_key("no connection")).await;
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(address).await.expect("the port is still free");
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    let report = running.await.expect("no panic").expect("a run");
    stop.cancel();
    serving.await.expect("the server does not panic");
    assert_eq!(engine.done().kept.len(), 600);
    assert_eq!(report.pings.tally.acknowledged, 600);
    assert!(report.sending.answers.contains_key("no connection"), "{:?}", report.sending.answers);
    assert!(report.sending.behind_ms_max > 100 || report.latency.answer.max_ms > 500.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_target_did_not_get_is_counted_exactly() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(400, 4), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    let (monitor, mut seen) = channel(Snapshot::default());
    let plan = RunPlan {
        patience: Duration::from_millis(300),
        monitor: Some(monitor),
        ..plan(world(400, 4), directory.path(), &names, &address)
    };
    let running = tokio::spawn(run(plan));
    until(&mut seen, |seen| seen.answered > 200).await;
    stop.cancel();
    let report = running.await.expect("no panic").expect("a run");
    serving.await.expect("the server does not panic");
    let got = engine.done().kept.len() as u64;
    let tally = report.pings.tally;
    assert!(got > 0 && got < 1_600, "{got}");
    // It may have died between taking a batch and answering it.
    assert!(tally.acknowledged <= got && got - tally.acknowledged <= 400, "{tally:?} of {got}");
    assert_eq!(tally.sent, 1_600);
    assert_eq!(report.sending.given_up, 1_600 - tally.acknowledged);
    assert!(!report.pass && failed(&report).contains(&"acknowledged_min"));
}

#[rstest]
#[case::that_never_answers(Faults { hangs_after: Some(3), ..Faults::default() })]
#[case::that_answers_503_for_ever(Faults { unavailable_after: Some(3), ..Faults::default() })]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_against_a_target(#[case] faults: Faults) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(400, 4), &names, faults);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Arc::clone(&engine).serve(listener, stop.clone()));
    let plan = RunPlan {
        patience: Duration::from_millis(300),
        ..plan(world(400, 4), directory.path(), &names, &address)
    };
    let report = timeout(Duration::from_secs(120), run(plan)).await;
    let report = report.expect("it ends").expect("a run");
    stop.cancel();
    serving.await.expect("the server does not panic");
    let got = engine.done().kept.len() as u64;
    let tally = report.pings.tally;
    assert_eq!((tally.sent, tally.acknowledged), (1_600, got));
    assert!(got > 0 && got < 1_600, "{got}");
    assert_eq!(report.sending.given_up, 1_600 - got);
    let trouble = if faults.hangs_after.is_some() { "no answer in time" } else { "503 queue_full" };
    assert!(report.sending.answers.contains_key(trouble), "{:?}", report.sending.answers);
    assert!(!report.pass && failed(&report).contains(&"acknowledged_min"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_never_answers_readers_does_not_hold_up_the_run() {
    let faults = Faults { hangs_readers: true, ..Faults::default() };
    let (report, done) = timeout(Duration::from_secs(180), judged(200, 2, faults))
        .await
        .expect("it ends, however nothing is read");
    assert_eq!((report.pings.tally.acknowledged, done.kept.len()), (400, 400));
    assert_eq!((report.latency.position.count, report.pings.positions_wrong), (0, None));
    // Nothing is known of what could not be read, and that alone fails the run.
    assert_eq!((report.events.as_ref(), report.kinds.len()), (None, 0));
    assert_eq!(report.unread.keys().collect::<Vec<_>>(), [&Part::Events, &Part::Positions]);
    assert!(report.unread[&Part::Events].contains("does not open"), "{:?}", report.unread);
    assert!(!report.pass && failed(&report).contains(&"unread"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_that_are_not_all_listed_are_not_judged() {
    let faults = Faults { lists_max: Some(150), ..Faults::default() };
    let (report, _) = judged(200, 2, faults).await;
    assert_eq!(report.pings.positions_wrong, None);
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    assert_eq!(report.notes, ["positions are not judged: only 150 of 200 are listed over HTTP"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_at_another_place_are_told_as_that() {
    let faults = Faults { moves_deg: 1e-6, ..Faults::default() };
    let (report, _) = judged(200, 2, faults).await;
    assert_eq!(report.pings.positions_wrong, Some((3, 200)));
    let examples = &report.pings.position_examples;
    let is_of_lat = |it: &String| it.starts_with("t-v") && it.contains(": lat must be ");
    assert!(examples.len() == 3 && examples.iter().all(is_of_lat), "{examples:?}");
    assert_eq!(failed_but_for_speed(&report), ["positions_wrong_max"]);
}

#[rstest]
#[case::drawn_at_once(Duration::ZERO)]
#[case::drawn_each_three_seconds(Duration::from_secs(3))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ping_waits_for_a_map(#[case] map_every: Duration) {
    let faults = Faults { map_every, ..Faults::default() };
    let (report, _) = judged(200, 6, faults).await;
    let position = report.latency.position;
    // Four vehicles are watched, of which each sends a ping a second.
    assert_eq!((position.count, position.early), (24, 0), "{position:?}");
    let lags = map_every > Duration::ZERO;
    assert_eq!(position.p50_ms >= 900.0, lags, "{position:?}");
    assert!(!lags || position.p99_ms >= 1_900.0, "{position:?}");
}

#[rstest]
#[case::fails(&[], 1)]
#[case::is_allowed(&["--allow-unchecked"], 0)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_looked_at(#[case] more: &[&str], #[case] code: i32) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = FakeEngine::new(&world(200, 1), &names(), Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(Arc::clone(&engine).serve(listener, CancellationToken::new()));
    // Nothing that depends on how fast this machine is.
    let smoke = SHIPPED[0].1;
    let thresholds = smoke.find("[thresholds]").expect("it has some");
    let profile = directory.path().join("profile.toml");
    let text =
        format!("{}[thresholds]\nacknowledged_min = 1.0\nmissing_max = 0", &smoke[..thresholds]);
    std::fs::write(&profile, text).expect("a writable directory");
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "--seconds", "1", "--no-read-back", "--url", &format!("http://{address}")])
        .arg("--profile")
        .arg(&profile)
        .arg("--out")
        .arg(directory.path().join("run"))
        .args(more)
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), output).await.expect("it ends");
    let output = output.expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let of_archive = said.lines().find(|line| line.contains("missing_max")).expect("it is named");
    assert!(of_archive.contains("not looked at") && of_archive.contains("--data-dir"), "{said}");
    assert_eq!(of_archive.starts_with("FAIL"), code == 1, "{said}");
    assert!(said.ends_with(if code == 1 { "FAIL\n" } else { "PASS\n" }), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_due_when_a_run_is_interrupted_is_none_of_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    // So few pings for each connection that a queue holds many seconds of them.
    let few = || world(20, 60);
    let engine = FakeEngine::new(&few(), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(Arc::clone(&engine).serve(listener, CancellationToken::new()));
    let interrupt = CancellationToken::new();
    let (monitor, mut seen) = channel(Snapshot::default());
    let running = tokio::spawn(run(RunPlan {
        connections: 8,
        read_from: None,
        interrupt: interrupt.clone(),
        monitor: Some(monitor),
        ..plan(few(), directory.path(), &names, &address)
    }));
    until(&mut seen, |seen| seen.answered >= 20).await;
    interrupt.cancel();
    let report = timeout(Duration::from_secs(90), running).await.expect("it ends");
    let report = report.expect("no panic").expect("a run");
    let got = engine.done().kept.len() as u64;
    let (sending, tally) = (&report.sending, report.pings.tally);
    assert_eq!((sending.given_up, sending.intended, tally.sent), (0, got, got));
    assert!(got < 400, "{got} of 1,200");
    // Every twentieth of a second one, up to the last.
    assert!((report.seconds * 20.0 - got as f64).abs() <= 1.0, "{got} in {} s", report.seconds);
    assert_eq!(failed_but_for_speed(&report), ["interrupted"]);
}
