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
