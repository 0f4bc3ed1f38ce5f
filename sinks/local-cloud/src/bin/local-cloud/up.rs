//! Both of Google's emulators, the stand-ins, and in them what a worker needs.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use local_cloud::bigquery::{Options, Standin};
use local_cloud::storage::Storage;
use local_cloud::{FirestoreEmulator, PubsubClient, PubsubEmulator};
use tokio::signal::unix::{SignalKind, signal};

use crate::warm;

const PROJECT: &str = "local-project";
const DATASET: &str = "fleet";
const BUCKET: &str = "local-journal";
/// A killed worker's messages come again after this.
const ACK_DEADLINE: Duration = Duration::from_secs(10);

/// Starts everything, says where it is, and stays until it is told to end.
pub(crate) async fn up(out: Option<PathBuf>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let services = Services::start(out.clone()).await?;
    services.announce().context("cannot print the addresses")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if let Some(out) = out {
        services.bigquery.write_parquet(&out)?;
    }
    services.bigquery.stop().await;
    Ok(())
}

/// Everything that runs; dropped, the emulators end.
struct Services {
    pubsub: PubsubEmulator,
    firestore: FirestoreEmulator,
    bigquery: Standin,
    storage: Storage,
    pings: Names,
    events: Names,
    dead_letters: Names,
}

/// A topic and the subscription to it, by their full names.
struct Names {
    topic: String,
    subscription: String,
}

impl Services {
    async fn start(out: Option<PathBuf>) -> anyhow::Result<Self> {
        let (pubsub, firestore) = tokio::task::spawn_blocking(emulators).await??;
        let options = Options { out, ..Options::default() };
        let bigquery = Standin::start(options).await.context("the stand-in for BigQuery")?;
        bigquery.create_dataset(PROJECT, DATASET)?;
        let storage = Storage::start().await.context("the stand-in for Cloud Storage")?;
        storage.create_bucket(BUCKET);
        let client = PubsubClient::connect(&pubsub.endpoint()).await?;
        let host = firestore.host();
        let (broker, database) = (warm::pubsub(&client), database());
        tokio::try_join!(broker, warm::firestore(&host, &database))?;
        let pings = names(&client, "pings", "worker").await?;
        let events = names(&client, "events", "events-reader").await?;
        let dead_letters = names(&client, "dead-letters", "dead-letters").await?;
        Ok(Self { pubsub, firestore, bigquery, storage, pings, events, dead_letters })
    }

    /// One assignment a line, in no need of quotes, and at the end the one
    /// that says that it is the end.
    fn announce(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for (name, value) in [
            ("PUBSUB_EMULATOR_HOST", self.pubsub.host()),
            ("FIRESTORE_EMULATOR_HOST", self.firestore.host()),
            ("BIGQUERY_STORAGE_ENDPOINT", self.bigquery.storage_endpoint()),
            ("BIGQUERY_REST_ENDPOINT", self.bigquery.rest_endpoint()),
            ("STORAGE_EMULATOR_HOST", self.storage.endpoint()),
            ("FLEETSTREAM_JOURNAL__URL", format!("gs://{BUCKET}/journal")),
            // A journal in a bucket goes with no files beside it.
            ("FLEETSTREAM_FILES__PARQUET", "false".to_owned()),
            ("FLEETSTREAM_FILES__EVENT_LOG", "false".to_owned()),
            ("FLEETSTREAM_FILES__DEAD_LETTERS", "false".to_owned()),
            ("FLEETSTREAM_FILES__POSITIONS", "false".to_owned()),
            ("FLEETSTREAM_PUBSUB__SUBSCRIPTION", self.pings.subscription.clone()),
            ("FLEETSTREAM_PUBSUB__EVENTS_TOPIC", self.events.topic.clone()),
            ("FLEETSTREAM_PUBSUB__DEAD_LETTER_TOPIC", self.dead_letters.topic.clone()),
            ("FLEETSTREAM_FIRESTORE__DATABASE", database()),
            ("FLEETSTREAM_BIGQUERY__DATASET", format!("projects/{PROJECT}/datasets/{DATASET}")),
            ("PINGS_TOPIC", self.pings.topic.clone()),
            ("EVENTS_SUBSCRIPTION", self.events.subscription.clone()),
            ("DEAD_LETTERS_SUBSCRIPTION", self.dead_letters.subscription.clone()),
            ("LOCAL_CLOUD", "up".to_owned()),
        ] {
            writeln!(out, "{name}={value}")?;
        }
        out.flush()
    }
}

fn database() -> String {
    format!("projects/{PROJECT}/databases/(default)")
}

fn emulators() -> anyhow::Result<(PubsubEmulator, FirestoreEmulator)> {
    let needed = "needed are Java and Google's Cloud SDK with both emulators: \
                  gcloud components install pubsub-emulator cloud-firestore-emulator";
    let pubsub = PubsubEmulator::start().context(needed)?;
    let firestore = FirestoreEmulator::start().context(needed)?;
    Ok((pubsub, firestore))
}

async fn names(client: &PubsubClient, topic: &str, subscription: &str) -> anyhow::Result<Names> {
    let topic = client.create_topic(topic).await?;
    let subscription = client.create_subscription(subscription, &topic, ACK_DEADLINE).await?;
    Ok(Names { topic, subscription })
}
