//! Claiming a shard: genesis, damage, and who comes first.

use std::time::Duration;

use engine::journal::{
    Fenced, FrameFault, JournalError, OpenOptions, Retention, RetentionPolicy, Snapshots, claim,
    frame, refuse_other_number,
};
use protos::journal::Segment;

use crate::support::*;

const GENESIS: &str = "shard-0/genesis";

/// A journal with data segments `FIRST_SEQ + 1 ..= FIRST_SEQ + 5`, marked
/// with their numbers.
async fn five(store: &Faulty) -> engine::journal::Journal {
    let mut journal = own(store.store()).await;
    for mark in ["1", "2", "3", "4", "5"] {
        commit(&mut journal, mark).await;
    }
    journal
}

async fn reapply_error(store: &Faulty) -> JournalError {
    let mut claim = claim(store.store(), options()).await.unwrap();
    reapply(&mut claim).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_new_journal_begins_at_the_first_seq_and_keeps_its_identity() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    let id = journal.journal_id().to_owned();
    assert_eq!((journal.next_seq(), journal.epoch()), (FIRST_SEQ + 1, 1));
    let committed = commit(&mut journal, "a").await;
    assert_eq!(committed.segment.journal_id, id);
    let mut later = options();
    later.first_seq = 5;
    let (journal, _) = own_with(store.store(), later).await;
    assert_eq!((journal.journal_id(), journal.next_seq()), (id.as_str(), FIRST_SEQ + 3));
    assert_eq!(journal.epoch(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_number_of_shards_is_refused() {
    let store = Faulty::new();
    own(store.store()).await;
    let mut other = options();
    other.shards = 4;
    let error = claim(store.store(), other).await.unwrap_err();
    assert!(matches!(error, JournalError::ShardCount { recorded: 1, configured: 4, .. }));
    assert_eq!(error.exit_code(), 78);
}

/// Whoever owns other shards founds none beside them for another number.
#[tokio::test(start_paused = true)]
async fn another_number_of_shards_is_seen_at_the_shards_of_others() {
    let store = Faulty::new();
    refuse_other_number(&store.store(), 4).await.unwrap();
    own_with(store.store(), OpenOptions { shard: 1, shards: 4, ..options() }).await;
    refuse_other_number(&store.store(), 4).await.unwrap();
    let error = refuse_other_number(&store.store(), 8).await.unwrap_err();
    assert!(
        matches!(error, JournalError::ShardCount { shard: 1, recorded: 4, configured: 8 }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_journal_never_restarts_silently() {
    let store = Faulty::new();
    five(&store).await;
    for name in store.names("shard-0/journal").await {
        store.remove(&name).await;
    }
    let error = claim(store.store(), options()).await.unwrap_err();
    assert!(matches!(&error, JournalError::LostJournal { missing, .. }
        if *missing == segment_name(FIRST_SEQ)));
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_genesis_is_not_made_anew() {
    let store = Faulty::new();
    five(&store).await;
    store.remove(GENESIS).await;
    let error = claim(store.store(), options()).await.unwrap_err();
    assert!(matches!(error, JournalError::LostGenesis { .. }), "{error}");
    assert_eq!(store.raw(GENESIS).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_genesis_is_refused_by_name() {
    let store = Faulty::new();
    own(store.store()).await;
    let bytes = store.raw(GENESIS).await.unwrap();
    store.overwrite(GENESIS, bytes.slice(..bytes.len() - 1)).await;
    let error = claim(store.store(), options()).await.unwrap_err();
    assert!(matches!(&error, JournalError::BadObject(error)
        if error.name == GENESIS && matches!(error.fault, FrameFault::Truncated { .. })));
}

/// Wherever founding a journal is cut off, the next start carries on, and
/// what was durable before is the same journal.
#[tokio::test(start_paused = true)]
async fn founding_survives_a_crash_after_every_step() {
    for mutations in 0.. {
        let store = Faulty::new();
        store.die_after(mutations);
        let dying = async {
            let mut claim = claim(store.store(), options()).await?;
            claim.fence(Segment::default()).await
        };
        // A commit tries for ever; a minute of the paused clock is dead enough.
        let died = tokio::time::timeout(std::time::Duration::from_secs(60), dying).await;
        let finished = matches!(died, Ok(Ok(Fenced::Won(..))));
        store.revive();
        let journal = own(store.store()).await;
        assert!(journal.next_seq() > FIRST_SEQ, "after {mutations}");
        assert_eq!(store.raw("shard-0/founding").await, None, "after {mutations}");
        if finished {
            assert_eq!(mutations, 4, "founding, genesis, segment, and founding goes");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_founders_agree_on_one_genesis() {
    let store = Faulty::new();
    let mut a = claim(store.store(), options()).await.unwrap();
    let mut b = claim(store.store(), options()).await.unwrap();
    assert_eq!(a.journal_id(), b.journal_id());
    assert!(matches!(a.fence(Segment::default()).await.unwrap(), Fenced::Won(..)));
    let behind = b.fence(Segment::default()).await.unwrap();
    assert!(matches!(behind, Fenced::Behind(segment) if segment.seq == FIRST_SEQ));
    let won = b.fence(Segment::default()).await.unwrap();
    assert!(matches!(won, Fenced::Won(journal, committed)
        if journal.epoch() == 2 && committed.seq == FIRST_SEQ + 1));
}

#[tokio::test(start_paused = true)]
async fn the_tail_is_found_by_trying_whatever_a_listing_says() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    store.freeze_listing().await;
    for mark in ["1", "2", "3"] {
        commit(&mut journal, mark).await;
    }
    let (new, marks) = own_with(store.store(), options()).await;
    assert_eq!(marks, ["1", "2", "3"]);
    assert_eq!(new.next_seq(), FIRST_SEQ + 5);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_names_a_deleted_snapshot_is_not_believed() {
    let store = Faulty::new();
    let mut journal = five(&store).await;
    let mut snapshots = Snapshots::new(store.store(), 0, None);
    snapshots.write(snapshot_at(&journal, FIRST_SEQ + 1)).await.unwrap();
    store.freeze_listing().await;
    snapshots.write(snapshot_at(&journal, FIRST_SEQ + 3)).await.unwrap();
    commit(&mut journal, "6").await;
    snapshots.write(snapshot_at(&journal, FIRST_SEQ + 6)).await.unwrap();
    // Deleting goes by the listing, so do it by hand what the engine does.
    store.remove(&snapshot_name(FIRST_SEQ + 1)).await;
    let error = claim(store.store(), options()).await.unwrap_err();
    assert!(matches!(error, JournalError::Overtaken { .. }), "{error}");
    assert_eq!(error.exit_code(), 75);
    store.thaw_listing();
    let claim = claim(store.store(), options()).await.unwrap();
    assert_eq!(claim.snapshot().unwrap().seq, FIRST_SEQ + 6);
}

#[tokio::test(start_paused = true)]
async fn torn_reads_do_not_make_a_segment_bad() {
    let store = Faulty::new();
    five(&store).await;
    let mut claim = claim(store.store(), options()).await.unwrap();
    store.tear_reads(2);
    assert_eq!(reapply(&mut claim).await.unwrap(), ["1", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_the_middle_is_refused_by_name() {
    let store = Faulty::new();
    five(&store).await;
    let name = segment_name(FIRST_SEQ + 3);
    let mut bytes = store.raw(&name).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    store.overwrite(&name, bytes).await;
    let mut aside = options();
    aside.set_aside_tail = true;
    for options in [options(), aside] {
        let mut claim = claim(store.store(), options).await.unwrap();
        let error = reapply(&mut claim).await.unwrap_err();
        assert!(matches!(&error, JournalError::BadMiddle { source, valid_after }
            if source.name == name && *valid_after == segment_name(FIRST_SEQ + 4)));
        assert!(error.to_string().contains("checksum mismatch"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_tail_is_refused_and_can_be_set_aside() {
    let store = Faulty::new();
    five(&store).await;
    let name = segment_name(FIRST_SEQ + 5);
    let bytes = store.raw(&name).await.unwrap();
    let short = bytes.slice(..bytes.len() - 7);
    store.overwrite(&name, short.clone()).await;
    let error = reapply_error(&store).await;
    assert!(matches!(&error, JournalError::BadTail(error) if error.name == name));
    assert!(error.to_string().contains("truncated"), "{error}");
    assert!(error.to_string().contains("--set-aside-tail"), "{error}");
    assert_eq!(error.exit_code(), 1);

    let mut aside = options();
    aside.set_aside_tail = true;
    let mut claim = claim(store.store(), aside).await.unwrap();
    assert_eq!(reapply(&mut claim).await.unwrap(), ["1", "2", "3", "4"]);
    let [moved] = claim.set_aside() else { panic!("one was moved: {:?}", claim.set_aside()) };
    assert_eq!(moved.seq, FIRST_SEQ + 5);
    assert!(moved.moved_to.starts_with("shard-0/set-aside/"), "{}", moved.moved_to);
    assert!(moved.to_string().contains("may be lost"), "{moved}");
    assert_eq!(store.raw(&moved.moved_to).await.unwrap(), short);
    assert!(matches!(claim.fence(Segment::default()).await.unwrap(), Fenced::Won(_, committed)
        if committed.seq == FIRST_SEQ + 5));
    let (_, marks) = own_with(store.store(), options()).await;
    assert_eq!(marks, ["1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn setting_aside_survives_a_crash_after_every_step() {
    for mutations in 0.. {
        let store = Faulty::new();
        five(&store).await;
        let bad = [segment_name(FIRST_SEQ + 4), segment_name(FIRST_SEQ + 5)];
        for name in &bad {
            store.overwrite(name, "").await;
        }
        let mut aside = options();
        aside.set_aside_tail = true;
        let mut dying = claim(store.store(), aside.clone()).await.unwrap();
        store.die_after(mutations);
        let finished = reapply(&mut dying).await.is_ok();
        store.revive();
        let (_, marks) = own_with(store.store(), aside).await;
        assert_eq!(marks, ["1", "2", "3"], "after {mutations}");
        assert!(store.names("shard-0/set-aside").await.len() >= 2, "after {mutations}");
        if finished {
            assert_eq!(mutations, 4, "two copies, two deletes");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn even_a_bad_first_segment_can_be_set_aside_over_a_crash() {
    let store = Faulty::new();
    own(store.store()).await;
    store.overwrite(&segment_name(FIRST_SEQ), "junk").await;
    let mut aside = options();
    aside.set_aside_tail = true;
    let mut dying = claim(store.store(), aside).await.unwrap();
    assert_eq!(reapply(&mut dying).await.unwrap(), [""; 0]);
    drop(dying);
    assert_eq!(own(store.store()).await.next_seq(), FIRST_SEQ + 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_format_is_never_set_aside() {
    let store = Faulty::new();
    five(&store).await;
    let name = segment_name(FIRST_SEQ + 5);
    let mut bytes = store.raw(&name).await.unwrap().to_vec();
    bytes[8] = 9;
    let content = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..content]).to_le_bytes();
    bytes[content..].copy_from_slice(&checksum);
    store.overwrite(&name, bytes).await;
    let mut aside = options();
    aside.set_aside_tail = true;
    let mut claim = claim(store.store(), aside).await.unwrap();
    let error = reapply(&mut claim).await.unwrap_err();
    assert!(
        matches!(&error, JournalError::BadObject(error)
        if error.fault == FrameFault::NewerFormat { found: 9 }),
        "{error}"
    );
    assert!(store.names("shard-0/set-aside").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_segment_is_named_and_its_name_not_taken() {
    let store = Faulty::new();
    five(&store).await;
    let missing = segment_name(FIRST_SEQ + 2);
    store.remove(&missing).await;
    let error = reapply_error(&store).await;
    assert!(matches!(&error, JournalError::Missing { missing: named, found }
        if *named == missing && *found == segment_name(FIRST_SEQ + 3)));
    let mut claim = claim(store.store(), options()).await.unwrap();
    while let Ok(Fenced::Behind(_)) = claim.fence(Segment::default()).await {}
    assert_eq!(store.raw(&missing).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_segment_of_another_place_is_refused() {
    let store = Faulty::new();
    let mut journal = five(&store).await;
    let last = commit(&mut journal, "6").await;
    let mut stray = (*last.segment).clone();
    stray.shard = 3;
    let name = segment_name(last.seq);
    store.overwrite(&name, frame::encode_segment(&stray)).await;
    let error = reapply_error(&store).await;
    assert!(matches!(&error, JournalError::Lineage { name: named, .. } if *named == name));
}

/// A claim is held up while others go on and shorten the history, and the put of
/// its base, which a fenced owner's client has sent again, arrives after that
/// was deleted.
#[tokio::test(start_paused = true)]
async fn a_base_that_comes_back_does_not_make_a_late_claim_good() {
    let store = Faulty::new();
    let mut owner = five(&store).await;
    let mut snapshots = Snapshots::new(store.store(), 0, None);
    snapshots.write(snapshot_at(&owner, FIRST_SEQ + 5)).await.unwrap();
    let base = store.raw(&snapshot_name(FIRST_SEQ + 5)).await.unwrap();
    let mut held_up = claim(store.store(), waited()).await.unwrap();
    assert_eq!(reapply(&mut held_up).await.unwrap(), [""; 0]);

    for mark in ["6", "7", "8", "9"] {
        commit(&mut owner, mark).await;
    }
    for seq in [FIRST_SEQ + 7, FIRST_SEQ + 9] {
        snapshots.write(snapshot_at(&owner, seq)).await.unwrap();
    }
    let policy = RetentionPolicy::shared(Duration::ZERO);
    let mut retention = Retention::new(store.store(), 0, FIRST_SEQ, policy);
    retention.run(snapshots.kept(), None, 1 << 50).await.unwrap();
    assert_eq!(store.raw(&segment_name(FIRST_SEQ + 6)).await, None, "the name is free");
    store.overwrite(&snapshot_name(FIRST_SEQ + 5), base).await;

    let error = held_up.fence(Segment::default()).await.unwrap_err();
    assert!(matches!(error, JournalError::Overtaken { .. }), "{error}");
    commit(&mut owner, "10").await;
}
