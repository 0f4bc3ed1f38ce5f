//! A topic to publish to: so many messages under way at a time, and those of
//! one ordering key in order whatever fails.

use std::collections::BTreeSet;
use std::collections::VecDeque;

use futures::future::join_all;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;

use crate::SinkError;

/// Messages under way at a time: the client's own queue has no bound.
const UNDER_WAY_MAX: usize = 4_000;
/// Bytes of payload under way at a time.
const UNDER_WAY_BYTES_MAX: usize = 8 << 20;

/// A topic that exists, with the client that publishes to it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Full name.
    name: String,
    publisher: Publisher,
}

impl Topic {
    pub(super) fn new(name: &str, publisher: Publisher) -> Self {
        Self { name: name.to_owned(), publisher }
    }

    /// Publishes `messages` in order, a bounded number at a time, and waits
    /// for all. What could not be published stays in `messages`, those of one
    /// ordering key in order: the same call goes on with them.
    ///
    /// # Errors
    /// The first failure.
    pub async fn publish_all(&self, messages: &mut VecDeque<Message>) -> Result<(), SinkError> {
        while !messages.is_empty() {
            let chunk: Vec<Message> = messages.drain(..first_chunk(messages)).collect();
            let published = chunk.iter().map(|message| self.publisher.publish(message.clone()));
            // All are handed over before any is waited for.
            let published: Vec<_> = published.collect();
            let outcomes = join_all(published).await;
            let failure = self.take_back(messages, chunk, outcomes);
            if let Some(error) = failure {
                let (target, source) = (self.name.clone(), error.into());
                return Err(SinkError::Remote { target, source });
            }
        }
        Ok(())
    }

    /// Publishes `messages`, none of which has an ordering key, all at once:
    /// the id of each, or why it has none. The caller bounds their number.
    pub async fn publish_each(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>> {
        let published: Vec<_> =
            messages.into_iter().map(|message| self.publisher.publish(message)).collect();
        let outcomes = join_all(published).await.into_iter();
        let failed = |error: PublishError| SinkError::Remote {
            target: self.name.clone(),
            source: error.into(),
        };
        outcomes.map(|outcome| outcome.map_err(failed)).collect()
    }

    /// Puts what failed back in front of `messages` and lets the keys that
    /// the client paused go on. The first failure, if there was one.
    fn take_back(
        &self,
        messages: &mut VecDeque<Message>,
        chunk: Vec<Message>,
        outcomes: Vec<Result<String, PublishError>>,
    ) -> Option<PublishError> {
        let (failed, errors) = failed(chunk, outcomes);
        let keys: BTreeSet<&str> = failed.iter().map(|message| &message.ordering_key[..]).collect();
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            self.publisher.resume_publish(key);
        }
        for message in failed.into_iter().rev() {
            messages.push_front(message);
        }
        // That a key was paused follows from a failure and says less.
        let mut errors = VecDeque::from(errors);
        let telling = errors.iter().position(|error| matches!(error, PublishError::Rpc(_)));
        errors.remove(telling.unwrap_or(0))
    }
}

/// How many of the first messages are under way together; at least one.
fn first_chunk(messages: &VecDeque<Message>) -> usize {
    let mut bytes = 0;
    let fitting = messages.iter().take(UNDER_WAY_MAX).take_while(|message| {
        bytes += message.data.len();
        bytes <= UNDER_WAY_BYTES_MAX
    });
    fitting.count().max(1)
}

/// The messages to publish again and why: each that failed, and whatever came
/// after it under its key, for order counts from the first failure on.
fn failed(
    chunk: Vec<Message>,
    outcomes: Vec<Result<String, PublishError>>,
) -> (Vec<Message>, Vec<PublishError>) {
    let (mut again, mut errors) = (Vec::new(), Vec::new());
    let mut broken = BTreeSet::new();
    for (message, outcome) in chunk.into_iter().zip(outcomes) {
        let key = &message.ordering_key;
        let failed = outcome.is_err();
        errors.extend(outcome.err());
        if failed && !key.is_empty() {
            broken.insert(key.clone());
        }
        if failed || broken.contains(key) {
            again.push(message);
        }
    }
    (again, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: &str, text: &str) -> Message {
        Message::new().set_ordering_key(key).set_data(text.to_owned())
    }

    fn texts(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| str::from_utf8(&message.data).unwrap()).collect()
    }

    #[test]
    fn a_failure_takes_the_rest_of_its_key_with_it_and_no_other() {
        let chunk: Vec<Message> = ["a1", "b1", "a2", "b2", "a3", "b3"]
            .iter()
            .map(|text| message(&text[..1], text))
            .collect();
        let ok = || Ok(String::new());
        let outcomes = vec![ok(), ok(), Err(PublishError::Shutdown), ok(), ok(), ok()];
        let (again, errors) = failed(chunk, outcomes);
        assert_eq!(texts(&again), ["a2", "a3"]);
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn without_a_key_only_what_failed_is_published_again() {
        let chunk = vec![message("", "1"), message("", "2"), message("", "3")];
        let outcomes = vec![Err(PublishError::Shutdown), Ok(String::new()), Ok(String::new())];
        assert_eq!(texts(&failed(chunk, outcomes).0), ["1"]);
    }

    #[test]
    fn what_is_under_way_is_bounded_in_number_and_in_bytes() {
        let many = VecDeque::from(vec![message("", "x"); 2 * UNDER_WAY_MAX]);
        assert_eq!(first_chunk(&many), UNDER_WAY_MAX);
        let half = "x".repeat(UNDER_WAY_BYTES_MAX / 2);
        let large = VecDeque::from(vec![message("", &half); 3]);
        assert_eq!(first_chunk(&large), 2);
        let larger = "x".repeat(UNDER_WAY_BYTES_MAX + 1);
        assert_eq!(first_chunk(&VecDeque::from(vec![message("", &larger); 2])), 1);
    }
}
