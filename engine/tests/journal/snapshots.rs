//! Snapshots: the last two kept, a bad one passed over.

use engine::journal::{JournalError, Kept, Snapshots, claim};
use protos::journal::Snapshot;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::support::*;

/// A journal of data segments `FIRST_SEQ + 1 ..= FIRST_SEQ + 6` with
/// snapshots at `+ 2` and `+ 4`.
async fn with_snapshots(store: &Faulty) -> Snapshots {
    let mut journal = own(store.store()).await;
    let mut snapshots = Snapshots::new(store.store(), 0, None);
    for mark in 1..=6 {
        commit(&mut journal, &mark.to_string()).await;
        if mark == 2 || mark == 4 {
            snapshots.write(snapshot_at(&journal, FIRST_SEQ + mark)).await.unwrap();
        }
    }
    snapshots
}

#[tokio::test(start_paused = true)]
async fn recovery_starts_from_the_newest() {
    let store = Faulty::new();
    with_snapshots(&store).await;
    let mut claim = claim(store.store(), options()).await.unwrap();
    assert_eq!(claim.snapshot().unwrap().seq, FIRST_SEQ + 4);
    assert_eq!(claim.snapshot().unwrap().core, format!("state after {}", FIRST_SEQ + 4));
    assert_eq!(
        claim.snapshot_bytes(),
        store.raw(&snapshot_name(FIRST_SEQ + 4)).await.unwrap().len() as u64
    );
    assert_eq!(reapply(&mut claim).await.unwrap(), ["5", "6"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_newest_one_is_passed_over_for_the_older() {
    let store = Faulty::new();
    with_snapshots(&store).await;
    store.overwrite(&snapshot_name(FIRST_SEQ + 4), "junk").await;
    let mut claim = claim(store.store(), options()).await.unwrap();
    assert_eq!(claim.snapshot().unwrap().seq, FIRST_SEQ + 2);
    assert_eq!(reapply(&mut claim).await.unwrap(), ["3", "4", "5", "6"]);
}

#[tokio::test(start_paused = true)]
async fn with_both_bad_the_first_segment_is_where_it_starts() {
    let store = Faulty::new();
    with_snapshots(&store).await;
    for seq in [FIRST_SEQ + 2, FIRST_SEQ + 4] {
        store.overwrite(&snapshot_name(seq), "junk").await;
    }
    let mut claiming = claim(store.store(), options()).await.unwrap();
    assert!(claiming.snapshot().is_none());
    assert_eq!(reapply(&mut claiming).await.unwrap(), ["1", "2", "3", "4", "5", "6"]);
    store.remove(&segment_name(FIRST_SEQ)).await;
    let error = claim(store.store(), options()).await.unwrap_err();
    assert!(matches!(error, JournalError::LostJournal { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_journal_is_passed_over() {
    let store = Faulty::new();
    with_snapshots(&store).await;
    let older = store.raw(&snapshot_name(FIRST_SEQ + 2)).await.unwrap();
    store.overwrite(&snapshot_name(FIRST_SEQ + 4), older).await;
    let claim = claim(store.store(), options()).await.unwrap();
    assert_eq!(claim.snapshot().unwrap().seq, FIRST_SEQ + 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_two_are_kept_and_only_what_this_process_knows_is_trusted() {
    let store = Faulty::new();
    let mut snapshots = with_snapshots(&store).await;
    let both = Kept { newest: Some(FIRST_SEQ + 4), older: Some(FIRST_SEQ + 2) };
    assert_eq!(snapshots.kept(), both);
    let (journal, _) = own_with(store.store(), options()).await;
    assert_eq!(snapshots.write(snapshot_at(&journal, FIRST_SEQ + 4)).await.unwrap(), 0);
    assert_eq!(snapshots.kept(), both, "the same state is not written twice");

    let mut restarted = Snapshots::new(store.store(), 0, Some(FIRST_SEQ + 4));
    assert_eq!(restarted.kept().older, None);
    restarted.write(snapshot_at(&journal, FIRST_SEQ + 6)).await.unwrap();
    assert_eq!(
        store.names("shard-0/snapshots").await,
        [snapshot_name(FIRST_SEQ + 4), snapshot_name(FIRST_SEQ + 6)]
    );
    assert_eq!(restarted.kept(), Kept { newest: Some(FIRST_SEQ + 6), older: Some(FIRST_SEQ + 4) });
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_does_not_read_back_is_not_kept() {
    let store = Faulty::new();
    let mut snapshots = with_snapshots(&store).await;
    let before = snapshots.kept();
    let (journal, _) = own_with(store.store(), options()).await;
    store.next_puts([Put::Damaged]);
    let error = snapshots.write(snapshot_at(&journal, FIRST_SEQ + 6)).await.unwrap_err();
    assert!(error.to_string().contains(&snapshot_name(FIRST_SEQ + 6)), "{error}");
    assert_eq!(snapshots.kept(), before);
    assert_eq!(store.names("shard-0/snapshots").await.len(), 3, "the two before it stand");
}

/// Such a one is read back in pieces, of which none may be left out.
#[tokio::test(start_paused = true)]
async fn a_large_snapshot_is_read_back_to_its_end() {
    let store = Faulty::new();
    let mut snapshots = with_snapshots(&store).await;
    let (journal, _) = own_with(store.store(), options()).await;
    let mut core = vec![0; 18 << 20];
    StdRng::seed_from_u64(1).fill_bytes(&mut core);
    let snapshot = Snapshot { core: core.into(), ..snapshot_at(&journal, FIRST_SEQ + 6) };

    // In the midst of the second of three pieces.
    store.next_puts([Put::Damaged]);
    let error = snapshots.write(snapshot.clone()).await.unwrap_err();
    assert!(error.to_string().contains("checksum mismatch"), "{error}");
    assert_eq!(snapshots.kept().newest, Some(FIRST_SEQ + 4));

    let bytes = snapshots.write(snapshot.clone()).await.unwrap();
    assert!(bytes > 16 << 20, "{bytes} are no three pieces");
    assert_eq!(snapshots.kept().newest, Some(FIRST_SEQ + 6));
    drop(journal);
    assert_eq!(claim(store.store(), options()).await.unwrap().snapshot(), Some(&snapshot));
}
