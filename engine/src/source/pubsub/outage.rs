//! What is told of a subscription that brings nothing for a reason.
//!
//! Its streams fail together, and for one reason: the log has it once, not once
//! for each of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sinks::pubsub::Looked;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::logging::News;
use crate::metrics;

const SILENT: &str = "a subscription is silent";

/// The outages of one subscription. Its streams and whoever looks after it
/// report; any message ends one.
#[derive(Debug)]
pub(super) struct Outage {
    /// Full name of the subscription.
    subscription: String,
    /// Name of the source in metrics.
    source: String,
    news: Mutex<News>,
}

impl Outage {
    pub(super) fn new(subscription: &str, source: &str) -> Self {
        // The first error shows in a rate only after a zero.
        metrics::PULL_ERRORS.counter(&[source]).increment(0);
        Self {
            subscription: subscription.to_owned(),
            source: source.to_owned(),
            news: Mutex::default(),
        }
    }

    /// A stream has ended with `error`.
    pub(super) fn stream_ended(&self, error: String) {
        self.failed("a pull stream ended; it is opened again", error);
    }

    /// This was seen of the subscription. Whether the service answers.
    pub(super) fn looked(&self, looked: Looked) -> bool {
        match looked {
            Looked::Answers => true,
            Looked::WithoutTopic => {
                let error = "its topic is deleted: nothing comes until it is made anew";
                self.failed(SILENT, error.to_owned());
                true
            }
            Looked::Away => {
                self.failed(SILENT, "Pub/Sub does not answer".to_owned());
                false
            }
        }
    }

    /// Messages have come.
    pub(super) fn over(&self) {
        if self.news().over() {
            info!(subscription = self.subscription, "pulling again");
        }
    }

    fn failed(&self, what: &str, error: String) {
        metrics::PULL_ERRORS.counter(&[&self.source]).increment(1);
        if self.news().admit(error.clone(), Instant::now()) {
            warn!(subscription = self.subscription, error, "{what}");
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        // A panic elsewhere leaves at worst one line too many.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
