//! Fence sets as objects.

use bytes::Bytes;
use engine::journal::{FenceObjects, JournalError, Store};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn what_was_put_is_got_whatever_the_store_did() {
    let store = Faulty::new();
    let fences = FenceObjects::new(store.store());
    store.next_puts([Put::Lost, Put::AppliedTimeout]);
    fences.put("c0ffee", Bytes::from_static(b"set")).await.unwrap();
    fences.put("c0ffee", Bytes::from_static(b"set")).await.unwrap();
    assert_eq!(fences.get("c0ffee").await.unwrap(), "set");
    let error = fences.put("c0ffee", Bytes::from_static(b"other")).await.unwrap_err();
    assert!(matches!(error, JournalError::Differs { .. }), "{error}");
    assert!(matches!(fences.get("dead").await, Err(JournalError::Absent { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_set_is_refused_by_name_and_mended_by_a_put() {
    let store = Faulty::new();
    let fences = FenceObjects::new(store.store());
    fences.put("c0ffee", Bytes::from_static(b"set")).await.unwrap();
    store.overwrite("fences/c0ffee", "junk").await;
    let error = fences.get("c0ffee").await.unwrap_err();
    assert!(error.to_string().contains("fences/c0ffee"), "{error}");
    fences.put("c0ffee", Bytes::from_static(b"set")).await.unwrap();
    assert_eq!(fences.get("c0ffee").await.unwrap(), "set");
}

#[tokio::test(start_paused = true)]
async fn a_hash_is_no_path() {
    let fences = FenceObjects::new(Faulty::new().store());
    for hash in ["", "../genesis", "a/b", "a#1"] {
        let put = fences.put(hash, Bytes::new()).await;
        assert!(matches!(put, Err(JournalError::BadObject(_))), "{hash}");
    }
}

#[tokio::test]
async fn left_over_staging_files_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let fences = FenceObjects::new(Store::local(dir.path()).unwrap());
    fences.sweep_staging().await.unwrap();
    fences.put("c0ffee", Bytes::from_static(b"set")).await.unwrap();
    let staging = dir.path().join("fences/c0ffee#1");
    std::fs::write(&staging, b"half").unwrap();
    fences.sweep_staging().await.unwrap();
    assert!(!staging.exists());
    assert_eq!(fences.get("c0ffee").await.unwrap(), "set");
}
