//! Days on which a service is slow, fails or is away, or the worker dies, with
//! everything else on. In the end nothing is lost, nothing is there twice, and
//! events and positions are those of an undisturbed day.

use std::os::unix::process::ExitStatusExt as _;
use std::thread;
use std::time::{Duration, Instant};

use local_cloud::bigquery::{Call, Code, Fault};
use local_cloud::network::Mode;
use serde_json::Value;

use crate::cloud::{self, folded_by_vehicle, metric};
use crate::flow::over_http;
use crate::support::{Worker, fold, wait_for};
use crate::world::{PARTS, VEHICLES, World, poison};

/// More faults than any call is tried.
const ALWAYS: u32 = 1_000_000;

/// Whether every vehicle has an event.
fn of_all(events: &[Value]) -> bool {
    folded_by_vehicle(events).len() >= VEHICLES
}

fn is_killed(worker: &mut Worker) {
    let status = worker.wait();
    assert_eq!(status.signal(), Some(9), "{status}:\n{}", worker.log());
}

#[test]
fn firestore_is_slow_then_fails_then_is_back() {
    let Some(world) = World::new("slow-map", VEHICLES, PARTS) else { return };
    let expected = over_http(&world.input.drives);
    let worker = world.launch().start();
    world.publish(0);
    world.archives(1);
    world.map.shows(&world.input.newest(1));

    world.firestore.becomes(Mode::Slow(Duration::from_secs(2)));
    world.publish(1);
    world.archives(2);
    world.keep_up_but(&worker, "firestore");
    world.map.shows(&world.input.newest(2));

    world.firestore.becomes(Mode::Cut);
    world.publish(2);
    world.archives(3);
    world.watches(|events| fold(events) == expected);
    assert_eq!(world.map.shown(), world.input.newest(2), "positions stood still, nothing else did");
    let waiting = metric(&worker, "fleetstream_firestore_documents_waiting");
    assert!(waiting > 0.0 && waiting <= VEHICLES as f64, "{waiting} wait: one of each vehicle");
    world.firestore.becomes(Mode::Pass);
    world.ends_well(worker, &expected);
}

#[test]
fn bigquery_refuses_over_rest_and_in_the_stream() {
    let Some(world) = World::new("refusing", VEHICLES, PARTS) else { return };
    let expected = over_http(&world.input.drives);
    let standin = &world.bigquery.standin;
    let fails = |call, fault, times| standin.inject(call, fault, times).unwrap();
    let unavailable = || Fault::Status(Code::Unavailable);
    fails(Call::Rest, Fault::Http(429), 1);
    fails(Call::CreateWriteStream, unavailable(), ALWAYS);
    let mut worker = world.launch().start();
    worker.wait_for_line("BigQuery does not answer: its tables are checked before the first row");

    world.publish(0);
    world.publish(1);
    world.watches(of_all);
    world.map.shows(&world.input.newest(2));
    world.keep_up_but(&worker, "bigquery");
    assert_eq!(world.bigquery.pings(), [], "all but the archive went on");

    standin.clear_faults();
    fails(Call::CreateWriteStream, Fault::Status(Code::ResourceExhausted), 2);
    for (fault, times) in [
        (Fault::Answer(Code::ResourceExhausted), 3),
        (unavailable(), 3),
        (Fault::CutAfter, 2),
        (Fault::CutBefore, 2),
    ] {
        fails(Call::AppendRows, fault, times);
    }
    world.archives(2);

    // Streams end; the rows of those that are gone are counted by a query.
    for stream in standin.streams("fleet.events").unwrap() {
        standin.finalize_stream(&stream).unwrap();
    }
    for stream in standin.streams("fleet.pings").unwrap() {
        standin.drop_stream(&stream).unwrap();
    }
    standin.clear_faults();
    fails(Call::Rest, Fault::Http(429), 2);
    fails(Call::Rest, Fault::Http(503), 2);
    let asked = standin.calls(Call::Rest);
    world.publish(2);
    world.ends_well(worker, &expected);
    let asked = standin.calls(Call::Rest) - asked;
    assert!(asked > 4, "asked {asked} times, four of them in vain");
}

/// The broker goes on without the worker, which cannot reach it.
#[test]
fn the_broker_is_away_for_a_minute() {
    const AWAY: Duration = Duration::from_secs(60);
    let Some(world) = World::new("away", VEHICLES, PARTS) else { return };
    let mut worker = world.launch().start();
    world.publish(0);
    world.archives(1);
    // Some of it is pulled and not yet acknowledged.
    world.publish(1);
    world.broker.becomes(Mode::Cut);
    let cut = Instant::now();

    let expected = over_http(&world.input.drives);
    // What was taken in becomes durable and goes where it can.
    let all_durable = || metric(&worker, "fleetstream_in_flight") == 0.0;
    wait_for("nothing in flight", || all_durable().then_some(()));
    let taken = || metric(&worker, "fleetstream_archived_total") as usize;
    wait_for("its rows", || (world.bigquery.pings().len() == taken()).then_some(()));
    let waiting = || metric(&worker, "fleetstream_firestore_documents_waiting");
    wait_for("its positions", || (waiting() == 0.0).then_some(()));
    let topics = |labels: &str| !labels.contains("_topic\"");
    let behind = worker.client().metric_of("fleetstream_unreleased_segments", topics);
    assert_eq!(behind, 0.0, "no other sink waits");
    // HTTP goes on, too: these are known.
    let again = &world.input.drives[0][..1];
    let answer = worker.client().deliver(&[cloud::json(&again[0])]);
    assert_eq!(answer["duplicate"], 1, "{answer}");
    world.publish(2);

    thread::sleep(AWAY.saturating_sub(cut.elapsed()));
    assert!(worker.has_ended().is_none(), "{}", worker.log());
    world.broker.becomes(Mode::Pass);
    world.ends_well_at_last(worker, &expected);
}

/// Everything, rejects too, was durable or on its way there; nothing was
/// acknowledged.
#[test]
fn everything_comes_again_after_a_kill() {
    const REJECTS: usize = 1_000;
    let Some(world) = World::new("again", VEHICLES, PARTS) else { return };
    let expected = over_http(&world.input.drives);
    let mut sent: usize = (0..PARTS).map(|part| world.publish(part)).sum();
    sent += world.publish_refused((0..REJECTS).map(|n| poison(&format!("row {n}"), 0)));
    let launch = world.launch().set("commit.max_delay", "1s").dies_at("pubsub.ack", 1);
    is_killed(&mut launch.start_or_die());

    let worker = world.launch().start();
    cloud::wait_for_metric(&worker, "fleetstream_received_total", sent);
    world.ends_well(worker, &expected);
}

/// From the pulling of a message to its acknowledgement, and of a segment to
/// the cursors of its sinks.
const STEPS: [(&str, u32); 12] = [
    ("pubsub.received", 2),
    ("pubsub.handed_over", 2),
    ("commit.before", 2),
    ("commit.after", 2),
    ("release.before", 2),
    ("release.after", 2),
    ("ack.before", 3),
    ("ack.after", 3),
    ("pubsub.ack", 1),
    ("pubsub.acked", 2),
    ("events_topic.publish", 2),
    ("dead_letter_topic.published", 2),
];

#[test]
fn a_kill_at_any_step_loses_nothing_and_doubles_nothing() {
    let Some(world) = World::new("steps", VEHICLES, STEPS.len() + 1) else { return };
    let expected = over_http(&world.input.drives);
    for (part, (step, nth)) in STEPS.into_iter().enumerate() {
        world.publish(part);
        let mut worker = world.launch().dies_at(step, nth).start_or_die();
        // Should the broker still hold it all for the one before: an input of
        // its own.
        is_killed(&mut worker);
    }
    world.publish(STEPS.len());
    let worker = world.launch().start();
    world.ends_well_at_last(worker, &expected);
}

/// Firestore is cut off, BigQuery refuses and cuts connections, and the worker
/// is killed in the midst of it.
#[test]
fn bad_days_at_once() {
    let Some(world) = World::new("bad-days", VEHICLES, PARTS) else { return };
    let expected = over_http(&world.input.drives);
    let mut worker = world.launch().start();
    world.publish(0);
    world.archives(1);
    world.map.shows(&world.input.newest(1));

    world.firestore.becomes(Mode::Cut);
    let seen_before = world.seen.borrow().len();
    for (fault, times) in [
        (Fault::Answer(Code::ResourceExhausted), 3),
        (Fault::Status(Code::Unavailable), 3),
        (Fault::CutAfter, 2),
    ] {
        world.bigquery.standin.inject(Call::AppendRows, fault, times).unwrap();
    }
    world.publish(1);
    cloud::wait_for_metric(&worker, "fleetstream_firestore_documents_waiting", VEHICLES);
    world.archives(2);
    world.watches(of_all);
    assert!(world.seen.borrow().len() > seen_before, "events went on");
    assert_eq!(world.map.shown(), world.input.newest(1), "while positions stood still");

    world.publish(2);
    worker.kill();
    // What was pulled and not acknowledged comes again, some of it to streams
    // that the emulator does not yet know to be dead.
    let worker = world.launch().start();
    world.firestore.becomes(Mode::Pass);
    world.ends_well_at_last(worker, &expected);
}
