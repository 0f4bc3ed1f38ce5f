//! Asking for a change of the fences.

use std::sync::Arc;

use geofence::{Fence, FenceHistory, FenceRefusal, FenceSet, TimeMs};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that wait while one change is made.
const WAITING_MAX: usize = 64;

/// A change that is wanted.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The configured fences are these now, and take the place of all others.
    Configured(Arc<FenceSet>),
    /// This fence is new, or takes the place of the one with its id.
    Put(Box<Fence>),
    /// There is no fence of this id any more.
    Delete(String),
}

/// What came of an [`Edit`], durable in every shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Since when the change judges; `None` if there was nothing to change.
    pub valid_from: Option<TimeMs>,
    /// Whether the fence put was not there before.
    pub is_new: bool,
    /// The version of the fence put; of one deleted, its last.
    pub version: Option<u32>,
}

/// Why an [`Edit`] changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no fence to delete.
    #[error("there is no fence of this id")]
    NotFound,
    /// A shard cannot judge by the change from then on.
    #[error(transparent)]
    Refused(#[from] FenceRefusal),
    /// Not now. Where it was under way it may come to stand all the same, in
    /// all shards alike: once they have committed it, or by the next start where
    /// a shard ended in the middle of it.
    #[error("{0}")]
    Unavailable(&'static str),
}

#[derive(Debug)]
pub(super) enum Request {
    Change {
        edit: Edit,
        /// When it was to take effect; `None` is now.
        valid_from: Option<TimeMs>,
        answer: oneshot::Sender<Result<Edited, EditError>>,
    },
    History(oneshot::Sender<Result<FenceHistory, EditError>>),
}

/// The keeper's end of an [`Editor`].
#[derive(Debug)]
pub struct Requests {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) current: watch::Sender<Arc<FenceSet>>,
}

/// A handle on the fences of the worker. Clones ask the same keeper.
#[derive(Clone, Debug)]
pub struct Editor {
    requests: mpsc::Sender<Request>,
    current: watch::Receiver<Arc<FenceSet>>,
}

impl Editor {
    /// An editor and the end that a keeper listens at; `current` is the set to
    /// begin with.
    #[must_use]
    pub fn new(current: Arc<FenceSet>) -> (Self, Requests) {
        let (sender, requests) = mpsc::channel(WAITING_MAX);
        let (current, ear) = watch::channel(current);
        (Self { requests: sender, current: ear }, Requests { requests, current })
    }

    /// The newest set.
    #[must_use]
    pub fn current(&self) -> Arc<FenceSet> {
        Arc::clone(&self.current.borrow())
    }

    /// Has `edit` made in all shards, from `valid_from` on, by default from
    /// its receipt. Waits until it is durable, but not long for a shard whose
    /// commit hangs.
    ///
    /// # Errors
    /// See [`EditError`].
    pub async fn change(
        &self,
        edit: Edit,
        valid_from: Option<TimeMs>,
    ) -> Result<Edited, EditError> {
        self.ask(|answer| Request::Change { edit, valid_from, answer }).await
    }

    /// The fence sets that may still judge a ping.
    ///
    /// # Errors
    /// The worker is ending, or a shard does not answer in time.
    pub async fn history(&self) -> Result<FenceHistory, EditError> {
        self.ask(Request::History).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, EditError>>) -> Request,
    ) -> Result<T, EditError> {
        let (sender, answer) = oneshot::channel();
        self.requests.send(request(sender)).await.map_err(|_| ENDING)?;
        answer.await.map_err(|_| ENDING)?
    }
}

pub(super) const ENDING: EditError = EditError::Unavailable("the worker is ending");
