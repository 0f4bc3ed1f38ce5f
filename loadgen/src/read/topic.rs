//! Events from a Pub/Sub subscription, while the run goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::event_json::{Rendering, push_event};
use protos::events::FleetEvent;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::latencies::publishing_us;
use super::sse::{Arrived, Inbox};
use super::{EventReader, SincePing};
use crate::google::Pubsub;
use crate::profile::World;
use crate::send::Progress;

/// Pause before a stream that ended is opened again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// What is refused is refused within this: a stream that is older is open.
const STAYS_OPEN: Duration = Duration::from_secs(2);
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
    ///
    /// # Errors
    /// It cannot be read, or not any more.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut json = Vec::new();
        let take = |message: Message| {
            let now_us = self.progress.now_us();
            let event = FleetEvent::decode(message.data.clone())
                .map_err(anyhow::Error::from)
                .and_then(|it| Ok((self.reader.from_message(&it)?, it)));
            match event {
                Ok((event, whole)) => {
                    json.clear();
                    push_event(&mut json, &whole, Rendering::Full);
                    let publishing_us = publishing_us(&whole, &message);
                    let since_ping = SincePing { publishing_us, received_us: None };
                    let arrived = Arrived { event, json: &json, now_us, since_ping };
                    self.inbox.take(&self.world, arrived);
                }
                Err(_) => self.inbox.note(|feed| feed.unreadable += 1),
            }
        };
        let again = || self.inbox.note(|feed| feed.reconnects += 1);
        each(&self.subscriber, &self.subscription, &stop, take, again).await
    }
}

/// Takes and acknowledges each message until told to stop. A stream that ends
/// is opened again, which `again` is told.
///
/// # Errors
/// That of the last stream that failed, unless a later one gave a message or
/// stays open. The client itself tries for ever to reach a service that does not
/// answer at all.
pub(super) async fn each(
    subscriber: &Subscriber,
    subscription: &str,
    stop: &CancellationToken,
    mut take: impl FnMut(Message),
    mut again: impl FnMut(),
) -> anyhow::Result<()> {
    let mut failed = None;
    while !stop.is_cancelled() {
        let opened = Instant::now();
        let mut stream = subscriber
            .subscribe(subscription)
            .set_max_outstanding_messages(Pubsub::outstanding_max())
            .build();
        loop {
            match stop.run_until_cancelled(stream.next()).await {
                Some(Some(Ok((message, handler)))) => {
                    failed = None;
                    take(message);
                    handler.ack();
                }
                Some(Some(Err(error))) => {
                    failed = Some(error);
                    break;
                }
                Some(None) => break,
                None => {
                    failed = failed.filter(|_| opened.elapsed() < STAYS_OPEN);
                    break;
                }
            }
        }
        let _ = timeout(SHUT_DOWN_WITHIN, stream.shutdown_token().shutdown()).await;
        if !stop.is_cancelled() {
            again();
            stop.run_until_cancelled(sleep(AGAIN_AFTER)).await;
        }
    }
    match failed {
        None => Ok(()),
        Some(error) => Err(error).context(subscription.to_owned()),
    }
}
