//! Dead letters from a Pub/Sub subscription, while the run goes on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use super::disk::DeadLetters;
use super::topic::each;

/// Why a message is a dead letter, and when it was first published.
const REASON: &str = "dlq_reason";
const RECEIVED: &str = "original_publish_time";

/// Reads a subscription to the engine's topic of dead letters.
pub struct LetterSubscription {
    /// What it is read with.
    pub subscriber: Subscriber,
    /// Its full name.
    pub subscription: String,
    /// Letters of pings received before are another run's, milliseconds since
    /// the epoch.
    pub since_ms: i64,
    /// Where they go.
    pub letters: Arc<Letters>,
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Letters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: DeadLetters,
    payloads: HashSet<u128>,
    messages: HashSet<String>,
}

impl LetterSubscription {
    /// Reads until told to stop.
    ///
    /// # Errors
    /// It cannot be read, or not any more.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let take = |message: Message| self.letters.take(&message, self.since_ms);
        each(&self.subscriber, &self.subscription, &stop, take, || {}).await
    }
}

impl Letters {
    fn take(&self, message: &Message, since_ms: i64) {
        let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
        let received = attribute(RECEIVED).and_then(|time| time.parse::<Timestamp>().ok());
        if received.is_some_and(|time| time.as_millisecond() < since_ms) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        // The same message again is only delivered again.
        if !state.messages.insert(message.message_id.clone()) {
            return;
        }
        let new = state.payloads.insert(xxh3_128(&message.data));
        state.letters.take(attribute(REASON).unwrap_or("none"), new);
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> DeadLetters {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).letters.clone()
    }
}
