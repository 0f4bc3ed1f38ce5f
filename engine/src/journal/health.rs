//! What readiness and HTTP 503 are judged by: how the current commit fares.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How the current commit fares; shared with whoever reports it.
#[derive(Clone, Debug, Default)]
pub struct CommitHealth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    pending_since: Option<Instant>,
    failure: Option<String>,
}

impl CommitHealth {
    /// How long the current commit has been under way; `None` between
    /// commits.
    pub fn pending_for(&self) -> Option<Duration> {
        self.with(|state| state.pending_since.map(|since| since.elapsed()))
    }

    /// What the last failed attempt of the current commit failed with; `None`
    /// while no attempt has.
    pub fn failure(&self) -> Option<String> {
        self.with(|state| state.failure.clone())
    }

    /// Marks a commit as under way until the guard is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.with(|state| state.pending_since = Some(Instant::now()));
        UnderWay(self.clone())
    }

    pub(super) fn failed(&self, error: String) {
        self.with(|state| state.failure = Some(error));
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // Every update is one assignment: a panic elsewhere leaves it whole.
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A commit is under way while this lives.
pub(crate) struct UnderWay(CommitHealth);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|state| *state = State::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_commit_counts_from_its_beginning_whatever_fails() {
        let health = CommitHealth::default();
        assert_eq!(health.pending_for(), None);
        let commit = health.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(health.failure(), None);
        health.failed("first".to_owned());
        tokio::time::advance(Duration::from_secs(2)).await;
        health.failed("second".to_owned());
        assert_eq!(health.failure().as_deref(), Some("second"));
        assert_eq!(health.pending_for(), Some(Duration::from_secs(3)));
        drop(commit);
        assert_eq!((health.failure(), health.pending_for()), (None, None));
    }
}
