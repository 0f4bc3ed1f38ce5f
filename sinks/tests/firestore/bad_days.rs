//! Firestore slow, failing, away, and documents that it will not have.

use std::time::Duration;

use geofence::LivePosition;
use local_cloud::network::Mode;

use crate::support::{Collection, at};

#[tokio::test(flavor = "multi_thread")]
async fn slow_then_failing_then_back() {
    let Some(collection) = Collection::new("slow") else { return };
    let network = collection.network(Mode::Pass).await;
    let mut writer = collection.writer_at(network.host(), collection.options(), 0).await;
    let fleet = |lat, seq| (0..700).map(move |n| at(&format!("v{n}"), lat, seq));
    writer.offer(fleet(1.0, 1));
    writer.wait_through(1).await;

    network.becomes(Mode::Slow(Duration::from_secs(2)));
    for seq in 2..=50 {
        writer.offer(fleet(1.0 + seq as f64 * 0.01, seq));
    }
    let slow = writer.wait_until("old", |it| it.oldest > Duration::from_secs(1)).await;
    assert!(slow.documents == 700 && slow.through < 50, "{slow:?}");
    let report = writer.wait_through(50).await;
    assert_eq!(report.requests_failed, 0);

    network.becomes(Mode::Cut);
    writer.offer(fleet(2.0, 51));
    let failing = writer.wait_until("failing", |it| it.requests_failed >= 3).await;
    for seq in 52..=200 {
        writer.offer(fleet(2.0 + seq as f64 * 0.01, seq));
    }
    assert_eq!((failing.documents, failing.through), (700, 50));
    network.becomes(Mode::Pass);
    let report = writer.wait_through(200).await;
    assert_eq!((report.counts.refused, report.counts.failed), (0, 0));
    assert_eq!((report.documents_waiting, report.oldest), (0, Duration::ZERO));
    assert!(collection.seqs().await.values().all(|seq| *seq == 200));
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_without_firestore_and_ends_without_it() {
    let Some(collection) = Collection::new("away") else { return };
    let network = collection.network(Mode::Cut).await;
    let mut writer = collection.writer_at(network.host(), collection.options(), 0).await;
    writer.offer([at("a", 1.0, 1)]);
    writer.wait_until("failing", |it| it.requests_failed >= 2).await;
    network.becomes(Mode::Pass);
    writer.wait_through(1).await;
    network.becomes(Mode::Cut);
    writer.offer([at("a", 2.0, 2)]);
    writer.wait_until("failing", |it| it.requests_failed >= 3 && it.documents_waiting == 1).await;
    let report = tokio::time::timeout(Duration::from_secs(20), writer.stop()).await.unwrap();
    assert_eq!((report.through, report.documents_waiting), (1, 1));
    assert_eq!(collection.seqs().await["a"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_refused_for_good_stops_no_other() {
    let Some(collection) = Collection::new("poison") else { return };
    let mut writer = collection.writer(collection.options()).await;
    // A name that spoils its whole request, and a document over 1 MiB.
    let long = vec!["f".repeat(600_000); 2].into_iter().collect();
    let fleet = (0..100).map(|n| at(&format!("v{n}"), 1.0, 1));
    let poison = [at("a//b", 1.0, 1), LivePosition { fences: long, ..at("large", 1.0, 1) }];
    writer.offer(fleet.chain(poison));
    let report = writer.wait_through(1).await;
    assert_eq!((report.counts.failed, report.counts.written), (2, 100));
    let seqs = collection.seqs().await;
    assert!(seqs.len() == 100 && !seqs.contains_key("large"), "{seqs:?}");
    // The others go on.
    writer.offer([at("v0", 2.0, 2)]);
    writer.wait_through(2).await;
    assert_eq!(collection.seqs().await["v0"], 2);
    writer.stop().await;
}
