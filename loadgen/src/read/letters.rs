//! Dead letters from a Pub/Sub subscription, while the run goes on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::DeadLetters;
use super::payload::is_of_run;
use super::topic::each;
use crate::send::Progress;
use crate::truth::Names;

/// Why a message is a dead letter, and when it was first published.
const REASON: &str = "dlq_reason";
const RECEIVED: &str = "original_publish_time";

/// Reads a subscription to the engine's topic of dead letters.
pub struct LetterSubscription {
    /// What it is read with.
    pub subscriber: Subscriber,
    /// Its full name.
    pub subscription: String,
    /// Of which run they are to be.
    pub names: Names,
    /// Where they go.
    pub letters: Arc<Letters>,
    /// What knows what was sent.
    pub progress: Arc<Progress>,
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Letters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: DeadLetters,
    messages: HashSet<String>,
}

impl LetterSubscription {
    /// Reads until told to stop.
    ///
    /// # Errors
    /// It cannot be read, or not any more.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let was_sent = |print: u32, code: &str| self.progress.was_malformed(print, code);
        let take = |message: Message| self.letters.take(&message, &self.names, was_sent);
        each(&self.subscriber, &self.subscription, &stop, take, || {}).await
    }
}

impl Letters {
    /// Takes a letter, if it is one of the run's.
    fn take(&self, message: &Message, names: &Names, was_sent: impl Fn(u32, &str) -> bool) {
        let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
        let received = attribute(RECEIVED).and_then(|time| time.parse::<Timestamp>().ok());
        let is_before = |time: Timestamp| time.as_millisecond() < names.received_from_ms();
        if received.is_some_and(is_before) || !is_of_run(&message.data, &names.prefix) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        // The same message again is only delivered again.
        if !state.messages.insert(message.message_id.clone()) {
            return;
        }
        state.letters.take(attribute(REASON).unwrap_or("none"), &message.data, was_sent);
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> DeadLetters {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).letters.clone()
    }
}
