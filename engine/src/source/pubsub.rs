//! Pings pulled from a Pub/Sub subscription.
//!
//! Several streams pull; one task turns what they bring into entries, hands
//! these to the shards and acknowledges each message once every shard it
//! touched has it on disk. Its receive time is its publish time, so that a
//! backlog is judged by when it was published, and one low mark speaks for
//! all streams.
//!
//! While intake is paused, or full for longer than a moment, the streams are
//! closed and what was not handed over goes back: Pub/Sub keeps a backlog
//! better than a lease does. A stream that ends is opened again for as long
//! as the worker lives, and all of them when the service was away.

mod check;
mod decode;
mod gate;
mod hand_over;
mod in_flight;
mod presence;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use google_cloud_pubsub::client::Subscriber;
use sinks::pubsub::{PubsubClient, PubsubError, SubscriptionProbe};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::Pulling;
use crate::exit::{Exit, WithExit as _};
use crate::intake::Intake;
use decode::Decoder;
use gate::Gate;
use hand_over::HandOver;
use stream::Stream;

/// Name of the source in dead letters, metrics and logs.
pub const SOURCE_NAME: &str = "pubsub";

/// Batches from the streams that wait to be handed over, for each stream.
const WAITING_PER_STREAM: usize = 2;

/// A subscription that was found fit to be pulled from.
pub struct Subscribed {
    pulling: Pulling,
    subscriber: Subscriber,
    probe: SubscriptionProbe,
}

impl Subscribed {
    /// Reaches Pub/Sub and looks at the subscription; pulls nothing yet.
    ///
    /// # Errors
    /// It cannot be used as configured (exit code 78), or there is no token for
    /// Pub/Sub now (1).
    pub async fn new(pulling: Pulling) -> anyhow::Result<Self> {
        let client = PubsubClient::of_environment()
            .await
            .exit_as_config_unless(PubsubError::passes)
            .context("pubsub.subscription")?;
        check::check(&client, &pulling).await?;
        let subscriber = client.subscriber().await.exit_with(Exit::Config)?;
        let probe = client.probe(&pulling.subscription).await.exit_with(Exit::Config)?;
        Ok(Self { pulling, subscriber, probe })
    }
}

/// A running source.
pub struct PubsubSource {
    stop: CancellationToken,
    heard: Arc<Heard>,
    tasks: JoinSet<()>,
}

impl PubsubSource {
    /// Begins to pull and to hand over to `intake` as source `number`.
    #[must_use]
    pub fn start(
        subscribed: Subscribed,
        intake: Intake,
        number: u32,
        allow_null_island: bool,
    ) -> Self {
        let Subscribed { pulling, subscriber, probe } = subscribed;
        let streams = pulling.streams;
        let (stop, heard) = (CancellationToken::new(), Arc::new(Heard::new()));
        let (gate, passage) = Gate::open();
        let (sender, received) = mpsc::channel(streams as usize * WAITING_PER_STREAM);
        let (renew, renewing) = watch::channel(());
        let mut tasks = JoinSet::new();
        for _ in 0..streams {
            let stream = Stream {
                subscriber: subscriber.clone(),
                pulling: pulling.clone(),
                received: sender.clone(),
                passage: passage.clone(),
                heard: Arc::clone(&heard),
                renew: renewing.clone(),
            };
            tasks.spawn(stream.run());
        }
        let (listened, stopped) = (Arc::clone(&heard), stop.clone());
        tasks.spawn(async move {
            let watching = presence::watch(listened, renew, || probe.answers());
            let _ = stopped.run_until_cancelled(watching).await;
        });
        let decoder = Decoder { allow_null_island };
        let hand_over = HandOver::new(intake, number, decoder, received, gate, stop.clone());
        tasks.spawn(hand_over.run());
        info!(
            subscription = pulling.subscription,
            streams,
            messages_max = pulling.messages_max,
            bytes_max = pulling.bytes_max,
            "pulling"
        );
        Self { stop, heard, tasks }
    }

    /// Says for how long no message has come.
    #[must_use]
    pub fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }

    /// Waits until a part of the source ends, which none does by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Err(panic)) => anyhow::Error::new(panic).context("the Pub/Sub source panicked"),
            _ => anyhow::anyhow!("the Pub/Sub source ended before it was told to"),
        }
    }

    /// Stops pulling and gives back what was not handed over; acknowledges
    /// what was, as it is committed, by `deadline` at the latest. What is left
    /// then is delivered again.
    ///
    /// # Errors
    /// A part of the source panicked.
    pub async fn drain(mut self, deadline: Option<Instant>) -> anyhow::Result<()> {
        self.stop.cancel();
        let joined = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.context("the Pub/Sub source panicked")?;
            }
            anyhow::Ok(())
        };
        let Some(deadline) = deadline else { return joined.await };
        tokio::time::timeout_at(deadline, joined).await.unwrap_or_else(|_| {
            warn!("messages that are not acknowledged in time are delivered again");
            Ok(())
        })
    }
}

/// When the last message came.
#[derive(Debug)]
pub struct Heard {
    since: Instant,
    /// Milliseconds after `since`.
    last_ms: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self { since: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn now(&self) {
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// How long ago the last message came, or the source began.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.elapsed_ms().saturating_sub(last_ms))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
