//! Two owners of one shard: the second stands by, then takes over; never do
//! both acknowledge.

mod gate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::exit::Exit;
use engine::intake::{Entry, Intake, IntakeError};
use engine::journal::{Store, await_quiet, frame};
use engine::shard::{Claimed, Follower};
use geofence::TimeMs;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use prost::Message as _;
use protos::PingView;
use protos::journal::{Segment, SegmentKind, input};
use protos::telemetry::VehiclePing;
use tempfile::TempDir;

use crate::support::shard::{Owner, claim};
use crate::support::{Launch, ping, segments_of};
use gate::Gate;

/// So long must the journal stand still before a standby takes it.
const QUIET: Duration = Duration::from_secs(5);

/// Stands by until nothing moves, then claims.
async fn take_over(store: Store) -> anyhow::Result<Claimed> {
    await_quiet(&store, &[0], QUIET, QUIET / 20).await?;
    claim(store).await
}

/// The n-th ping of the test.
fn entry(n: i64) -> Entry {
    let ping = VehiclePing {
        vehicle_id: "v".to_owned(),
        ping_id: Some(format!("p-{n:04}")),
        event_time_us: 1_770_000_000_000_000 + n * 1_000_000,
        lat: 50.0,
        lon: 10.0,
        ..VehiclePing::default()
    };
    let received = TimeMs(ping.event_time_us / 1_000);
    let admitted =
        geofence::admission::admit(&PingView::from(&ping), received, false).expect("a good ping");
    Entry::Ping {
        ping: admitted,
        payload: ping.encode_to_vec().into(),
        message_id: String::new(),
        dropped: Default::default(),
    }
}

/// Whether ping `n` was acknowledged.
async fn send(intake: &Intake, n: i64) -> bool {
    match intake.submit(0, None, false, vec![entry(n)]).await {
        Ok(pending) => pending.wait().await.is_ok(),
        Err(error) => {
            assert!(matches!(error, IntakeError::Closed { .. }), "{error}");
            false
        }
    }
}

/// Ids of the pings in the journal, in order.
async fn recorded(mut follower: Follower) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(segment) = follower.next_committed().await.expect("readable") {
        for recorded in &segment.inputs {
            let Some(input::Input::Pings(run)) = &recorded.input else { continue };
            let mut rest = run.payloads.as_ref();
            for &length in &run.payload_lengths {
                let (payload, behind) = rest.split_at(length as usize);
                rest = behind;
                let ping = VehiclePing::decode(payload).expect("a ping");
                ids.push(ping.ping_id.expect("every ping here has one"));
            }
        }
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn a_standby_waits_then_fences_and_the_fenced_owner_acknowledges_nothing_more() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (gate, switch) = Gate::new(Arc::clone(&objects));
    let first = Owner::start(claim(Store::shared(Arc::new(gate))).await.unwrap());

    // While the first works the second stands by, however long.
    let second = tokio::spawn(take_over(Store::shared(objects)));
    let mut acknowledged = BTreeSet::new();
    let lost = 20;
    for n in 0..lost {
        assert!(send(&first.intake, n).await);
        acknowledged.insert(format!("p-{n:04}"));
        tokio::time::sleep(QUIET - QUIET / 10).await;
        assert!(!second.is_finished(), "it stood by");
    }

    // The first is held up in the middle of a commit.
    switch.send_replace(false);
    let intake = first.intake.clone();
    let held_up = tokio::spawn(async move { send(&intake, lost).await });
    let second = second.await.unwrap().expect("the journal stood still");
    assert_eq!(second.audit.differences, 0);
    assert!(second.audit.pings > 0, "it has the first one's state");
    let from_first = Follower::new(second.reader(), second.first_seq);
    let second = Owner::start(second);
    for n in lost + 1..lost + 20 {
        assert!(send(&second.intake, n).await);
        acknowledged.insert(format!("p-{n:04}"));
    }

    // The first goes on, and finds itself fenced.
    switch.send_replace(true);
    let error = first.task.await.unwrap().expect_err("fenced");
    assert_eq!(Exit::of(&error), Exit::Temporary, "{error:#}");
    assert!(!held_up.await.unwrap(), "what it held was not acknowledged");
    assert!(!send(&first.intake, lost + 100).await, "nor is anything later");

    assert!(send(&second.intake, lost + 20).await, "the second goes on");
    acknowledged.insert(format!("p-{:04}", lost + 20));
    let recorded = recorded(from_first).await;
    assert_eq!(recorded, acknowledged.into_iter().collect::<Vec<_>>(), "each once, in order");
}

/// Puts `content` where a running worker will commit next, and sends it a
/// ping. Returns how it ended and what it said; nothing may be acknowledged.
fn put_in_the_way(content: impl Fn(Segment) -> Vec<u8>) -> (Option<i32>, String) {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path()).set("clock", "event").set("commit.max_delay", "5ms");
    let mut worker = launch.start();
    let client = worker.client();
    let at = |second| vec![ping("v", &format!("2026-03-01T12:00:0{second}Z"), 10.0, 50.0, "")];
    client.deliver(&at(0));
    let last = segments_of(dir.path(), 0).pop().unwrap();
    let newest = frame::decode_segment(&std::fs::read(&last).unwrap(), "the newest").unwrap();
    let next = last.with_file_name(format!("{:020}", newest.seq + 1));
    std::fs::write(next, content(newest)).unwrap();

    let answer = client.send(&at(1));
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 503), "{answer:?}");
    (worker.wait().code(), worker.log())
}

#[test]
fn a_worker_that_finds_another_ones_claim_ends_with_75() {
    let (code, log) = put_in_the_way(|newest| {
        let mut claim = Segment {
            journal_id: newest.journal_id,
            seq: newest.seq + 1,
            epoch: newest.epoch + 1,
            writer_id: vec![7; 16].into(),
            ..Segment::default()
        };
        claim.set_kind(SegmentKind::Fence);
        frame::encode_segment(&claim).to_vec()
    });
    assert_eq!(code, Some(75), "{log}");
    assert!(log.contains("fenced off"), "{log}");
}

#[test]
fn a_worker_whose_next_name_holds_junk_ends_and_says_where() {
    let (code, log) = put_in_the_way(|_| b"junk".to_vec());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("shard-0/journal/"), "{log}");
}
