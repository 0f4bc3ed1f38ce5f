//! The stand-in for Cloud Storage, as clients see it that others wrote: the
//! one of `object_store`, and Google's own for Python.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use futures::TryStreamExt;
use local_cloud::storage::{Fault, Storage, Trouble};
use object_store::client::{ClientOptions, StaticCredentialProvider};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig,
};

const BUCKET: &str = "fleet-journal";

async fn standin() -> (Storage, GoogleCloudStorage) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let storage = Storage::start().await.unwrap();
    storage.create_bucket(BUCKET);
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        ..BackoffConfig::default()
    };
    let retry = RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(5) };
    let nobody = GcpCredential { bearer: String::new() };
    let client = GoogleCloudStorageBuilder::new()
        .with_bucket_name(BUCKET)
        .with_base_url(&storage.endpoint())
        .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
        .with_skip_signature(true)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(retry)
        .build()
        .unwrap();
    (storage, client)
}

async fn create(client: &GoogleCloudStorage, name: &str, text: &'static str) -> Result<(), Error> {
    let (path, payload) = (Path::from(name), Bytes::from_static(text.as_bytes()));
    client.put_opts(&path, payload.into(), PutOptions::from(PutMode::Create)).await.map(drop)
}

fn fault(method: Method, times: u32, trouble: Trouble) -> Fault {
    Fault { method, path: "/journal/".to_owned(), times, trouble }
}

#[tokio::test]
async fn objects_are_created_once_read_in_parts_and_deleted() {
    let (storage, client) = standin().await;
    let name = Path::from("p/shard-0/journal/00000000000000000001");
    create(&client, name.as_ref(), "0123456789").await.unwrap();
    let taken = create(&client, name.as_ref(), "other").await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");

    let read = client.get(&name).await.unwrap();
    assert_eq!((read.meta.size, read.meta.location.clone()), (10, name.clone()));
    assert_eq!(read.bytes().await.unwrap(), "0123456789");
    for (range, part) in [
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Offset(7), "789"),
        (GetRange::Suffix(4), "6789"),
    ] {
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let read = client.get_opts(&name, options).await.unwrap();
        assert_eq!(read.meta.size, 10, "the whole's length with each part");
        assert_eq!(read.bytes().await.unwrap(), part);
    }
    assert_eq!(client.head(&name).await.unwrap().size, 10);

    client.put(&name, "new".into()).await.unwrap();
    assert_eq!(storage.object(BUCKET, name.as_ref()).unwrap().bytes, "new");
    client.delete(&name).await.unwrap();
    for gone in [client.head(&name).await.map(drop), client.delete(&name).await] {
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    }
    create(&client, name.as_ref(), "again").await.expect("a deleted name is free");
}

#[tokio::test]
async fn a_listing_of_many_parts_is_whole() {
    let (storage, client) = standin().await;
    let names: Vec<String> = (0..1_203).map(|n| format!("a/shard-0/journal/{n:020}")).collect();
    for name in &names {
        create(&client, name, "x").await.unwrap();
    }
    create(&client, "a/shard-0/genesis", "x").await.unwrap();
    create(&client, "b/other & <more>", "x").await.unwrap();
    let listed = client.list(Some(&Path::from("a/shard-0/journal")));
    let listed: Vec<String> =
        listed.map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(listed, names);
    let top = client.list_with_delimiter(Some(&Path::from("a/shard-0"))).await.unwrap();
    assert_eq!(top.common_prefixes, [Path::from("a/shard-0/journal")]);
    assert_eq!(top.objects.len(), 1);
    let odd = client.list(Some(&Path::from("b"))).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(odd[0].location, Path::from("b/other & <more>"));
    assert_eq!(storage.names(BUCKET).len(), names.len() + 2);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_not_found() {
    let (storage, client) = standin().await;
    drop(client);
    let nobody = GcpCredential { bearer: String::new() };
    let client = GoogleCloudStorageBuilder::new()
        .with_bucket_name("another")
        .with_base_url(&storage.endpoint())
        .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .build()
        .unwrap();
    let missing = create(&client, "a", "x").await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    assert!(missing.to_string().contains("NoSuchBucket"), "{missing}");
}

#[tokio::test]
async fn a_client_waits_out_what_passes() {
    let (storage, client) = standin().await;
    for (n, status) in [429, 503, 500].into_iter().enumerate() {
        storage.faults().add(fault(Method::PUT, 2, Trouble::Refused(status)));
        create(&client, &format!("journal/{n}"), "x").await.unwrap();
        storage.faults().add(fault(Method::GET, 2, Trouble::Refused(status)));
        client.get(&Path::from(format!("journal/{n}"))).await.unwrap();
        assert_eq!(storage.faults().left(), 0);
    }
    storage.faults().add(fault(Method::PUT, 3, Trouble::Refused(503)));
    create(&client, "journal/late", "x").await.expect_err("two more attempts, then the error");
    assert!(storage.object(BUCKET, "journal/late").is_none());
    storage.faults().add(fault(Method::PUT, 1, Trouble::Refused(403)));
    let refused = create(&client, "journal/late", "x").await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused}");
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_meets_itself() {
    let (storage, client) = standin().await;
    storage.faults().add(fault(Method::PUT, 1, Trouble::AnswerLost));
    let met = create(&client, "journal/1", "mine").await.unwrap_err();
    assert!(matches!(met, Error::AlreadyExists { .. }), "{met}");
    assert_eq!(storage.object(BUCKET, "journal/1").unwrap().bytes, "mine");
}

#[tokio::test]
async fn slow_answers_come_and_cut_ones_are_noticed() {
    let (storage, client) = standin().await;
    let pause = Duration::from_millis(50);
    storage.faults().add(fault(Method::PUT, 1, Trouble::Slow(pause)));
    let begun = std::time::Instant::now();
    create(&client, "journal/1", "0123456789").await.unwrap();
    assert!(begun.elapsed() >= pause);
    // Fewer bytes than the header promised are no object: the client asks
    // again for the rest, and gets it.
    storage.faults().add(fault(Method::GET, 1, Trouble::Cut));
    let read = client.get(&Path::from("journal/1")).await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), "0123456789");
    assert_eq!(storage.faults().left(), 0);
}

#[tokio::test]
async fn no_other_machine_is_served() {
    let refused = Storage::start_at(([0, 0, 0, 0], 0).into()).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

/// What Google's client finds of objects that the other client wrote, and the
/// other way round.
const PYTHON: &str = r#"
import sys
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

client = storage.Client(project="fleet", credentials=AnonymousCredentials())
bucket = client.bucket("fleet-journal")
assert client.create_bucket("another").name == "another"
assert client.get_bucket("another").exists()

theirs = bucket.blob("journal/theirs")
assert theirs.download_as_bytes() == b"0123456789"
assert theirs.download_as_bytes(start=2, end=4) == b"234"
theirs.reload()
assert (theirs.size, theirs.generation > 0) == (10, True)

mine = bucket.blob("journal/mine")
mine.upload_from_string(b"from Python", if_generation_match=0, checksum="crc32c")
try:
    mine.upload_from_string(b"twice", if_generation_match=0)
    sys.exit("a create happened twice")
except PreconditionFailed:
    pass
first = mine.generation
mine.upload_from_string(b"from Python too", if_generation_match=first)
assert mine.generation > first

for n in range(5):
    bucket.blob(f"many/{n}/x").upload_from_string(b"x")
names = [blob.name for blob in client.list_blobs(bucket, prefix="many/", page_size=2)]
assert names == [f"many/{n}/x" for n in range(5)], names
groups = client.list_blobs(bucket, prefix="many/", delimiter="/", page_size=2)
assert list(groups) == []
assert sorted(groups.prefixes) == [f"many/{n}/" for n in range(5)], groups.prefixes

bucket.blob("many/0/x").delete()
try:
    bucket.blob("many/0/x").delete()
    sys.exit("what is gone was deleted again")
except NotFound:
    pass
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn googles_own_client_agrees() {
    // A Python that is named must have the client; any other may.
    let named = std::env::var_os("FLEETSTREAM_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let probe = Command::new(&python).args(["-c", "import google.cloud.storage"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        assert!(named.is_none(), "{} lacks google-cloud-storage", python.to_string_lossy());
        println!("skipped: python3 lacks google-cloud-storage");
        return;
    }
    let (storage, client) = standin().await;
    create(&client, "journal/theirs", "0123456789").await.unwrap();
    let mut command = Command::new(&python);
    command.args(["-c", PYTHON]).env("STORAGE_EMULATOR_HOST", storage.endpoint());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mine = client.get(&Path::from("journal/mine")).await.unwrap();
    assert_eq!(mine.bytes().await.unwrap(), "from Python too");
}
