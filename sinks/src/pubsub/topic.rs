//! A topic to publish to: so many requests under way at a time, and the
//! messages of one ordering key in order whatever fails.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use google_cloud_pubsub::model::Message;
use tokio::sync::Semaphore;
use tonic::Status;

use super::outbox::{Lane, Outbox, Request};
use super::publisher::Publisher;
use super::refusal::{Refusal, Streak, is_of_messages};
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
    /// What the topic refuses by itself is set aside there, as far as `streak`
    /// allows.
    ///
    /// # Errors
    /// The first failure.
    pub(super) async fn publish_all(
        &self,
        outbox: &mut Outbox,
        streak: &Streak,
    ) -> Result<(), SinkError> {
        let publishing = outbox.take().into_iter().map(|lane| self.publish_lane(lane, streak));
        let mut outcomes = stream::iter(publishing).buffer_unordered(UNDER_WAY_MAX);
        let mut failure = None;
        while let Some((lane, refused, outcome)) = outcomes.next().await {
            outbox.set_aside(refused);
            if let Err(error) = outcome {
                outbox.put_back(lane);
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), |error| Err(self.failed(error)))
    }

    /// Publishes `messages`, which all have the same ordering key or none, in
    /// whatever order: the id of each, or why it has none. The caller bounds
    /// their number.
    pub async fn publish_each(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>> {
        let count = messages.len();
        let mut outbox = Outbox::default();
        for message in messages {
            outbox.add(None, |draft| {
                draft.data(&message.data);
                for (name, value) in &message.attributes {
                    draft.attribute(name, value);
                }
                if !message.ordering_key.is_empty() {
                    draft.ordering_key(&message.ordering_key);
                }
            });
        }
        let mut outcomes = Vec::with_capacity(count);
        let requests = outbox.take().into_iter().flatten();
        let publishing = requests.map(|request| self.publish_parts(request));
        let mut published = stream::iter(publishing).buffered(UNDER_WAY_MAX);
        while let Some(parts) = published.next().await {
            outcomes.extend(parts);
        }
        outcomes
    }

    /// Publishes a request, and in halves where some of it may be refused: the
    /// id of each message, or why it has none.
    async fn publish_parts(&self, request: Request) -> Vec<Result<String, SinkError>> {
        let mut outcomes = Vec::with_capacity(request.count());
        let mut parts = vec![request];
        while let Some(mut part) = parts.pop() {
            let count = part.count();
            let error = match self.publisher.publish(part.seal()).await {
                Ok(ids) if ids.len() == count => {
                    outcomes.extend(ids.into_iter().map(Ok));
                    continue;
                }
                Ok(ids) => Status::internal(format!("{count} published, {} ids", ids.len())),
                Err(error) if is_of_messages(&error) && count > 1 => {
                    let later = part.split_off();
                    parts.extend([later, part]);
                    continue;
                }
                Err(error) => error,
            };
            outcomes.extend((0..count).map(|_| Err(self.failed(error.clone()))));
        }
        outcomes
    }

    /// Publishes a lane up to its first failure: what is left of it, and what
    /// was set aside.
    async fn publish_lane(
        &self,
        mut lane: Lane,
        streak: &Streak,
    ) -> (Lane, Vec<Refusal>, Result<(), Status>) {
        let mut refused = Vec::new();
        while let Some(request) = lane.front_mut() {
            let messages = request.seal();
            let bytes = messages.len().min(UNDER_WAY_BYTES_MAX) as u32;
            let _room = self.room.acquire_many(bytes).await.expect("the room is never closed");
            let Err(error) = self.publisher.publish(messages).await else {
                streak.end();
                lane.pop_front();
                continue;
            };
            match self.narrow_down(&mut lane, error, streak) {
                Ok(refusal) => refused.extend(refusal),
                Err(error) => return (lane, refused, Err(error)),
            }
        }
        (lane, refused, Ok(()))
    }

    /// Halves the first request of `lane`, which was refused with `error`, or
    /// takes the one message that it is of out. A request is refused whole,
    /// whichever of its messages is to blame. Halves stay halves: a call that
    /// comes again asks once for each lane.
    ///
    /// # Errors
    /// It is not for a message that it was refused, or none is set aside now.
    fn narrow_down(
        &self,
        lane: &mut Lane,
        error: Status,
        streak: &Streak,
    ) -> Result<Option<Refusal>, Status> {
        let request = lane.front_mut().expect("one was refused");
        if !is_of_messages(&error) {
            return Err(error);
        }
        if request.count() > 1 {
            let later = request.split_off();
            lane.insert(1, later);
            return Ok(None);
        }
        let detail = format!("{}: {}", self.name, error.message());
        streak.set_aside(error)?;
        let message = request.messages().pop().expect("a request has a message");
        lane.pop_front();
        Ok(Some(Refusal { message, detail }))
    }

    fn failed(&self, error: Status) -> SinkError {
        SinkError::Remote { target: self.name.clone(), source: error.into() }
    }
}

#[cfg(test)]
mod tests;
