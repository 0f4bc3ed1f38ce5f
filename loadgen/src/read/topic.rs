//! Events from a Pub/Sub subscription, while the run goes on.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::events::FleetEvent;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::EventReader;
use super::sse::Inbox;
use crate::google::Pubsub;
use crate::profile::World;
use crate::send::Progress;

/// Pause before a stream that ended is opened again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The last acknowledgements get through within this, or come again.
const SHUT_DOWN_WITHIN: Duration = Duration::from_secs(5);

/// Reads a subscription to the engine's events topic into an inbox.
pub struct EventSubscription {
    /// What it is read with.
    pub subscriber: Subscriber,
    /// Its full name.
    pub subscription: String,
    /// Of which run the events are.
    pub world: Arc<World>,
    /// How they are read.
    pub reader: EventReader,
    /// Where they go.
    pub inbox: Arc<Inbox>,
    /// What tells the time.
    pub progress: Arc<Progress>,
}

impl EventSubscription {
    /// Reads until told to stop; a stream that ends is opened again.
    pub async fn run(self, stop: CancellationToken) {
        let take = |message: Message| {
            let now_us = self.progress.now_us();
            let event = FleetEvent::decode(message.data)
                .map_err(anyhow::Error::from)
                .and_then(|event| self.reader.from_message(&event));
            match event {
                Ok(event) => self.inbox.take(&self.world, event, now_us),
                Err(_) => self.inbox.note(|feed| feed.unreadable += 1),
            }
        };
        let again = || self.inbox.note(|feed| feed.reconnects += 1);
        each(&self.subscriber, &self.subscription, &stop, take, again).await;
    }
}

/// Takes and acknowledges each message until told to stop. A stream that ends
/// is opened again, which `again` is told.
pub(super) async fn each(
    subscriber: &Subscriber,
    subscription: &str,
    stop: &CancellationToken,
    mut take: impl FnMut(Message),
    mut again: impl FnMut(),
) {
    while !stop.is_cancelled() {
        let mut stream = subscriber
            .subscribe(subscription)
            .set_max_outstanding_messages(Pubsub::outstanding_max())
            .build();
        while let Some(Some(Ok((message, handler)))) = stop.run_until_cancelled(stream.next()).await
        {
            take(message);
            handler.ack();
        }
        let _ = timeout(SHUT_DOWN_WITHIN, stream.shutdown_token().shutdown()).await;
        if !stop.is_cancelled() {
            again();
            stop.run_until_cancelled(sleep(AGAIN_AFTER)).await;
        }
    }
}
