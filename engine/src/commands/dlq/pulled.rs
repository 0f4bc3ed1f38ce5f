//! The messages of a dead-letter subscription, one by one, until no more
//! come.

use std::time::Duration;

use anyhow::{Context, bail};
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_pubsub::subscriber::handler::Handler;
use sinks::pubsub::{Looked, PubsubClient, PubsubError, SubscriptionProbe};
use tokio::time::timeout;

use super::look::{self, Ack, Letters};
use crate::exit::{Exit, WithExit as _};

/// Short, so that what a killed command held comes back soon.
const LEASE: Duration = Duration::from_secs(10);
/// What is held is held for longer than any command goes on.
const LEASE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

pub(super) struct Pulled {
    stream: MessageStream,
    probe: SubscriptionProbe,
    subscription: String,
    wait: Duration,
}

impl Pulled {
    /// Begins to pull `subscription`; it counts as empty once no message has
    /// come for `wait`.
    pub(super) async fn open(subscription: &str, wait: Duration) -> anyhow::Result<Self> {
        let client = PubsubClient::of_environment().await;
        let client = client.exit_as_config_unless(PubsubError::passes)?;
        client.subscription(subscription).await.exit_with(Exit::Config)?;
        let probe = client.probe(subscription).await.exit_with(Exit::Config)?;
        let subscriber = client.subscriber().await.exit_with(Exit::Config)?;
        // Pub/Sub falls silent at its bounds, as if there were no more: they
        // must be wider than those at which a look ends.
        let stream = subscriber
            .subscribe(subscription)
            .set_max_outstanding_messages(2 * look::HELD_MAX as i64)
            .set_max_outstanding_bytes(2 * look::HELD_BYTES_MAX as i64)
            .set_max_lease_extension(LEASE)
            .set_max_lease(LEASE_MAX)
            .build();
        Ok(Self { stream, probe, subscription: subscription.to_owned(), wait })
    }
}

impl Letters for Pulled {
    type Handle = Handler;

    async fn next(&mut self) -> anyhow::Result<Option<(Message, Handler)>> {
        match timeout(self.wait, self.stream.next()).await {
            Err(_) if self.probe.look().await != Looked::Away => Ok(None),
            Err(_) => bail!(
                "Pub/Sub does not answer: whether {} holds more is not known",
                self.subscription
            ),
            Ok(None) => bail!("pulling from {} ended", self.subscription),
            Ok(Some(pulled)) => {
                pulled.map(Some).with_context(|| format!("pulling from {}", self.subscription))
            }
        }
    }

    async fn close(self, held: Vec<Handler>) {
        let token = self.stream.shutdown_token();
        // The stream first: it would be given them again.
        drop(self.stream);
        drop(held);
        token.shutdown().await;
    }
}

impl Ack for Handler {
    fn ack(self) {
        Handler::ack(self);
    }
}
