//! A topic to publish to: so many requests under way at a time, and the
//! messages of one ordering key in order whatever fails.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use google_cloud_pubsub::model::Message;
use tokio::sync::Semaphore;
use tonic::Status;

use super::outbox::{Lane, Outbox};
use super::publisher::Publisher;
use crate::SinkError;

/// Requests under way at a time: fewer than a connection has room for.
const UNDER_WAY_MAX: usize = 64;
/// Their bytes, but for a request that has more by itself.
const UNDER_WAY_BYTES_MAX: usize = 8 << 20;

/// A topic that exists, with what publishes to it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Full name.
    name: String,
    publisher: Publisher,
    /// A permit for each byte that may be under way.
    room: Arc<Semaphore>,
}

impl Topic {
    pub(super) fn new(name: &str, publisher: Publisher) -> Self {
        let room = Arc::new(Semaphore::new(UNDER_WAY_BYTES_MAX));
        Self { name: name.to_owned(), publisher, room }
    }

    /// Publishes what is in `outbox`, a bounded number of requests at a time,
    /// and waits for all. What could not be published stays there, that of one
    /// ordering key from its first failure on: the same call goes on with it.
    ///
    /// # Errors
    /// The first failure.
    pub(super) async fn publish_all(&self, outbox: &mut Outbox) -> Result<(), SinkError> {
        let publishing = outbox.take().into_iter().map(|lane| self.publish_lane(lane));
        let mut outcomes = stream::iter(publishing).buffer_unordered(UNDER_WAY_MAX);
        let mut failure = None;
        while let Some((lane, outcome)) = outcomes.next().await {
            if let Err(error) = outcome {
                outbox.put_back(lane);
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), |error| Err(self.failed(error)))
    }

    /// Publishes `messages`, none of which has an ordering key, all at once:
    /// the id of each, or why it has none. The caller bounds their number.
    pub async fn publish_each(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>> {
        let count = messages.len();
        let mut outbox = Outbox::default();
        for message in messages {
            outbox.add(None, |draft| {
                draft.data(&message.data);
                for (name, value) in &message.attributes {
                    draft.attribute(name, value);
                }
            });
        }
        let mut outcomes = Vec::with_capacity(count);
        let requests = outbox.take().into_iter().flatten();
        let publishing = requests.map(|mut request| async move {
            let outcome = self.publisher.publish(request.seal()).await;
            (request.count(), outcome)
        });
        let mut published = stream::iter(publishing).buffered(UNDER_WAY_MAX);
        while let Some((count, outcome)) = published.next().await {
            match outcome {
                Ok(ids) if ids.len() == count => outcomes.extend(ids.into_iter().map(Ok)),
                Ok(ids) => {
                    let told = ids.len();
                    let error = Status::internal(format!("{count} published, {told} ids"));
                    outcomes.extend((0..count).map(|_| Err(self.failed(error.clone()))));
                }
                Err(error) => outcomes.extend((0..count).map(|_| Err(self.failed(error.clone())))),
            }
        }
        outcomes
    }

    /// Publishes a lane up to its first failure; what is left of it.
    async fn publish_lane(&self, mut lane: Lane) -> (Lane, Result<(), Status>) {
        while let Some(request) = lane.front_mut() {
            let messages = request.seal();
            let bytes = messages.len().min(UNDER_WAY_BYTES_MAX) as u32;
            let _room = self.room.acquire_many(bytes).await.expect("the room is never closed");
            if let Err(error) = self.publisher.publish(messages).await {
                return (lane, Err(error));
            }
            lane.pop_front();
        }
        (lane, Ok(()))
    }

    fn failed(&self, error: Status) -> SinkError {
        SinkError::Remote { target: self.name.clone(), source: error.into() }
    }
}

#[cfg(test)]
mod tests;
