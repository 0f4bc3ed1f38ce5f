//! Packing and deleting: what must be readable stays so, whenever the
//! process dies.

use std::time::Duration;

use bytes::Bytes;
use engine::journal::pack::PackIndex;
use engine::journal::{
    Journal, JournalError, JournalReader, Kept, Retention, RetentionPolicy, Snapshots, claim,
};
use proptest::prelude::*;
use protos::journal::SegmentKind;

use crate::support::*;

const DAY: Duration = Duration::from_secs(86_400);
/// Later than anything any store has written, by far more than a day.
const LATER_MS: i64 = 1 << 50;

fn policy() -> RetentionPolicy {
    RetentionPolicy { segments_per_pack: 4, ..RetentionPolicy::local(DAY) }
}

fn retention(store: &Faulty, policy: RetentionPolicy) -> Retention {
    Retention::new(store.store(), 0, FIRST_SEQ, policy)
}

/// A journal of `segments` after the claim's, with snapshots at `older` and
/// `newest`, counted from `FIRST_SEQ`.
async fn journal(store: &Faulty, segments: u64, older: u64, newest: u64) -> (Journal, Kept) {
    let mut journal = own(store.store()).await;
    for mark in 1..=segments {
        commit(&mut journal, &mark.to_string()).await;
    }
    let mut snapshots = Snapshots::new(store.store(), 0, None);
    for at in [older, newest] {
        snapshots.write(snapshot_at(&journal, FIRST_SEQ + at)).await.unwrap();
    }
    (journal, snapshots.kept())
}

async fn singles(store: &Faulty) -> Vec<u64> {
    let names = store.names("shard-0/journal").await;
    names.iter().map(|name| name[name.len() - 20..].parse::<u64>().unwrap() - FIRST_SEQ).collect()
}

async fn packs(store: &Faulty) -> Vec<String> {
    store.names("shard-0/packs").await
}

#[tokio::test(start_paused = true)]
async fn packs_hold_the_singles_byte_for_byte() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    let mut originals = Vec::new();
    for seq in FIRST_SEQ..=FIRST_SEQ + 12 {
        originals.push(store.raw(&segment_name(seq)).await.unwrap());
    }
    let swept = retention(&store, policy()).run(kept, Some(0), 0).await.unwrap();
    assert_eq!((swept.packs_made, swept.segments_packed), (2, 8));
    assert_eq!((swept.packs_deleted, swept.segments_deleted), (0, 0));
    assert_eq!(singles(&store).await, [8, 9, 10, 11, 12], "8 and 9 do not fill a pack");
    let mut packed: Vec<Bytes> = Vec::new();
    for name in packs(&store).await {
        let pack = store.raw(&name).await.unwrap();
        let index = PackIndex::parse(&pack, pack.len() as u64, &name).unwrap();
        let (first, last) = index.seqs();
        packed.extend((first..=last).map(|seq| {
            let range = index.range(seq).unwrap();
            pack.slice(range.start as usize..range.end as usize)
        }));
    }
    assert_eq!(packed, originals[..8]);
    let reader = JournalReader::new(store.store(), 0);
    for seq in 1..=12 {
        assert_eq!(mark_of(&reader.read(FIRST_SEQ + seq).await.unwrap()), seq.to_string());
    }
}

/// A reader that knew the segments as singles finds them in their packs.
#[tokio::test(start_paused = true)]
async fn a_reader_follows_segments_into_packs() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    let reader = JournalReader::new(store.store(), 0);
    reader.read(FIRST_SEQ + 1).await.unwrap();
    let mut retention = retention(&store, policy());
    retention.run(kept, Some(0), 0).await.unwrap();
    assert_eq!(mark_of(&reader.read(FIRST_SEQ + 2).await.unwrap()), "2");
    retention.run(kept, None, LATER_MS).await.unwrap();
    let gone = reader.read(FIRST_SEQ + 2).await.unwrap_err();
    assert!(matches!(gone, JournalError::Absent { .. }), "{gone}");
    assert_eq!(mark_of(&reader.read(FIRST_SEQ + 10).await.unwrap()), "10");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_without_an_older_snapshot_that_stands() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    let mut retention = retention(&store, policy());
    let only_newest = Kept { newest: kept.newest, older: None };
    assert_eq!(retention.run(only_newest, None, LATER_MS).await.unwrap(), Default::default());
    store.remove(&snapshot_name(FIRST_SEQ + 9)).await;
    let error = retention.run(kept, None, LATER_MS).await.unwrap_err();
    assert!(matches!(error, JournalError::Absent { .. }), "{error}");
    assert_eq!(singles(&store).await.len(), 13);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_segment_is_never_packed() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    let name = segment_name(FIRST_SEQ + 2);
    let bytes = store.raw(&name).await.unwrap();
    store.overwrite(&name, bytes.slice(..bytes.len() - 1)).await;
    let error = retention(&store, policy()).run(kept, Some(0), 0).await.unwrap_err();
    assert!(matches!(&error, JournalError::BadObject(error) if error.name == name), "{error}");
    assert_eq!(singles(&store).await, [0, 1, 2, 3, 8, 9, 10, 11, 12], "others are");
    assert_eq!(packs(&store).await.len(), 1);
    retention(&store, policy()).run(kept, None, LATER_MS).await.unwrap_err();
    assert_eq!(singles(&store).await, [10, 11, 12], "it keeps nothing past its time");
    assert!(packs(&store).await.is_empty());
}

/// A pack that does not read back as written takes no single with it.
#[tokio::test(start_paused = true)]
async fn a_bad_pack_leaves_the_singles() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    let pack = format!("shard-0/packs/{:020}-{:020}", FIRST_SEQ, FIRST_SEQ + 3);
    store.overwrite(&pack, "junk").await;
    retention(&store, policy()).run(kept, Some(0), 0).await.unwrap_err();
    assert_eq!(singles(&store).await, [0, 1, 2, 3, 8, 9, 10, 11, 12]);
    let reader = JournalReader::new(store.store(), 0);
    assert_eq!(mark_of(&reader.read(FIRST_SEQ + 2).await.unwrap()), "2");
}

#[tokio::test(start_paused = true)]
async fn a_pack_that_does_not_read_back_leaves_the_singles() {
    let store = Faulty::new();
    let (_, kept) = journal(&store, 12, 9, 12).await;
    store.next_puts([Put::Damaged]);
    let error = retention(&store, policy()).run(kept, Some(0), 0).await.unwrap_err();
    assert!(matches!(error, JournalError::Differs { .. }), "{error}");
    assert_eq!(singles(&store).await, [0, 1, 2, 3, 8, 9, 10, 11, 12]);
    all_readable(&store, 0..=12, 0).await;
}

/// The process dies after every number of writes and deletes; whatever is
/// still needed can be read, and the next run finishes the work.
#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_steps_loses_nothing() {
    for (floor, now_ms) in [(0, 0), (6, LATER_MS)] {
        for mutations in 0.. {
            let store = Faulty::new();
            let (_, kept) = journal(&store, 14, 12, 14).await;
            store.die_after(mutations);
            let cursor = Some(FIRST_SEQ + floor);
            let finished = retention(&store, policy()).run(kept, cursor, now_ms).await.is_ok();
            store.revive();
            let kept_from = if now_ms == 0 { 0 } else { floor + 1 };
            all_readable(&store, kept_from..=14, mutations).await;
            retention(&store, policy()).run(kept, cursor, now_ms).await.unwrap();
            all_readable(&store, kept_from..=14, mutations).await;
            let left = if now_ms == 0 { 3 } else { 2 };
            assert_eq!(packs(&store).await.len(), left, "after {mutations}");
            assert_eq!(singles(&store).await, [12, 13, 14], "after {mutations}");
            let mut claim = claim(store.store(), options()).await.unwrap();
            assert_eq!(reapply(&mut claim).await.unwrap(), [""; 0]);
            if finished {
                break;
            }
        }
    }
}

async fn all_readable(store: &Faulty, seqs: std::ops::RangeInclusive<u64>, mutations: u32) {
    let reader = JournalReader::new(store.store(), 0);
    for seq in seqs {
        let segment = reader.read(FIRST_SEQ + seq).await;
        let segment = segment.unwrap_or_else(|error| panic!("after {mutations}: {error}"));
        assert_eq!(segment.seq, FIRST_SEQ + seq);
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_shared_store_the_objects_of_claims_stay() {
    let store = Faulty::new();
    own(store.store()).await;
    let (_, kept) = journal(&store, 12, 11, 12).await;
    let mut shared = retention(&store, RetentionPolicy { keep_claims: true, ..policy() });
    shared.run(kept, None, 0).await.unwrap();
    assert_eq!(singles(&store).await, [1, 12, 13], "the second claim, and what is not old");
    shared.run(kept, None, LATER_MS).await.unwrap();
    assert_eq!(singles(&store).await, [1, 12, 13]);
    assert!(packs(&store).await.is_empty());
    // A new process has to find out again what it is.
    let mut shared = retention(&store, RetentionPolicy { keep_claims: true, ..policy() });
    shared.run(kept, None, LATER_MS).await.unwrap();
    assert_eq!(singles(&store).await, [1, 12, 13]);
    let claim = JournalReader::new(store.store(), 0).read(FIRST_SEQ + 1).await.unwrap();
    assert_eq!(claim.kind(), SegmentKind::Fence);
    retention(&store, policy()).run(kept, None, LATER_MS).await.unwrap();
    assert_eq!(singles(&store).await, [12, 13], "under a lock nobody needs it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever goes lies at or before the older snapshot and every cursor.
    #[test]
    fn nothing_above_the_limit_is_ever_deleted(
        segments in 2_u64..24,
        older in 0_u64..24,
        cursor in prop::option::of(0_u64..30),
        segments_per_pack in 1_usize..6,
        old in any::<bool>(),
        runs in 1_usize..3,
    ) {
        let older = older.min(segments - 1);
        tokio_paused(async move {
            let store = Faulty::new();
            let (_, kept) = journal(&store, segments, older, segments).await;
            let policy = RetentionPolicy { segments_per_pack, ..policy() };
            let now_ms = if old { LATER_MS } else { 0 };
            for _ in 0..runs {
                let floor = cursor.map(|cursor| FIRST_SEQ + cursor);
                retention(&store, policy).run(kept, floor, now_ms).await.unwrap();
            }
            let limit = cursor.map_or(older, |cursor| cursor.min(older));
            let kept_from = if old { limit + 1 } else { 0 };
            all_readable(&store, kept_from..=segments, 0).await;
            // Packing stops at the older snapshot, too.
            let alone = singles(&store).await;
            prop_assert!((older + 1..=segments).all(|seq| alone.contains(&seq)));
            Ok(())
        })?;
    }
}

fn tokio_paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}
