//! To a Pub/Sub topic: one message a ping, or batches of them; unordered, or
//! in order by a few keys.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::progress::Taken;
use super::{Batch, Progress};
use crate::wire::push_batched;

/// Messages published and not confirmed: the client's own queue has no bound.
const UNCONFIRMED_MAX: usize = 20_000;
/// Names a batch of pings.
const BATCH_TYPE: &str = "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch";

/// How pings become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pings of a message, at least 1: one is a plain `VehiclePing`.
    pub pings_per_message: usize,
    /// Ordering keys; 0 for messages without order.
    pub ordering_keys: u32,
}

/// Publishes the batches of one lane, each when it is due.
pub struct PubsubSender {
    /// What comes.
    pub queue: mpsc::Receiver<Batch>,
    /// Where it goes.
    pub publisher: Publisher,
    /// How.
    pub shape: Shape,
    /// How long a message may take to be confirmed before it is given up. The
    /// client tries again by itself.
    pub patience: Duration,
    /// Who wants to know.
    pub progress: Arc<Progress>,
}

impl PubsubSender {
    /// Publishes everything that comes, and waits until all is confirmed.
    pub async fn run(mut self) {
        let places = Arc::new(Semaphore::new(UNCONFIRMED_MAX));
        let mut confirming = JoinSet::new();
        while let Some(batch) = self.queue.recv().await {
            sleep_until(Instant::from_std(self.progress.instant(batch.due_ms()))).await;
            let count = u32::try_from(batch.items.len()).expect("a batch has some hundred");
            let place = Arc::clone(&places).acquire_many_owned(count).await;
            let place = place.expect("nobody closes the semaphore");
            self.progress.sent(&batch);
            let published: Vec<_> =
                self.messages(&batch).into_iter().map(|m| self.publisher.publish(m)).collect();
            let (progress, patience) = (Arc::clone(&self.progress), self.patience);
            confirming.spawn(async move {
                let confirmed = timeout(patience, join_all(published)).await;
                match confirmed {
                    Ok(results) if results.iter().all(Result::is_ok) => {
                        progress.answer("confirmed");
                        progress.taken(&batch, &Taken::unsaid());
                    }
                    Ok(_) => {
                        progress.answer("not published");
                        progress.lost(&batch, false);
                    }
                    Err(_) => {
                        progress.answer("no answer in time");
                        progress.lost(&batch, false);
                    }
                }
                drop(place);
            });
            while confirming.try_join_next().is_some() {}
        }
        while confirming.join_next().await.is_some() {}
    }

    fn messages(&self, batch: &Batch) -> Vec<Message> {
        let parts: Vec<_> = batch.messages().collect();
        let chunks = parts.chunks(self.shape.pings_per_message.max(1));
        chunks
            .map(|chunk| {
                let message = match chunk {
                    [(_, bytes)] => Message::new().set_data(bytes.to_vec()),
                    several => {
                        let mut data = Vec::new();
                        several.iter().for_each(|(_, bytes)| push_batched(&mut data, bytes));
                        Message::new().set_data(data).set_attributes([("content-type", BATCH_TYPE)])
                    }
                };
                match self.shape.ordering_keys {
                    0 => message,
                    keys => message.set_ordering_key((chunk[0].0.vehicle % keys).to_string()),
                }
            })
            .collect()
    }
}
