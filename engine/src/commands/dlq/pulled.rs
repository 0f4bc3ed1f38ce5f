//! The messages of a dead-letter subscription, one by one, until no more
//! come.

use std::time::Duration;

use anyhow::Context;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_pubsub::subscriber::handler::Handler;
use sinks::pubsub::PubsubClient;
use tokio::time::timeout;

use crate::exit::{Exit, WithExit as _};

/// Messages held at the most: each is leased until the command ends.
const HELD_MAX: i64 = 50_000;

/// Short, so that what a killed command held comes back soon.
const LEASE: Duration = Duration::from_secs(10);

pub(super) struct Pulled {
    stream: MessageStream,
    subscription: String,
    wait: Duration,
}

impl Pulled {
    /// Begins to pull `subscription`; it counts as empty once no message has
    /// come for `wait`.
    pub(super) async fn open(subscription: &str, wait: Duration) -> anyhow::Result<Self> {
        let client = PubsubClient::of_environment().await.exit_with(Exit::Config)?;
        client.subscription(subscription).await.exit_with(Exit::Config)?;
        let subscriber = client.subscriber().await.exit_with(Exit::Config)?;
        let stream = subscriber
            .subscribe(subscription)
            .set_max_outstanding_messages(HELD_MAX)
            .set_max_lease_extension(LEASE)
            .build();
        Ok(Self { stream, subscription: subscription.to_owned(), wait })
    }

    /// The next message, which is the command's until it is acknowledged or
    /// dropped.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<(Message, Handler)>> {
        match timeout(self.wait, self.stream.next()).await {
            Err(_) | Ok(None) => Ok(None),
            Ok(Some(pulled)) => {
                pulled.map(Some).with_context(|| format!("pulling from {}", self.subscription))
            }
        }
    }

    /// Gives the messages of `held` back and has everything told to Pub/Sub
    /// that was settled; no handle may be left elsewhere.
    pub(super) async fn close(self, held: Vec<Handler>) {
        let token = self.stream.shutdown_token();
        // The stream first: it would be given them again.
        drop(self.stream);
        drop(held);
        token.shutdown().await;
    }
}
