//! The judge is judged: targets that are wrong in known ways get the verdict
//! they deserve, with the right numbers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Done, FakeEngine, Faults, world, write_archive};
use loadgen::google::Pubsub;
use loadgen::profile::World;
use loadgen::run::{Kept, RunDirectory, RunPlan, Target, run, verify};
use loadgen::truth::Names;
use loadgen::verdict::Report;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn plan(world: World, out: &Path, names: &Names, address: &str) -> RunPlan {
    let url: Url = format!("http://{address}").parse().expect("an address");
    RunPlan {
        world: Arc::new(world),
        profile: "smoke".into(),
        traces: None,
        target: Target::Http(url.clone()),
        out: out.to_owned(),
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        connections: 2,
        patience: Duration::from_secs(20),
        read_from: Some(url),
        pubsub: Pubsub::Service,
        events_subscription: None,
        data_dir: None,
        pid: None,
        view: false,
    }
}

fn names() -> Names {
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
    write_archive(&data_dir, &names, &done.kept);
    let kept = Kept { data_dir: Some(&data_dir), events: None };
    let report = verify(&RunDirectory::open(directory.path()), kept).expect("everything is there");
    (report, done)
}

fn failed(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.holds).map(|check| check.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_perfect_target_is_found_perfect() {
    let (report, done) = judged(600, 4, Faults::default()).await;
    assert_eq!(done.kept.len(), 2_400);
    assert_eq!((report.pings.tally.missing, report.pings.tally.doubled), (0, 0));
    assert_eq!(report.pings.tally.acknowledged, 2_400);
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
async fn a_target_that_is_not_there_at_first_gets_everything_later() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let names = names();
    let engine = FakeEngine::new(&world(200, 3), &names, Faults::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let running =
        tokio::spawn(run(plan(world(200, 3), directory.path(), &names, &address.to_string())));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
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
    let plan = RunPlan {
        patience: Duration::from_millis(300),
        ..plan(world(400, 4), directory.path(), &names, &address)
    };
    let running = tokio::spawn(run(plan));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
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
