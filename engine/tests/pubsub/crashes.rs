//! `kill -9` between the commit and the acks, and between the publishing of
//! events and the cursor: what comes again has no effect again.

use tempfile::TempDir;

use crate::cloud::{self, Cloud, complete, drives, events, operations};
use crate::support::Outputs;

const VEHICLES: usize = 5;

/// Runs a worker that dies at `fail_point`, and one after it.
fn survives(name: &str, fail_point: &str) {
    let Some(cloud) = Cloud::shared(name) else { return };
    let dir = TempDir::new().unwrap();
    let drives = drives("bus", VEHICLES);
    let mut worker = cloud.worker(dir.path()).dies_at(fail_point, 2).start_or_die();
    cloud.publish(drives.iter().flatten().map(cloud::message));
    assert!(worker.wait().code().is_none(), "killed:\n{}", worker.log());

    let mut worker = cloud.worker(dir.path()).start();
    // Everything that was leased comes again, what was durable as duplicates.
    let sent = VEHICLES * drives[0].len();
    let all = cloud.collect("events", |found| complete(&events(found), VEHICLES));
    assert!(worker.stop().success(), "{}", worker.log());
    // What the killed worker had leased may come again when this one has gone.
    cloud.settle(&cloud.worker(dir.path()));

    let outputs = Outputs::of(dir.path());
    let archived: Vec<_> = outputs.archive().into_iter().map(|row| row.ping_id).collect();
    let mut distinct = archived.clone();
    distinct.dedup();
    assert_eq!((archived.len(), distinct.len()), (sent, sent), "each ping once, none lost");
    let logged = operations(&outputs.event_log());
    assert!(operations(&events(&all)).is_subset(&logged), "nothing is published that is not so");
}

#[test]
fn messages_that_were_durable_and_not_acknowledged_come_again_without_effect() {
    survives("unacked", "ack.before");
}

#[test]
fn events_that_were_published_before_their_cursor_are_published_again_alike() {
    survives("published", "events_topic.published");
}
