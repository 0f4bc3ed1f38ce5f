//! Warming the emulators up. Both run on a virtual machine that compiles what
//! is done often: for its first seconds each is many times as slow as later,
//! and delays seen then would be those of a compiler.

use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use google_cloud_pubsub::model::Message;
use local_cloud::PubsubClient;
use serde_json::{Value, json};

/// Messages that are published; half of them, at the least, are pulled.
const MESSAGES: usize = 24_000;
const MESSAGE_BYTES: usize = 100;
/// Streams that pull them.
const STREAMS: usize = 3;
/// Ordering keys of half of them.
const KEYS: usize = 64;
/// Documents, in requests of so many, written so often.
const DOCUMENTS: usize = 1_600;
const REQUEST_DOCUMENTS: usize = 100;
const ROUNDS: usize = 20;
/// Longer than it takes on any machine that is of use.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes to, and pulls from, a topic that nobody else uses.
pub(super) async fn pubsub(client: &PubsubClient) -> anyhow::Result<()> {
    let (topic, subscription) = client.create_pair("warm-up").await?;
    let messages = (0..MESSAGES).map(|n| {
        let key = if n % 2 == 0 { String::new() } else { (n / 2 % KEYS).to_string() };
        Message::new().set_data(vec![0; MESSAGE_BYTES]).set_ordering_key(key)
    });
    client.publish(&topic, messages).await?;
    let each = MESSAGES / STREAMS / 2;
    let pulls =
        (0..STREAMS).map(|_| client.collect(&subscription, PATIENCE, |it| it.len() >= each));
    try_join_all(pulls).await.context("warming Pub/Sub up")?;
    Ok(())
}

/// Makes and changes documents of a collection that nobody else uses.
pub(super) async fn firestore(host: &str, database: &str) -> anyhow::Result<()> {
    for round in 0..ROUNDS {
        let requests = (0..DOCUMENTS).step_by(REQUEST_DOCUMENTS).map(|first| {
            let url = format!("http://{host}/v1/{database}/documents:batchWrite");
            let documents = first..first + REQUEST_DOCUMENTS;
            let writes: Vec<Value> = documents.map(|n| write(database, n, round)).collect();
            let body = json!({ "writes": writes }).to_string();
            tokio::task::spawn_blocking(move || post(&url, &body))
        });
        for written in try_join_all(requests).await? {
            written.context("warming Firestore up")?;
        }
    }
    Ok(())
}

fn write(database: &str, n: usize, round: usize) -> Value {
    let name = format!("{database}/documents/WarmUp/document-{n}");
    let fields = json!({
        "n": { "integerValue": n.to_string() },
        "round": { "integerValue": round.to_string() },
        "place": { "geoPointValue": { "latitude": 50.0, "longitude": 10.0 } },
    });
    json!({
        "update": { "name": name, "fields": fields },
        "currentDocument": { "exists": round > 0 },
    })
}

fn post(url: &str, body: &str) -> anyhow::Result<()> {
    let request = ureq::post(url).header("authorization", "Bearer owner");
    request.send(body)?.body_mut().read_to_string()?;
    Ok(())
}
