//! The broker goes away and comes back.

use std::fs;

use local_cloud::PubsubEmulator;
use tempfile::TempDir;

use crate::cloud::{self, Cloud, complete, drives, events};
use crate::support::{Mounted, Outputs};

#[test]
fn a_worker_that_takes_nothing_leaves_the_messages_to_others() {
    let Some(cloud) = Cloud::shared("paused") else { return };
    let Some(disk) = Mounted::tmpfs("size=16m") else { return };
    fs::write(disk.path().join("ballast"), vec![1; 8 << 20]).unwrap();
    let launch = cloud.worker(disk.path()).set("journal.min_free_percent", "75%");
    let mut worker = launch.spawn();
    let stops = worker.wait_for_line("pulling stops");
    assert_eq!(stops["reason"], "disk_nearly_full");
    let drive = drives("bus", 1).remove(0);
    cloud.publish(drive.iter().map(cloud::message));
    cloud.collect("pings", |found| found.len() == drive.len());
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn a_worker_goes_on_when_the_broker_is_back() {
    let Some(emulator) = PubsubEmulator::start_or_skip().unwrap() else { return };
    let cloud = Cloud::on(&emulator, "outage");
    cloud.create();
    let dir = TempDir::new().unwrap();
    let mut worker = cloud.worker(dir.path()).set("source.stalled_after", "3s").start();
    let before = drives("before", 3);
    cloud.publish(before.iter().flatten().map(cloud::message));
    cloud.collect("events", |found| complete(&events(found), 3));

    emulator.stop();
    // Long enough for the worker to notice, and to say so.
    cloud::wait_for_metric(&worker, "fleetstream_events_total", 3 * cloud::EVENTS_EACH + 1);
    emulator.restart().unwrap();
    // The emulator keeps nothing.
    cloud.create();
    let after = drives("after", 3);
    cloud.publish(after.iter().flatten().map(cloud::message));
    cloud::wait_for_metric(&worker, "fleetstream_archived_total", 6 * after[0].len());
    let of_after = |found: &[_]| {
        let mut events = events(found);
        let recovered = events.iter().any(|event| event["kind"] == "source_recovered");
        events
            .retain(|event| event["vehicle_id"].as_str().is_some_and(|id| id.starts_with("after")));
        recovered && complete(&events, 3)
    };
    cloud.collect("events", of_after);
    assert!(worker.stop().success(), "{}", worker.log());
    let kinds: Vec<_> = Outputs::of(dir.path())
        .event_log()
        .iter()
        .filter(|event| event["source"] == "pubsub")
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds[..2], ["source_stalled", "source_recovered"], "{kinds:?}");
}

#[test]
fn a_subscription_that_brings_nothing_for_a_reason_is_told_of_once() {
    let Some(cloud) = Cloud::shared("deleted") else { return };
    let dir = TempDir::new().unwrap();
    let mut worker = cloud.worker(dir.path()).start();
    let [before, after] = ["before", "after"].map(|prefix| drives(prefix, 1).remove(0));
    cloud.publish(before.iter().map(cloud::message));
    cloud::wait_for_metric(&worker, "fleetstream_archived_total", before.len());

    let errors = || cloud::metric(&worker, "fleetstream_pull_errors_total");
    assert_eq!(errors(), 0.0);
    cloud.runtime.block_on(cloud.client.delete_topic(&cloud.topic("pings"))).unwrap();
    cloud::wait_for_metric(&worker, "fleetstream_pull_errors_total", 1);
    let silent = worker.wait_for_line("a subscription is silent");
    assert_eq!(silent["error"], "its topic is deleted: nothing comes until it is made anew");

    let subscription = cloud.subscription("pings");
    cloud.runtime.block_on(cloud.client.delete_subscription(&subscription)).unwrap();
    let ended = worker.wait_for_line("a pull stream ended; it is opened again");
    assert_eq!(ended["subscription"], subscription);
    cloud::wait_for_metric(&worker, "fleetstream_pull_errors_total", 6);
    assert_eq!(worker.line("pulling again"), None);

    cloud.runtime.block_on(cloud.client.create_pair("deleted-pings")).unwrap();
    cloud.publish(after.iter().map(cloud::message));
    worker.wait_for_line("pulling again");
    cloud::wait_for_metric(&worker, "fleetstream_archived_total", before.len() + after.len());
    assert!(worker.stop().success(), "{}", worker.log());
    for said_once in ["a pull stream ended", "pulling again"] {
        assert_eq!(worker.log().matches(said_once).count(), 1, "{}", worker.log());
    }
}
