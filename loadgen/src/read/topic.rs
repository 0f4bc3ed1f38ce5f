//! Events from a Pub/Sub subscription, while the run goes on.

use std::sync::Arc;

use google_cloud_pubsub::client::Subscriber;
use prost::Message as _;
use protos::events::FleetEvent;
use tokio_util::sync::CancellationToken;

use super::EventReader;
use super::sse::Inbox;
use crate::google::Pubsub;
use crate::profile::World;
use crate::send::Progress;

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
        while !stop.is_cancelled() {
            let mut stream = self
                .subscriber
                .subscribe(self.subscription.as_str())
                .set_max_outstanding_messages(Pubsub::outstanding_max())
                .build();
            loop {
                let next = tokio::select! {
                    () = stop.cancelled() => break,
                    next = stream.next() => next,
                };
                let Some(Ok((message, handler))) = next else { break };
                let now_us = self.progress.now_us();
                let event = FleetEvent::decode(message.data)
                    .map_err(anyhow::Error::from)
                    .and_then(|event| self.reader.from_message(&event));
                match event {
                    Ok(event) => self.inbox.take(&self.world, event, now_us),
                    Err(_) => self.inbox.note(|feed| feed.unreadable += 1),
                }
                handler.ack();
            }
            stream.shutdown_token().shutdown().await;
            if !stop.is_cancelled() {
                self.inbox.note(|feed| feed.reconnects += 1);
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
        }
    }
}
