//! The journal in a bucket: the protocol through Cloud Storage's own client,
//! against a stand-in that refuses, dawdles and loses answers.

use std::time::Duration;

use axum::http::Method;
use engine::journal::{
    BucketError, BucketUrl, CommitError, Fenced, JournalReader, OpenOptions, Retention,
    RetentionPolicy, Snapshots, Store, await_quiet, claim,
};
use local_cloud::storage::{Fault, Storage, Trouble};
use protos::journal::{Segment, SegmentKind};
use rstest::rstest;
use sinks::google::{Endpoint, Service};
use tokio::time::timeout;

use crate::support::*;

const BUCKET: &str = "fleet-journal";
/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bucket {
    storage: Storage,
    url: BucketUrl,
}

impl Bucket {
    async fn new() -> Self {
        let storage = Storage::start().await.unwrap();
        storage.create_bucket(BUCKET);
        let url = BucketUrl::parse(&format!("gs://{BUCKET}/eu/journal")).unwrap();
        Self { storage, url }
    }

    async fn try_store(&self, url: &BucketUrl) -> Result<Store, BucketError> {
        let endpoint = Endpoint::read(Service::Storage, Some(&self.storage.endpoint())).unwrap();
        Store::in_bucket_at(url, &endpoint).await
    }

    async fn store(&self) -> Store {
        self.try_store(&self.url).await.unwrap()
    }

    /// The next `times` requests for segments meet `trouble`.
    fn disturb(&self, method: Method, times: u32, trouble: Trouble) {
        let path = "/journal/shard-0/journal/".to_owned();
        self.storage.faults().add(Fault { method, path, times, trouble });
    }
}

#[tokio::test]
async fn a_journal_lives_and_is_taken_up_again() {
    let bucket = Bucket::new().await;
    let mut journal = own(bucket.store().await).await;
    for mark in 1..=12 {
        commit(&mut journal, &mark.to_string()).await;
    }
    let names = bucket.storage.names(BUCKET);
    assert!(names.iter().all(|name| name.starts_with("eu/journal/shard-0/")), "{names:?}");

    let mut snapshots = Snapshots::new(bucket.store().await, 0, None);
    for at in [9, 11] {
        snapshots.write(snapshot_at(&journal, FIRST_SEQ + at)).await.unwrap();
    }
    let policy =
        RetentionPolicy { segments_per_pack: 4, ..RetentionPolicy::shared(Duration::ZERO) };
    let mut retention = Retention::new(bucket.store().await, 0, FIRST_SEQ, policy);
    let swept = retention.run(snapshots.kept(), Some(0), 0).await.unwrap();
    assert_eq!((swept.packs_made, swept.segments_packed), (2, 8));
    let reader = JournalReader::new(bucket.store().await, 0);
    for seq in 1..=12 {
        assert_eq!(mark_of(&reader.read(FIRST_SEQ + seq).await.unwrap()), seq.to_string());
    }
    let (mut journal, marks) = own_with(bucket.store().await, options()).await;
    assert_eq!(marks, ["12"], "from the newest snapshot on");
    assert_eq!(journal.epoch(), 2);
    commit(&mut journal, "13").await;
}

#[rstest]
#[case::refused_for_a_moment(&[(1, Trouble::Refused(503))])]
#[case::refused_past_the_clients_patience(&[(7, Trouble::Refused(503))])]
#[case::throttled(&[(4, Trouble::Refused(429))])]
#[case::slow(&[(1, Trouble::Slow(Duration::from_millis(300)))])]
#[case::done_but_the_answer_lost(&[(1, Trouble::AnswerLost)])]
#[case::done_then_refused_past_patience(&[(1, Trouble::AnswerLost), (4, Trouble::Refused(500))])]
#[tokio::test]
async fn a_commit_comes_through_once(#[case] troubles: &[(u32, Trouble)]) {
    let bucket = Bucket::new().await;
    let mut journal = own(bucket.store().await).await;
    commit(&mut journal, "before").await;
    for (times, trouble) in troubles {
        bucket.disturb(Method::PUT, *times, trouble.clone());
    }
    assert_eq!(commit(&mut journal, "disturbed").await.seq, FIRST_SEQ + 2);
    bucket.storage.faults().clear();
    assert_eq!(commit(&mut journal, "after").await.seq, FIRST_SEQ + 3);
    let (_, marks) = own_with(bucket.store().await, options()).await;
    assert_eq!(marks, ["before", "disturbed", "after"]);
}

/// The answer is lost, the client's second attempt meets the object, and the
/// reads that would tell whose it is fail, too, for a while.
#[tokio::test]
async fn whose_an_object_is_is_asked_until_it_is_told() {
    let bucket = Bucket::new().await;
    let mut journal = own(bucket.store().await).await;
    bucket.disturb(Method::PUT, 1, Trouble::AnswerLost);
    bucket.disturb(Method::GET, 4, Trouble::Refused(503));
    assert_eq!(commit(&mut journal, "mine").await.seq, FIRST_SEQ + 1);
    assert_eq!(bucket.storage.faults().left(), 0, "all of it happened");
    let (_, marks) = own_with(bucket.store().await, options()).await;
    assert_eq!(marks, ["mine"]);
}

#[tokio::test]
async fn a_body_cut_on_its_way_is_read_again() {
    let bucket = Bucket::new().await;
    let mut journal = own(bucket.store().await).await;
    commit(&mut journal, "whole").await;
    bucket.disturb(Method::GET, 2, Trouble::Cut);
    let (_, marks) = own_with(bucket.store().await, options()).await;
    assert_eq!(marks, ["whole"]);
}

#[tokio::test]
async fn of_two_owners_the_first_is_fenced_off() {
    let bucket = Bucket::new().await;
    let mut old = own(bucket.store().await).await;
    commit(&mut old, "a").await;
    let mut new = own(bucket.store().await).await;
    // That the object is another's is told even when the answer was lost on
    // the way there.
    bucket.disturb(Method::PUT, 1, Trouble::Refused(503));
    let fenced = old.commit(marked("too late")).await.unwrap_err();
    assert!(matches!(fenced, CommitError::Fenced { epoch: 2, .. }), "{fenced}");
    commit(&mut new, "b").await;
    let (_, marks) = own_with(bucket.store().await, options()).await;
    assert_eq!(marks, ["a", "b"]);
}

/// How long it waits is the matter of `standby`, whose time stands still.
#[tokio::test]
async fn a_standby_reads_the_tails_in_a_bucket() {
    let bucket = Bucket::new().await;
    let store = bucket.store().await;
    let hour = Duration::from_secs(3_600);
    let at_once = timeout(PATIENCE, await_quiet(&store, &[0, 1], hour, hour)).await;
    at_once.expect("nobody has ever been here").unwrap();

    let shards = |shard| OpenOptions { shard, shards: 2, ..waited() };
    for shard in 0..2 {
        let (mut journal, _) = own_with(bucket.store().await, shards(shard)).await;
        commit(&mut journal, "a sign of life").await;
    }
    let quiet = Duration::from_millis(100);
    await_quiet(&store, &[0, 1], quiet, quiet / 10).await.unwrap();
    let mut claim = claim(store, shards(0)).await.unwrap();
    assert_eq!(reapply(&mut claim).await.unwrap(), ["a sign of life"]);
    let Fenced::Won(_, committed) = claim.fence(Segment::default()).await.unwrap() else {
        panic!("nobody else is there");
    };
    assert_eq!((committed.segment.epoch, committed.segment.kind()), (2, SegmentKind::Fence));
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_said_at_the_start() {
    let bucket = Bucket::new().await;
    let elsewhere = BucketUrl::parse("gs://not-there/journal").unwrap();
    let missing = bucket.try_store(&elsewhere).await.unwrap_err();
    assert!(matches!(missing, BucketError::NoBucket { .. }), "{missing}");
    assert!(missing.to_string().contains("gs://not-there/journal"), "{missing}");
    assert_eq!(missing.exit_code(), 78);

    let all = |trouble| {
        let path = String::new();
        bucket.storage.faults().add(Fault { method: Method::GET, path, times: 9, trouble });
    };
    all(Trouble::Refused(403));
    let denied = bucket.try_store(&bucket.url).await.unwrap_err();
    assert!(denied.to_string().contains("roles/storage.objectUser"), "{denied}");
    assert_eq!(denied.exit_code(), 78);
    bucket.storage.faults().clear();
    all(Trouble::Refused(503));
    let away = bucket.try_store(&bucket.url).await.unwrap_err();
    assert!(matches!(away, BucketError::Unreachable { .. }), "{away}");
    assert_eq!(away.exit_code(), 1);
}
