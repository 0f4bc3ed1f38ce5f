//! Shards of one process that come back share their fence sets.

use std::sync::Arc;
use std::time::Duration;

use engine::journal::{FenceObjects, OpenOptions, RetentionPolicy, Snapshots, Store};
use engine::shard::{ClaimOptions, Claimed, FenceInput};
use geofence::{CORE_VERSION, FenceSet, Settings, TimeMs, parse_fences};
use protos::journal::Snapshot;
use rstest::rstest;

use crate::support::*;

const SHARDS: u32 = 3;

fn circle(radius_m: u32) -> Arc<FenceSet> {
    let text = format!(
        r#"{{"type":"Feature","id":"c","properties":{{"radius_m":{radius_m}}},
        "geometry":{{"type":"Point","coordinates":[10,50]}}}}"#
    );
    Arc::new(parse_fences(text.as_bytes()).unwrap().set)
}

/// All shards, by a process whose configuration names these fences.
async fn claim_all(store: &Store, configured: &Arc<FenceSet>) -> Vec<Claimed> {
    let options = (0..SHARDS).map(|shard| ClaimOptions {
        open: OpenOptions { shard, shards: SHARDS, ..options() },
        store: store.clone(),
        settings: Settings::default(),
        retention: RetentionPolicy::local(Duration::from_secs(3600)),
        snapshot_segments_min: 64,
        sinks: Vec::new(),
        strict_audit: true,
    });
    Claimed::claim_all(options.collect(), Arc::clone(configured)).await.unwrap()
}

/// As a worker that drains writes it.
async fn write_snapshot(store: &Store, shard: &Claimed) {
    let snapshot = Snapshot {
        journal_id: shard.journal.journal_id().to_owned(),
        shard: shard.number,
        seq: shard.tail(),
        epoch: shard.journal.epoch(),
        core_version: CORE_VERSION,
        fence_hashes: shard.detector.fence_hashes(),
        core: shard.detector.encode_state().into(),
        ..Snapshot::default()
    };
    Snapshots::new(store.clone(), shard.number, None).write(snapshot).await.unwrap();
}

/// The fence sets that a shard judges by, from the first on.
fn sets(shard: &Claimed) -> Vec<Arc<FenceSet>> {
    shard.detector.fence_history().epochs.into_iter().map(|epoch| epoch.set).collect()
}

#[rstest]
#[case::from_snapshots(true)]
#[case::from_segments(false)]
#[tokio::test]
async fn shards_that_come_back_together_hold_each_set_once(#[case] by_snapshot: bool) {
    let store = Faulty::new().store();
    let objects = FenceObjects::new(store.clone());
    let changes = [(circle(40), TimeMs::MIN), (circle(50), TimeMs(5_000))];
    for shard in &mut claim_all(&store, &changes[0].0).await {
        for (set, valid_from) in &changes {
            objects.put(set.hash(), set.to_canonical_json().into()).await.unwrap();
            let configured = set.hash().to_owned();
            let change = FenceInput { set: Arc::clone(set), valid_from: *valid_from, configured };
            shard.configure(&Settings::default(), Some(&change), TimeMs(9_000)).await.unwrap();
        }
        if by_snapshot {
            write_snapshot(&store, shard).await;
        }
    }

    let configured = circle(50);
    let shards = claim_all(&store, &configured).await;
    let first = sets(&shards[0]);
    assert_eq!(first.len(), 2);
    for shard in &shards {
        assert_eq!(shard.snapshot_seq.is_some(), by_snapshot);
        for (set, of_first) in sets(shard).iter().zip(&first) {
            assert!(Arc::ptr_eq(set, of_first), "{} in shard {}", set.hash(), shard.number);
        }
    }
    assert!(Arc::ptr_eq(&first[1], &configured), "what is configured is there already");
}
