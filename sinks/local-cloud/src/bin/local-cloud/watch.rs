//! Somebody who watches: the events, how long after their ping they came, the
//! dead letters, and how old the positions are that Firestore shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use jiff::Timestamp;
use local_cloud::PubsubClient;
use prost::Message as _;
use protos::events::FleetEvent;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::drive::vehicle_id;

/// Between two looks at positions.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Positions of one look.
const SAMPLE: u64 = 40;

/// What is watched.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Pub/Sub emulator, HOST:PORT
    #[arg(long, env = "PUBSUB_EMULATOR_HOST")]
    host: String,
    /// Full name of the subscription of events
    #[arg(long, env = "EVENTS_SUBSCRIPTION")]
    events: String,
    /// Full name of the subscription of dead letters
    #[arg(long, env = "DEAD_LETTERS_SUBSCRIPTION")]
    dead_letters: String,
    /// Firestore emulator, HOST:PORT
    #[arg(long, env = "FIRESTORE_EMULATOR_HOST")]
    firestore: String,
    /// Full name of the database of positions
    #[arg(long, env = "FLEETSTREAM_FIRESTORE__DATABASE")]
    database: String,
    /// Collection of the positions, a document for each vehicle
    #[arg(long, default_value = "LiveMap")]
    collection: String,
    /// Vehicles that `drive` drives
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    vehicles: u64,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeMap<String, u64>,
    ids: BTreeSet<String>,
    letters: BTreeMap<String, u64>,
    /// Milliseconds from the publishing of the ping that decided an event to
    /// the publishing of the event.
    published_ms: Vec<i64>,
    /// … to its arrival here.
    arrived_ms: Vec<i64>,
    /// Milliseconds since the measurement that a document shows, when it was
    /// looked at.
    ages_ms: Vec<i64>,
    /// … when it was written.
    writes_ms: Vec<i64>,
}

impl Watch {
    /// Watches until it is told to end.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let client = PubsubClient::connect(&format!("http://{}", self.host)).await?;
        let mut events = messages(client.stream(&self.events).await?);
        let mut letters = messages(client.stream(&self.dead_letters).await?);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looking: Option<JoinHandle<anyhow::Result<Value>>> = None;
        let mut seen = Seen::default();
        for look in 0.. {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                event = events.recv() => {
                    seen.event(&event.context("the stream of events ended")??)?;
                }
                letter = letters.recv() => {
                    let message = letter.context("the stream of letters ended")??;
                    let reason = message.attributes.get("dlq_reason").cloned();
                    *seen.letters.entry(reason.unwrap_or_default()).or_default() += 1;
                }
                _ = looks.tick(), if looking.is_none() => {
                    let (url, body) = self.look(look);
                    looking = Some(tokio::task::spawn_blocking(move || post(&url, &body)));
                }
                shown = joined(&mut looking) => seen.positions(&shown??)?,
            }
        }
        seen.tell();
        Ok(())
    }

    /// A request for the documents of some vehicles, others each time.
    fn look(&self, look: u64) -> (String, Value) {
        let (base, step) = (format!("{}/documents", self.database), self.vehicles.div_ceil(SAMPLE));
        let vehicles = (look % step..self.vehicles).step_by(step as usize).map(vehicle_id);
        let documents: Vec<_> =
            vehicles.map(|id| format!("{base}/{}/{id}", self.collection)).collect();
        let url = format!("http://{}/v1/{base}:batchGet", self.firestore);
        (url, json!({ "documents": documents }))
    }
}

/// Messages of a stream, acknowledged. They come by a channel, because what a
/// stream has under way is lost when nobody waits for it any more.
fn messages(mut stream: MessageStream) -> mpsc::Receiver<anyhow::Result<Message>> {
    let (to, messages) = mpsc::channel(1_000);
    tokio::spawn(async move {
        while let Some(next) = stream.next().await {
            let message = next.map(|(message, handler)| {
                handler.ack();
                message
            });
            if to.send(message.map_err(anyhow::Error::from)).await.is_err() {
                return;
            }
        }
    });
    messages
}

/// What the look under way found; pending while there is none.
async fn joined(
    looking: &mut Option<JoinHandle<anyhow::Result<Value>>>,
) -> Result<anyhow::Result<Value>, tokio::task::JoinError> {
    let Some(handle) = looking else { return std::future::pending().await };
    let found = handle.await;
    *looking = None;
    found
}

fn post(url: &str, body: &Value) -> anyhow::Result<Value> {
    let request = ureq::post(url).header("authorization", "Bearer owner");
    let mut answer = request.send(body.to_string()).context("looking at positions")?;
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
}

impl Seen {
    fn event(&mut self, message: &Message) -> anyhow::Result<()> {
        let event = FleetEvent::decode(message.data.clone()).context("no event")?;
        let kind = message.attributes.get("event_type").cloned();
        *self.kinds.entry(kind.unwrap_or_default()).or_default() += 1;
        self.ids.insert(event.event_id);
        self.arrived_ms.push(Timestamp::now().as_millisecond() - event.observed_at_ms);
        if let Some(time) = message.publish_time {
            let published_ms = time.seconds() * 1_000 + i64::from(time.nanos() / 1_000_000);
            self.published_ms.push(published_ms - event.observed_at_ms);
        }
        Ok(())
    }

    /// What `batchGet` answered; a document that is missing counts for nothing.
    fn positions(&mut self, answers: &Value) -> anyhow::Result<()> {
        let now_ms = Timestamp::now().as_millisecond();
        for answer in answers.as_array().into_iter().flatten() {
            let found = &answer["found"];
            let Some(measured) = found["fields"]["event_time"]["timestampValue"].as_str() else {
                continue;
            };
            let measured_ms = measured.parse::<Timestamp>()?.as_millisecond();
            self.ages_ms.push(now_ms - measured_ms);
            let written = found["updateTime"].as_str().unwrap_or_default();
            self.writes_ms.push(written.parse::<Timestamp>()?.as_millisecond() - measured_ms);
        }
        Ok(())
    }

    fn tell(mut self) {
        let operations: u64 = self.kinds.values().sum();
        println!("events: {} in {operations} messages", self.ids.len());
        self.kinds.iter().for_each(|(kind, count)| println!("  {kind} {count}"));
        let letters: u64 = self.letters.values().sum();
        println!("dead letters: {letters}");
        self.letters.iter().for_each(|(reason, count)| println!("  {reason} {count}"));
        for (what, values) in [
            ("from a ping's publishing to its event's", &mut self.published_ms),
            ("from a ping's publishing to its event's arrival", &mut self.arrived_ms),
            ("from a measurement to its writing in Firestore", &mut self.writes_ms),
            ("age of positions looked at in Firestore", &mut self.ages_ms),
        ] {
            println!("{what}: {}", quantiles(values));
        }
    }
}

/// Median, 99th percentile and maximum, in milliseconds.
fn quantiles(values: &mut [i64]) -> String {
    values.sort_unstable();
    let Some(last) = values.len().checked_sub(1) else { return "none".to_owned() };
    let at = |share: usize| values[last * share / 100];
    format!("p50 {} ms, p99 {} ms, max {} ms ({} values)", at(50), at(99), at(100), last + 1)
}
