//! Everything on at once: pings from a subscription; events and dead letters
//! to their topics, positions to Firestore, the archive to BigQuery.

use std::collections::BTreeMap;

use google_cloud_pubsub::model::Message;

use crate::cloud::{batch, events, metric, operations};
use crate::flow::over_http;
use crate::support::{fold, wait_for};
use crate::world::{PARTS, VEHICLES, World};

#[test]
fn every_output_has_everything_of_a_good_day() {
    let Some(world) = World::new("whole", VEHICLES, PARTS) else { return };
    let expected = over_http(&world.input.drives);
    let worker = world.launch().start();
    for part in 0..world.input.parts.len() {
        world.publish(part);
    }
    world.ends_well(worker, &expected);
}

/// V40: `kill -9` between the publishing of an event and its
/// acknowledgement, which is the cursor.
#[test]
fn v40_an_event_published_again_after_a_kill_is_the_same_event() {
    let Some(world) = World::new("v40", 10, PARTS) else { return };
    // A message holds the whole drive of a vehicle and nothing waits for
    // others: once they come, each segment has events.
    let launch = || world.launch().set("shards", "1").set("detection.reorder_delay", "0s");
    let mut worker = launch().dies_at("events_topic.published", 6).start();
    let (mut sent, mut pings) = (0, 0);
    for drive in &world.input.drives {
        world.cloud.publish([batch(drive)]);
        (sent, pings) = (sent + 1, pings + drive.len());
        let ended = wait_for("a segment, or the end", || {
            let archived = metric(&worker, "fleetstream_archived_total") >= pings as f64;
            worker.has_ended().map(|_| true).or(archived.then_some(false))
        });
        if ended {
            break;
        }
    }
    // What is published is committed, so nothing waits for a lease's end.
    assert!(worker.wait().code().is_none(), "killed:\n{}", worker.log());
    let expected = over_http(&world.input.drives[..sent]);

    let mut worker = launch().start();
    world.takes(|seen| fold(&events(seen)) == expected && published_again(seen));
    assert!(worker.stop().success(), "{}", worker.log());
    world.takes(|seen| operations(&events(seen)).len() == world.bigquery.events().len());
    let seen = world.seen.borrow();
    assert!(fold(&events(&seen)) == expected, "folded, nothing has changed");
    assert!(
        by_operation(&seen)
            .values()
            .all(|copies| copies.windows(2).all(|two| two[0].data == two[1].data))
    );
    assert_eq!(world.bigquery.events().len(), by_operation(&seen).len(), "each once");
}

/// Whether an operation was published twice, not only delivered twice.
fn published_again(seen: &[Message]) -> bool {
    let differ = |copies: Vec<&Message>| {
        copies.iter().any(|message| message.message_id != copies[0].message_id)
    };
    by_operation(seen).into_values().any(differ)
}

/// The messages of each operation, by the id and the revision in their
/// attributes.
fn by_operation(seen: &[Message]) -> BTreeMap<(&str, &str), Vec<&Message>> {
    let mut copies: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in seen {
        let attribute = |name: &str| message.attributes[name].as_str();
        copies.entry((attribute("event_id"), attribute("revision"))).or_default().push(message);
    }
    copies
}
