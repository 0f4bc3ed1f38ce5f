//! One pull stream: opened, read, closed and opened again.

use std::sync::Arc;

use futures::FutureExt as _;
use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_pubsub::subscriber::handler::Handler;
use sinks::google;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Heard;
use super::gate::Passage;
use super::outage::Outage;
use crate::config::Pulling;

/// Messages of one batch at the most.
const BATCH_MAX: usize = 500;

/// A message as it came; dropped, it goes back.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) handler: Handler,
}

/// A stream and what it needs to be opened again.
pub(super) struct Stream {
    pub(super) subscriber: Subscriber,
    /// Full name of the subscription.
    pub(super) subscription: String,
    pub(super) pulling: Arc<Pulling>,
    pub(super) received: mpsc::Sender<Vec<Received>>,
    pub(super) passage: Passage,
    pub(super) heard: Arc<Heard>,
    pub(super) outage: Arc<Outage>,
    /// Changes when it is to be opened anew.
    pub(super) renew: watch::Receiver<()>,
}

/// Why a stream is closed.
enum Ended {
    /// The gate is shut.
    Shut,
    /// It is to be opened anew.
    Renewed,
    /// The service ended it.
    Failed(String),
}

impl Stream {
    /// Pulls while the gate is open; ends when it is shut for good and what
    /// was pulled is acknowledged or given back.
    pub(super) async fn run(mut self) {
        let mut backoff = google::backoff();
        let mut closing = JoinSet::new();
        while self.passage.opened().await {
            let mut stream = self.open();
            let (ended, brought) = self.pull(&mut stream).await;
            let unread = unread(&mut stream);
            let token = stream.shutdown_token();
            // The stream first: what goes back would come by it again.
            drop(stream);
            drop(unread);
            // Its leases go on until each message is settled.
            closing.spawn(async move { token.shutdown().await });
            while closing.try_join_next().is_some() {}
            if brought {
                backoff = google::backoff();
            }
            if let Ended::Failed(error) = ended {
                self.outage.stream_ended(error);
                tokio::select! {
                    () = backoff.pause() => {}
                    () = self.passage.shut() => {}
                }
            }
        }
        while closing.join_next().await.is_some() {}
    }

    fn open(&mut self) -> MessageStream {
        self.renew.mark_unchanged();
        let pulling = &self.pulling;
        let messages = i64::from(pulling.messages_max.div_ceil(pulling.streams));
        let bytes = pulling.bytes_max.div_ceil(pulling.streams.into());
        self.subscriber
            .subscribe(&self.subscription)
            .set_max_outstanding_messages(messages)
            .set_max_outstanding_bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
            .set_max_lease_extension(pulling.lease)
            .build()
    }

    /// Reads `stream` to its end; and whether it brought anything.
    async fn pull(&mut self, stream: &mut MessageStream) -> (Ended, bool) {
        let mut brought = false;
        loop {
            let next = tokio::select! {
                biased;
                () = self.passage.shut() => return (Ended::Shut, brought),
                Ok(()) = self.renew.changed() => return (Ended::Renewed, brought),
                next = stream.next() => next,
            };
            let first = match next {
                Some(Ok((message, handler))) => Received { message, handler },
                Some(Err(error)) => return (Ended::Failed(error.to_string()), brought),
                None => return (Ended::Failed("it ended".into()), brought),
            };
            brought = true;
            self.heard.now();
            self.outage.over();
            let batch = with_whatever_is_there(first, stream);
            tokio::select! {
                biased;
                () = self.passage.shut() => return (Ended::Shut, brought),
                sent = self.received.send(batch) => if sent.is_err() {
                    return (Ended::Shut, brought);
                },
            }
        }
    }
}

/// The first message and those that wait behind it: whatever follows costs
/// once a batch, not once a message.
fn with_whatever_is_there(first: Received, stream: &mut MessageStream) -> Vec<Received> {
    let mut batch = vec![first];
    while batch.len() < BATCH_MAX
        && let Some(Some(Ok((message, handler)))) = stream.next().now_or_never()
    {
        batch.push(Received { message, handler });
    }
    batch
}

/// What came in and was not read: a closed stream would lease it for as long
/// as any message of it is worked on.
fn unread(stream: &mut MessageStream) -> Vec<Handler> {
    let mut unread = Vec::new();
    while let Some(Some(Ok((_, handler)))) = stream.next().now_or_never() {
        unread.push(handler);
    }
    unread
}
