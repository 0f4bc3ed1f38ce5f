//! Changing the fences of a shard that runs, in step with the others.
//!
//! Each shard first says what the change would come to and then stands still
//! until it is told to go on. So either all shards take a change up or none,
//! and nothing that one of them takes in comes between its word and the change.

use std::sync::Arc;

use geofence::{FenceHistory, FenceOutcome, FenceSet, Input, TimeMs};
use protos::journal::{self, input};
use tokio::sync::oneshot;

use super::Shard;
use super::batch::Batch;

/// Fences as the journal records them. The set must be durable as an object
/// before a segment refers to it.
#[derive(Clone, Debug)]
pub struct FenceInput {
    /// All fences.
    pub set: Arc<FenceSet>,
    /// Event time from which they judge.
    pub valid_from: TimeMs,
    /// Hash of the configured fences that were last taken up, with this change
    /// or before it.
    pub configured: String,
}

/// A change of the fences on its way to one shard.
#[derive(Debug)]
pub struct FenceChange {
    pub(crate) fences: FenceInput,
    received: TimeMs,
    pub(crate) verdict: oneshot::Sender<FenceOutcome>,
    pub(crate) go: oneshot::Receiver<()>,
    pub(crate) done: oneshot::Sender<FenceHistory>,
}

/// The other end of a [`FenceChange`]. Dropped, it calls the change off.
#[derive(Debug)]
pub struct Proposal {
    /// What the change would come to. From this answer on the shard waits.
    pub verdict: oneshot::Receiver<FenceOutcome>,
    /// Has the shard take the change up.
    pub go: oneshot::Sender<()>,
    /// Answered once the change is durable.
    pub done: oneshot::Receiver<FenceHistory>,
}

impl FenceInput {
    pub(super) fn add_to(&self, batch: &mut Batch) {
        let Self { set, valid_from, configured } = self;
        let record = journal::FenceChange {
            hash: set.hash().to_owned(),
            valid_from_ms: valid_from.0,
            configured_hash: configured.clone(),
        };
        let input = Input::Fences { set: Arc::clone(set), valid_from: *valid_from };
        batch.control(input, input::Input::Fences(record));
    }
}

impl FenceChange {
    /// A change received at `received`, and the handle that decides on it.
    #[must_use]
    pub fn propose(fences: FenceInput, received: TimeMs) -> (Self, Proposal) {
        let (verdict, verdict_ear) = oneshot::channel();
        let (go_sender, go) = oneshot::channel();
        let (done, done_ear) = oneshot::channel();
        let proposal = Proposal { verdict: verdict_ear, go: go_sender, done: done_ear };
        (Self { fences, received, verdict, go, done }, proposal)
    }
}

impl Shard {
    pub(super) async fn change_fences(&mut self, change: FenceChange) -> anyhow::Result<()> {
        let FenceChange { fences, received, verdict, go, done } = change;
        let outcome = self.detector.judge_fences(&fences.set, fences.valid_from);
        if verdict.send(outcome).is_err() || go.await.is_err() {
            return Ok(());
        }
        let mut batch = Batch::default();
        fences.add_to(&mut batch);
        batch.received_at(received);
        // A snapshot may begin with the very segment.
        self.maintenance.set_configured_fences(fences.configured);
        self.apply(batch).await?;
        // The change stands, whether anybody waits to hear of it or not.
        let _ = done.send(self.detector.fence_history());
        Ok(())
    }
}
