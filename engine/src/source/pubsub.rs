//! Pings pulled from a Pub/Sub subscription, or from that of each owned shard.
//!
//! Each subscription is a source of its own. Several streams pull from it; one
//! task turns what they bring into entries, hands these to the shards and
//! acknowledges each message once every shard it touched has it on disk. Its
//! receive time is its publish time, so that a backlog is judged by when it
//! was published, and one low mark speaks for all streams of a subscription.
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
mod outage;
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

use crate::config::{Pulling, Subscription};
use crate::exit::{Exit, WithExit as _};
use crate::intake::Intake;
use crate::source::id::SourceId;
use decode::Decoder;
use gate::Gate;
use hand_over::HandOver;
use outage::Outage;
use stream::Stream;

/// Name of the source that feeds all shards in dead letters, metrics and logs.
pub const SOURCE_NAME: &str = "pubsub";

/// Batches from the streams that wait to be handed over, for each stream.
const WAITING_PER_STREAM: usize = 2;

/// Subscriptions that were found fit to be pulled from.
pub struct Subscribed {
    pulling: Pulling,
    subscriber: Subscriber,
    /// One for each subscription, in their order.
    probes: Vec<SubscriptionProbe>,
}

impl Subscribed {
    /// Reaches Pub/Sub and looks at the subscriptions; pulls nothing yet.
    ///
    /// # Errors
    /// One cannot be used as configured (exit code 78), or there is no token for
    /// Pub/Sub now (1).
    pub async fn new(pulling: Pulling) -> anyhow::Result<Self> {
        let client = PubsubClient::of_environment()
            .await
            .exit_as_config_unless(PubsubError::passes)
            .context("pubsub.subscription")?;
        let mut probes = Vec::with_capacity(pulling.subscriptions.len());
        for subscription in &pulling.subscriptions {
            check::check(&client, &subscription.name).await?;
            probes.push(client.probe(&subscription.name).await.exit_with(Exit::Config)?);
        }
        let subscriber = client.subscriber().await.exit_with(Exit::Config)?;
        Ok(Self { pulling, subscriber, probes })
    }
}

/// One of the sources, and what it heard last.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Who it is.
    pub source: SourceId,
    /// The shard that its subscription is for; `None` if for all.
    pub shard: Option<u32>,
    /// Says for how long no message has come.
    pub heard: Arc<Heard>,
}

/// The running sources, one for each subscription.
pub struct PubsubSources {
    stop: CancellationToken,
    listening: Vec<Listening>,
    tasks: JoinSet<()>,
}

impl PubsubSources {
    /// Begins to pull and to hand over to `intake`.
    #[must_use]
    pub fn start(subscribed: Subscribed, intake: &Intake, allow_null_island: bool) -> Self {
        let Subscribed { pulling, subscriber, probes } = subscribed;
        let pulling = Arc::new(pulling);
        let mut sources =
            Self { stop: CancellationToken::new(), listening: Vec::new(), tasks: JoinSet::new() };
        for subscription in pulling.subscriptions.iter().zip(probes) {
            sources.add(subscription, &pulling, &subscriber, intake, allow_null_island);
        }
        info!(
            streams = pulling.streams,
            messages_max = pulling.messages_max,
            bytes_max = pulling.bytes_max,
            "pulling"
        );
        sources
    }

    fn add(
        &mut self,
        (subscription, probe): (&Subscription, SubscriptionProbe),
        pulling: &Arc<Pulling>,
        subscriber: &Subscriber,
        intake: &Intake,
        allow_null_island: bool,
    ) {
        let source = SourceId::of(subscription);
        let heard = Arc::new(Heard::new());
        let outage = Arc::new(Outage::new(&subscription.name, &source.name));
        let (gate, passage) = Gate::open();
        let streams = pulling.streams_each();
        let (sender, received) = mpsc::channel(streams as usize * WAITING_PER_STREAM);
        let (renew, renewing) = watch::channel(());
        for _ in 0..streams {
            let stream = Stream {
                subscriber: subscriber.clone(),
                subscription: subscription.name.clone(),
                pulling: Arc::clone(pulling),
                received: sender.clone(),
                passage: passage.clone(),
                heard: Arc::clone(&heard),
                outage: Arc::clone(&outage),
                renew: renewing.clone(),
            };
            self.tasks.spawn(stream.run());
        }
        let (listened, stopped) = (Arc::clone(&heard), self.stop.clone());
        self.tasks.spawn(async move {
            let answers = || async { outage.looked(probe.look().await) };
            let watching = presence::watch(listened, renew, answers);
            let _ = stopped.run_until_cancelled(watching).await;
        });
        let owned = Some(intake.owned()).filter(|owned| !owned.is_all()).cloned();
        let decoder = Decoder { source: source.name.clone(), allow_null_island, owned };
        let stop = self.stop.clone();
        let hand_over = HandOver::new(intake.clone(), source.number, decoder, received, gate, stop);
        self.tasks.spawn(hand_over.run());
        info!(subscription = subscription.name, source = source.name, streams, "subscribed");
        self.listening.push(Listening { source, shard: subscription.shard, heard });
    }

    /// Each of them.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// Waits until a part of a source ends, which none does by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Err(panic)) => anyhow::Error::new(panic).context("a Pub/Sub source panicked"),
            _ => anyhow::anyhow!("a Pub/Sub source ended before it was told to"),
        }
    }

    /// Stops pulling and gives back what was not handed over; acknowledges
    /// what was, as it is committed, by `deadline` at the latest. What is left
    /// then is delivered again.
    ///
    /// # Errors
    /// A part of a source panicked.
    pub async fn drain(mut self, deadline: Option<Instant>) -> anyhow::Result<()> {
        self.stop.cancel();
        let joined = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.context("a Pub/Sub source panicked")?;
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
        self.last_ms.store(self.elapsed_ms().max(1), Ordering::Relaxed);
    }

    /// Whether any message came.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.last_ms.load(Ordering::Relaxed) > 0
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
