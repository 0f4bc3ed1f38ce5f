//! To a Pub/Sub topic: one message a ping, or batches of them; unordered, or
//! in order by a few keys.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::progress::Taken;
use super::{Batch, Item, Progress};
use crate::wire::{BATCH_TYPE, push_batched};

/// Pings published and not confirmed: the client's own queue has no bound.
const UNCONFIRMED_MAX: usize = 20_000;

/// How pings become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pings of a message, at least 1: one is a plain `VehiclePing`.
    pub pings_per_message: usize,
    /// Ordering keys; 0 for messages without order.
    pub ordering_keys: u32,
}

/// Publishes batches, each when it is due.
///
/// The client tries a message again by itself, for as long as its publisher was
/// told to; what it then gives back as failed is given up. While nothing gets
/// through any more, one batch at a time is tried and the others are given up
/// at once: a service that is away must not be waited for over and over.
pub struct PubsubSender {
    queue: mpsc::Receiver<Batch>,
    shape: Shape,
    cut: CancellationToken,
    topic: Arc<Topic>,
}

/// What all batches under way share.
struct Topic {
    publisher: Publisher,
    progress: Arc<Progress>,
    cut: CancellationToken,
    /// Nothing got through lately.
    away: AtomicBool,
    /// Batches that are not settled.
    under_way: AtomicUsize,
}

/// A batch as messages.
struct Filled {
    /// The pings, one message's after another's.
    items: Vec<Item>,
    /// Each message, and which of the pings are in it.
    messages: Vec<(Message, Range<usize>)>,
}

impl PubsubSender {
    /// Publishes what comes from `queue` to `publisher`. Once `cut` is
    /// cancelled nothing more is published, and what is not confirmed is given
    /// up.
    #[must_use]
    pub fn new(
        queue: mpsc::Receiver<Batch>,
        publisher: Publisher,
        shape: Shape,
        progress: Arc<Progress>,
        cut: CancellationToken,
    ) -> Self {
        let (away, under_way) = (AtomicBool::new(false), AtomicUsize::new(0));
        let topic = Topic { publisher, progress, cut: cut.clone(), away, under_way };
        Self { queue, shape, cut, topic: Arc::new(topic) }
    }

    /// Publishes everything that comes, and waits until all is settled.
    pub async fn run(mut self) {
        let places = Arc::new(Semaphore::new(UNCONFIRMED_MAX));
        let mut settling = JoinSet::new();
        while let Some(batch) = self.queue.recv().await {
            match self.cut.run_until_cancelled(self.place(&places, &batch)).await {
                Some(place) if !self.topic.is_given_up() => {
                    // Before the task runs: the next batch is looked at first.
                    self.topic.under_way.fetch_add(1, Ordering::Relaxed);
                    let topic = Arc::clone(&self.topic);
                    settling.spawn(topic.publish(self.shape.fill(batch), place));
                }
                _ => self.topic.progress.lost(batch.items.len(), false),
            }
            while settling.try_join_next().is_some() {}
        }
        while settling.join_next().await.is_some() {}
    }

    /// Waits until the batch is due and there is room for it.
    async fn place(&self, places: &Arc<Semaphore>, batch: &Batch) -> OwnedSemaphorePermit {
        sleep_until(Instant::from_std(self.topic.progress.instant(batch.due_ms()))).await;
        let count = u32::try_from(batch.items.len()).expect("a batch has some hundred");
        let place = Arc::clone(places).acquire_many_owned(count).await;
        place.expect("nobody closes the semaphore")
    }
}

impl Topic {
    /// Whether to try no more for now: one batch finds out for all.
    fn is_given_up(&self) -> bool {
        self.away.load(Ordering::Relaxed) && self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Publishes a batch that is under way, and holds its place until every
    /// message is settled.
    async fn publish(self: Arc<Self>, filled: Filled, place: OwnedSemaphorePermit) {
        let Filled { items, messages } = filled;
        self.progress.sent(&items);
        let mut settled: FuturesUnordered<_> = messages
            .into_iter()
            .map(|(message, range)| {
                let key = message.ordering_key.clone();
                let published = self.publisher.publish(message);
                async move { (published.await.is_ok(), key, range) }
            })
            .collect();
        let (mut confirmed, mut failed) = (Vec::new(), Vec::new());
        while let Some(Some((done, key, range))) =
            self.cut.run_until_cancelled(settled.next()).await
        {
            let of = if done { &mut confirmed } else { &mut failed };
            of.extend_from_slice(&items[range]);
            // The client holds back everything of a key after a failure.
            if !done && !key.is_empty() {
                self.publisher.resume_publish(key);
            }
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.settle(items.len(), &confirmed, &failed);
        drop(place);
    }

    fn settle(&self, count: usize, confirmed: &[Item], failed: &[Item]) {
        if !confirmed.is_empty() {
            self.away.store(false, Ordering::Relaxed);
            self.progress.answer("confirmed");
            self.progress.taken(confirmed, &Taken::unsaid());
        } else if !failed.is_empty() {
            self.away.store(true, Ordering::Relaxed);
        }
        if !failed.is_empty() {
            self.progress.answer("not published");
        }
        if confirmed.len() < count {
            self.progress.lost(count - confirmed.len(), false);
        }
    }
}

impl Shape {
    /// A batch as messages. Each has pings of one ordering key only, in the order
    /// of the batch: a vehicle's stay in theirs.
    fn fill(self, batch: Batch) -> Filled {
        let Batch { bytes, mut items } = batch;
        let bytes = Bytes::from(bytes);
        let key = |item: &Item| item.vehicle.checked_rem(self.ordering_keys);
        // Stable: without keys everything stays as it is.
        items.sort_by_key(key);
        let size = self.pings_per_message.max(1);
        let mut messages = Vec::with_capacity(items.len().div_ceil(size));
        let mut start = 0;
        while start < items.len() {
            let of_key = key(&items[start]);
            let fits = |item: &&Item| key(item) == of_key;
            let end = start + items[start..].iter().take(size).take_while(fits).count();
            let message = message(&bytes, &items[start..end]);
            let message = match of_key {
                None => message,
                Some(key) => message.set_ordering_key(key.to_string()),
            };
            messages.push((message, start..end));
            start = end;
        }
        Filled { items, messages }
    }
}

/// A plain `VehiclePing`, or several as a batch.
fn message(bytes: &Bytes, items: &[Item]) -> Message {
    let alone = |item: &Item| bytes.slice(item.start as usize..item.end as usize);
    if let [single] = items {
        return Message::new().set_data(alone(single));
    }
    let mut batch = Vec::new();
    items.iter().for_each(|item| push_batched(&mut batch, &alone(item)));
    Message::new().set_data(batch).set_attributes([("content-type", BATCH_TYPE)])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant as StdInstant};

    use super::*;
    use crate::google::Pubsub;
    use crate::stream::What;

    #[tokio::test]
    async fn while_nothing_gets_through_one_batch_at_a_time_is_tried() -> anyhow::Result<()> {
        // Nothing listens there.
        let nowhere = Pubsub::Emulator("http://127.0.0.1:1".into());
        let patience = Duration::from_millis(300);
        let publisher = nowhere.publisher("projects/p/topics/t", 1, patience).await?;
        let progress = Arc::new(Progress::new(StdInstant::now(), 1_000, 1));
        let (batches, queue) = mpsc::channel(8);
        for number in 0..5 {
            let item = Item {
                what: What::Ping,
                vehicle: 0,
                seq: number + 1,
                due_ms: 0,
                start: 0,
                end: 1,
                print: 0,
            };
            batches.try_send(Batch { bytes: vec![0], items: vec![item; 10] })?;
        }
        drop(batches);
        let shape = Shape { pings_per_message: 1, ordering_keys: 0 };
        let cut = CancellationToken::new();
        let sender = PubsubSender::new(queue, publisher, shape, Arc::clone(&progress), cut);
        sender.topic.away.store(true, Ordering::Relaxed);
        sender.run().await;
        let seen = progress.finish();
        assert_eq!((seen.sent, seen.given_up, seen.answered), (10, 50, 0));
        Ok(())
    }
}
