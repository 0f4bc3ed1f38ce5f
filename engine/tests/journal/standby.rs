//! A second worker waits while the first one writes, then takes over.

use std::time::Duration;

use engine::journal::{
    CommitError, Fenced, Journal, OpenOptions, Retention, RetentionPolicy, Snapshots, await_quiet,
    claim,
};
use protos::journal::{Segment, SegmentKind};
use tokio::time::{Instant, sleep};

use crate::support::*;

const QUIET: Duration = Duration::from_secs(5);
/// Between two commits of an owner that is alive.
const SIGNS_OF_LIFE: Duration = Duration::from_secs(4);

#[tokio::test(start_paused = true)]
async fn waits_while_the_tail_moves_then_fences() {
    let store = Faulty::new();
    let mut owner = own(store.store()).await;
    let claiming = tokio::spawn(take_over(store.store(), QUIET));
    for mark in 0..20 {
        sleep(SIGNS_OF_LIFE).await;
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
    assert_eq!(committed.segment.kind(), SegmentKind::Fence);
    let error = owner.commit(marked("too late")).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { epoch: 2, .. }), "{error}");
    commit(&mut new, "mine").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_where_nobody_has_ever_been() {
    let store = Faulty::new();
    let begun = Instant::now();
    await_quiet(&store.store(), &[0, 1], QUIET, QUIET / 10).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // Whoever was there may still be, however long ago that was.
    own(store.store()).await;
    sleep(1_000 * QUIET).await;
    let begun = Instant::now();
    await_quiet(&store.store(), &[0, 1], QUIET, QUIET / 10).await.unwrap();
    assert!(begun.elapsed() >= QUIET, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_moves_stands_for_those_that_do_not() {
    let store = Faulty::new();
    let shards = |shard| OpenOptions { shard, shards: 2, ..waited() };
    let (mut busy, _) = own_with(store.store(), shards(0)).await;
    own_with(store.store(), shards(1)).await;
    let standing_by = store.store();
    let waiting =
        tokio::spawn(async move { await_quiet(&standing_by, &[0, 1], QUIET, QUIET / 10).await });
    for mark in 0..10 {
        sleep(SIGNS_OF_LIFE).await;
        assert!(!waiting.is_finished(), "one of the two shards moves");
        commit(&mut busy, &mark.to_string()).await;
    }
    waiting.await.unwrap().unwrap();
    let mut idle = claim(store.store(), shards(1)).await.unwrap();
    assert!(reapply(&mut idle).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shard_of_others_that_moves_is_nobodys_matter() {
    let store = Faulty::new();
    let shards = |shard| OpenOptions { shard, shards: 2, ..waited() };
    let (mut busy, _) = own_with(store.store(), shards(0)).await;
    let begun = Instant::now();
    await_quiet(&store.store(), &[1], QUIET, QUIET / 10).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody has ever had shard 1");
    own_with(store.store(), shards(1)).await;
    let standing_by = store.store();
    let waiting =
        tokio::spawn(async move { await_quiet(&standing_by, &[1], QUIET, QUIET / 10).await });
    for mark in 0..3 {
        sleep(SIGNS_OF_LIFE).await;
        commit(&mut busy, &mark.to_string()).await;
    }
    assert!(waiting.is_finished(), "shard 1 stood still");
    commit(&mut busy, "it goes on").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_not_quiet() {
    let store = Faulty::new();
    own(store.store()).await;
    let claiming = tokio::spawn(take_over(store.store(), QUIET));
    sleep(Duration::from_secs(1)).await;
    store.fail_reads(u32::MAX);
    sleep(Duration::from_secs(60)).await;
    store.fail_reads(0);
    let back = Instant::now();
    claiming.await.unwrap().unwrap();
    assert!(back.elapsed() >= QUIET - Duration::from_secs(1), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_has_packed_its_history_meanwhile_is_found_again() {
    let store = Faulty::new();
    let mut owner = own(store.store()).await;
    let cut_off = store.another();
    let claiming = tokio::spawn(take_over(cut_off.store(), QUIET));
    sleep(Duration::from_secs(1)).await;
    cut_off.fail_reads(u32::MAX);
    // The name that was next comes and goes while nothing can be read.
    let mut last = 0;
    for mark in 0..8 {
        last = commit(&mut owner, &mark.to_string()).await.seq;
    }
    pack_up_to(&store, &owner, last - 1).await;
    assert_eq!(store.raw(&segment_name(FIRST_SEQ + 1)).await, None, "it is in a pack");
    sleep(Duration::from_secs(60)).await;
    cut_off.fail_reads(0);

    for mark in 8..20 {
        sleep(SIGNS_OF_LIFE).await;
        assert!(!claiming.is_finished(), "the owner is alive");
        commit(&mut owner, &mark.to_string()).await;
    }
    let mut claim = claiming.await.unwrap().unwrap();
    assert_eq!(reapply(&mut claim).await.unwrap().len(), 12);
}

/// Whoever waits for long looks seldom: the name that was next comes and goes
/// between two looks, each time.
#[tokio::test(start_paused = true)]
async fn an_owner_that_packs_its_history_between_two_looks_is_alive() {
    const HOUR: Duration = Duration::from_secs(3600);
    let store = Faulty::new();
    let mut owner = own(store.store()).await;
    let standing_by = store.store();
    let waiting =
        tokio::spawn(async move { await_quiet(&standing_by, &[0], HOUR, HOUR / 20).await });
    let mut last = 0;
    for _ in 0..40 {
        sleep(HOUR / 20).await;
        for mark in 0..8 {
            last = commit(&mut owner, &mark.to_string()).await.seq;
        }
        pack_up_to(&store, &owner, last - 1).await;
        assert!(!waiting.is_finished(), "the owner is alive");
    }
    let stopped = Instant::now();
    waiting.await.unwrap().unwrap();
    assert!(stopped.elapsed() <= 2 * HOUR, "{:?}", stopped.elapsed());
    assert_eq!(store.raw(&segment_name(last + 1)).await, None);
}

/// Has all segments up to `seq` packed, for which there are snapshots at it
/// and behind it.
async fn pack_up_to(store: &Faulty, owner: &Journal, seq: u64) {
    let mut snapshots = Snapshots::new(store.store(), 0, None);
    for at in [seq, seq + 1] {
        snapshots.write(snapshot_at(owner, at)).await.unwrap();
    }
    let policy = RetentionPolicy {
        segments_per_pack: 2,
        ..RetentionPolicy::shared(Duration::from_secs(60))
    };
    let mut retention = Retention::new(store.store(), 0, FIRST_SEQ, policy);
    assert!(retention.run(snapshots.kept(), None, 0).await.unwrap().packs_made > 0);
}
