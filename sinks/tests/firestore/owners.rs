//! Workers that believe that they have the same shard, and workers that come
//! back.

use crate::support::{Collection, at};

#[tokio::test(flavor = "multi_thread")]
async fn v41_the_stale_owners_map_write_is_refused() {
    let Some(collection) = Collection::new("v41") else { return };
    let mut stale = collection.writer(collection.options()).await;
    stale.offer([at("a", 1.0, 10), at("b", 1.0, 10)]);
    stale.wait_through(10).await;

    let mut owner = collection.writer(collection.options()).await;
    owner.offer([at("a", 2.0, 20)]);
    owner.wait_through(20).await;

    // Committed before the shard was lost, but not written yet.
    stale.offer([at("a", 1.5, 11), at("b", 1.5, 11)]);
    let report = stale.stop().await;
    assert_eq!((report.counts.refused, report.documents_waiting), (1, 0));
    assert_eq!(collection.seqs().await, [("a".into(), 20), ("b".into(), 11)].into());

    // The owner goes on, and past what the stale one wrote of `b`.
    owner.offer([at("a", 3.0, 21), at("b", 3.0, 21)]);
    let report = owner.stop().await;
    assert_eq!(report.counts.refused, 0);
    assert_eq!(collection.seqs().await, [("a".into(), 21), ("b".into(), 21)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_reads_then_writes_what_is_not_there() {
    let Some(collection) = Collection::new("restart") else { return };
    let writer = collection.writer(collection.options()).await;
    writer.offer([at("same", 1.0, 5), at("moved", 1.0, 5)]);
    let report = writer.stop().await;
    assert_eq!((report.through, report.documents_written), (5, 2));
    let before = collection.documents().await;

    let writer = collection.writer(collection.options()).await;
    writer.offer([at("same", 1.0, 5), at("moved", 2.0, 7), at("new", 2.0, 7)]);
    let report = writer.stop().await;
    assert_eq!((report.through, report.documents_written, report.counts.refused), (7, 2, 0));
    let after = collection.documents().await;
    assert_eq!(after["same"].update_time, before["same"].update_time);
    let expected = [("moved".into(), 7), ("new".into(), 7), ("same".into(), 5)];
    assert_eq!(collection.seqs().await, expected.into());
}
