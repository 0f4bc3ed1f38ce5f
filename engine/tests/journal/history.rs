//! A journal read by somebody who does not own it.

use std::time::Duration;

use engine::journal::{History, JournalError, Retention, RetentionPolicy, Snapshots};
use protos::journal::Segment;

use crate::support::*;

/// Later than anything any store has written, by far more than a day.
const LATER_MS: i64 = 1 << 50;

/// Seqs that are still to come, counted from `FIRST_SEQ`.
async fn rest(history: &mut History) -> Result<Vec<u64>, JournalError> {
    let mut seqs = Vec::new();
    while let Some(Segment { seq, .. }) = history.next().await? {
        seqs.push(seq - FIRST_SEQ);
    }
    Ok(seqs)
}

#[tokio::test(start_paused = true)]
async fn singles_packs_and_what_is_left_of_them() {
    let store = Faulty::new();
    assert_eq!(History::shards(&store.store(), 0).await.unwrap(), None);
    let mut journal = own(store.store()).await;
    for mark in 1..=12 {
        commit(&mut journal, &mark.to_string()).await;
    }
    assert_eq!(History::shards(&store.store(), 0).await.unwrap(), Some(options().shards));
    let mut whole = History::open(store.store(), 0).await.unwrap();
    assert!(whole.is_whole());
    assert_eq!(rest(&mut whole).await.unwrap(), (0..=12).collect::<Vec<_>>());
    assert!(whole.oldest_snapshot().await.unwrap().is_none());
    // What comes after the end was reached is read all the same.
    commit(&mut journal, "13").await;
    assert_eq!(rest(&mut whole).await.unwrap(), [13]);

    let mut snapshots = Snapshots::new(store.store(), 0, None);
    for at in [9, 12] {
        snapshots.write(snapshot_at(&journal, FIRST_SEQ + at)).await.unwrap();
    }
    let kept = snapshots.kept();
    let policy = RetentionPolicy {
        segments_per_pack: 4,
        ..RetentionPolicy::local(Duration::from_secs(86_400))
    };
    let mut retention = Retention::new(store.store(), 0, FIRST_SEQ, policy);
    let mut before = History::open(store.store(), 0).await.unwrap();
    retention.run(kept, Some(0), 0).await.unwrap();
    assert_eq!(rest(&mut before).await.unwrap(), (0..=13).collect::<Vec<_>>(), "out of packs");

    let mut overtaken = History::open(store.store(), 0).await.unwrap();
    retention.run(kept, None, LATER_MS).await.unwrap();
    let gone = rest(&mut overtaken).await.unwrap_err();
    assert!(matches!(gone, JournalError::Absent { .. }), "{gone}");

    let mut cut = History::open(store.store(), 0).await.unwrap();
    assert!(!cut.is_whole());
    assert_eq!(cut.first_seq(), FIRST_SEQ + 10);
    assert_eq!(rest(&mut cut).await.unwrap(), [10, 11, 12, 13]);
    assert_eq!(cut.oldest_snapshot().await.unwrap().unwrap().seq, FIRST_SEQ + 9);
    // A bad one is passed over.
    store.overwrite(&snapshot_name(FIRST_SEQ + 9), "not a snapshot").await;
    assert_eq!(cut.oldest_snapshot().await.unwrap().unwrap().seq, FIRST_SEQ + 12);
}
