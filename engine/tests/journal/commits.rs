//! One commit against a store that fails.

use std::time::Duration;

use engine::journal::{CommitError, Store, WriterId};
use futures::FutureExt;
use rstest::rstest;

use crate::support::*;

#[rstest]
#[case::works(&[Put::Works], 1)]
#[case::lost_put(&[Put::Lost, Put::Lost, Put::Lost], 4)]
#[case::applied_but_timed_out(&[Put::AppliedTimeout], 1)]
#[case::already_exists_is_our_own_write(&[Put::AppliedTwice], 1)]
#[case::lost_then_applied_but_timed_out(&[Put::Lost, Put::AppliedTimeout], 2)]
#[tokio::test(start_paused = true)]
async fn a_commit_ends_in_success(#[case] puts: &[Put], #[case] attempts: usize) {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    let created = store.creates().len();
    store.next_puts(puts.iter().copied());
    let committed = commit(&mut journal, "a").await;
    assert_eq!(committed.seq, FIRST_SEQ + 1);
    assert_eq!(committed.segment.epoch, 1);
    let object = store.raw(&segment_name(committed.seq)).await.unwrap();
    assert_eq!(object.len() as u64, committed.bytes);
    assert_eq!(store.creates().len() - created, attempts);
    assert_eq!(journal.health().failure(), None);
    assert_eq!(commit(&mut journal, "b").await.seq, FIRST_SEQ + 2);
    let (_, marks) = own_with(store.store(), options()).await;
    assert_eq!(marks, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_torn_or_failed_read_back_is_no_verdict() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    store.next_puts([Put::AppliedTimeout]);
    store.tear_reads(3);
    commit(&mut journal, "a").await;
    store.next_puts([Put::AppliedTimeout]);
    store.fail_reads(4);
    commit(&mut journal, "b").await;
    let (_, marks) = own_with(store.store(), options()).await;
    assert_eq!(marks, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_commit_shows_in_its_health_until_the_store_is_back() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    let health = journal.health();
    store.die_after(0);
    let committing = tokio::spawn(async move { commit(&mut journal, "a").await });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = health.failure().expect("every attempt has failed");
    assert!(error.contains("the process is dead"), "{error}");
    assert!(health.pending_for().unwrap() > Duration::from_secs(55));
    store.revive();
    assert_eq!(committing.await.unwrap().seq, FIRST_SEQ + 1);
    assert_eq!((health.failure(), health.pending_for()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn another_owner_fences_this_one_off_for_good() {
    let store = Faulty::new();
    let mut old = own(store.store()).await;
    commit(&mut old, "a").await;
    let mut new = own(store.store()).await;
    assert_eq!(new.epoch(), 2);
    let error = old.commit(marked("lost")).await.unwrap_err();
    assert!(matches!(&error, CommitError::Fenced { name, epoch: 2, .. }
        if *name == segment_name(FIRST_SEQ + 2)));
    assert_eq!(error.exit_code(), 75);
    let after = old.commit(marked("lost")).await.unwrap_err();
    assert!(matches!(after, CommitError::Closed { .. }));
    commit(&mut new, "b").await;
    let (_, marks) = own_with(store.store(), options()).await;
    assert_eq!(marks, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn own_name_with_other_content_is_a_bug() {
    let store = Faulty::new();
    let writer = WriterId::random();
    let mut with = options();
    with.writer = writer;
    let (mut journal, _) = own_with(store.store(), with).await;
    // The same writer, in the same epoch, has somehow written this name.
    let first = commit(&mut journal, "a").await;
    let mut other = (*first.segment).clone();
    other.seq += 1;
    let name = segment_name(other.seq);
    store.overwrite(&name, engine::journal::frame::encode_segment(&other)).await;
    let error = journal.commit(marked("b")).await.unwrap_err();
    assert!(matches!(&error, CommitError::Bug { name: bug } if *bug == name));
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_object_under_the_name_ends_the_commit() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    let name = segment_name(journal.next_seq());
    store.overwrite(&name, "junk").await;
    let error = journal.commit(marked("a")).await.unwrap_err();
    assert!(matches!(error, CommitError::Unreadable(_)));
    assert!(error.to_string().contains(&name), "{error}");
    assert_eq!(store.raw(&name).await.unwrap(), "junk");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_commit_closes_the_journal() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    store.next_puts([Put::AppliedTimeout]);
    store.fail_reads(1);
    let abandoned = tokio::time::timeout(Duration::from_millis(1), journal.commit(marked("a")));
    assert!(abandoned.await.is_err(), "it waits to try again");
    let next = journal.commit(marked("b")).now_or_never().expect("refused at once");
    assert!(matches!(next, Err(CommitError::Closed { seq }) if seq == FIRST_SEQ + 1));
}

#[tokio::test]
async fn local_files_carry_a_journal_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(&dir.path().join("data/journal")).unwrap();
    let mut journal = own(store.clone()).await;
    commit(&mut journal, "a").await;
    drop(journal);
    let file = dir.path().join("data/journal").join(segment_name(FIRST_SEQ + 1));
    assert!(file.is_file());
    assert!(!dir.path().join("data/journal/shard-0/founding").exists());
    std::fs::write(file.with_extension("x#1"), b"left over").unwrap();
    let (_, marks) = own_with(store, options()).await;
    assert_eq!(marks, ["a"]);
    assert!(!file.with_extension("x#1").exists());
}

/// Local files, with a layer that reports failure after the file stands: the
/// directory is synced again and the commit counts.
#[tokio::test]
async fn a_local_create_that_reports_failure_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut faulty = None;
    let store = Store::local(dir.path()).unwrap().layered(|objects| {
        let layer = Faulty::over(objects);
        faulty = Some(layer.clone());
        std::sync::Arc::new(layer)
    });
    let faulty = faulty.expect("the layer was built");
    let mut journal = own(store.clone()).await;
    faulty.next_puts([Put::AppliedTimeout]);
    commit(&mut journal, "a").await;
    faulty.next_puts([Put::AppliedTwice]);
    commit(&mut journal, "b").await;
    let (_, marks) = own_with(store, options()).await;
    assert_eq!(marks, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn readers_follow_from_memory_and_from_objects() {
    let store = Faulty::new();
    let mut journal = own(store.store()).await;
    let reader = journal.reader();
    let mut committed = reader.committed();
    assert_eq!(*committed.borrow_and_update(), FIRST_SEQ);
    commit(&mut journal, "a").await;
    assert!(committed.has_changed().unwrap());
    assert_eq!(mark_of(&reader.read(FIRST_SEQ + 1).await.unwrap()), "a");
    let cold = engine::journal::JournalReader::new(store.store(), 0);
    assert_eq!(
        *cold.read(FIRST_SEQ + 1).await.unwrap(),
        *reader.read(FIRST_SEQ + 1).await.unwrap()
    );
    let absent = cold.read(FIRST_SEQ + 2).await.unwrap_err();
    assert!(absent.to_string().contains(&segment_name(FIRST_SEQ + 2)), "{absent}");
}
