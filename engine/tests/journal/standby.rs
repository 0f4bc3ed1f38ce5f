//! A second worker waits while the first one writes, then takes over.

use std::time::Duration;

use engine::journal::{CommitError, Fenced, Standby, claim};
use protos::journal::Segment;
use tokio::time::Instant;

use crate::support::*;

const QUIET: Duration = Duration::from_secs(5);

fn standby() -> engine::journal::OpenOptions {
    let mut options = options();
    options.standby = Standby::Quiet { for_: QUIET, poll: Duration::from_millis(500) };
    options
}

#[tokio::test(start_paused = true)]
async fn waits_while_the_tail_moves_then_fences() {
    let store = Faulty::new();
    let mut owner = own(store.store()).await;
    let claiming = tokio::spawn(claim(store.store(), standby()));
    for mark in 0..20 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!claiming.is_finished(), "the owner is alive");
        commit(&mut owner, &mark.to_string()).await;
    }
    let stopped = Instant::now();
    let mut claim = claiming.await.unwrap().unwrap();
    let waited = stopped.elapsed();
    assert!(waited >= QUIET && waited <= QUIET + Duration::from_secs(1), "{waited:?}");

    assert_eq!(reapply(&mut claim).await.unwrap().len(), 20);
    // The owner wakes for one more segment before the fence stands.
    commit(&mut owner, "last").await;
    let behind = claim.fence(Segment::default()).await.unwrap();
    assert!(matches!(behind, Fenced::Behind(segment) if mark_of(&segment) == "last"));
    let Fenced::Won(mut new, committed) = claim.fence(Segment::default()).await.unwrap() else {
        panic!("nothing else stands in the way");
    };
    assert_eq!((new.epoch(), committed.segment.epoch), (2, 2));
    let error = owner.commit(marked("too late")).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { epoch: 2, .. }), "{error}");
    commit(&mut new, "mine").await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_nobody_owns_is_waited_for_as_well() {
    let store = Faulty::new();
    let began = Instant::now();
    claim(store.store(), standby()).await.unwrap();
    assert!(began.elapsed() >= QUIET);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_not_quiet() {
    let store = Faulty::new();
    own(store.store()).await;
    let claiming = tokio::spawn(claim(store.store(), standby()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.fail_reads(u32::MAX);
    tokio::time::sleep(Duration::from_secs(60)).await;
    store.fail_reads(0);
    let back = Instant::now();
    claiming.await.unwrap().unwrap();
    assert!(back.elapsed() >= QUIET - Duration::from_secs(1), "{:?}", back.elapsed());
}
