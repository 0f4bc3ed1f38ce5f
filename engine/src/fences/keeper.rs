//! The task that owns the fences of the worker: it alone changes them, one
//! change at a time, in every shard or in none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use geofence::{Fence, FenceHistory, FenceOutcome, FenceSet, TimeMs};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::dated::valid_from_now;
use super::editor::{ENDING, Edit, EditError, Edited, Request, Requests};
use crate::config::Clock;
use crate::http::ReceiveClock;
use crate::journal::FenceObjects;
use crate::metrics;
use crate::shard::{Control, FenceChange, FenceInput, Proposal, Question};

/// The shards stand still for each other for this long at the most.
const VERDICTS_WITHIN: Duration = Duration::from_secs(10);

const BUSY: EditError = EditError::Unavailable("a shard did not get to it in time: try again");
const NOT_STORED: EditError =
    EditError::Unavailable("the fences could not be stored: the log says why");

/// The fences that the shards have taken up.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The newest set with its versions, last.
    pub history: FenceHistory,
    /// Hash of the configured fences that were last taken up.
    pub configured: String,
}

/// See the module.
pub struct Keeper {
    /// Every shard's ear.
    pub shards: Vec<mpsc::Sender<Control>>,
    /// Where sets are stored.
    pub objects: FenceObjects,
    /// When a change is received.
    pub receive_clock: Arc<ReceiveClock>,
    /// What time it is for the shards.
    pub clock: Clock,
    /// What stands.
    pub taken: Taken,
    /// The newest set as GeoJSON, for `GET /v1/fences`.
    pub served: watch::Sender<Bytes>,
}

/// A set in the making.
struct Built {
    set: Arc<FenceSet>,
    json: Bytes,
    is_new: bool,
}

impl Keeper {
    /// Answers `requests` until `stop`.
    pub async fn run(mut self, requests: Requests, stop: CancellationToken) {
        let Requests { mut requests, current } = requests;
        self.observe();
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => return,
                request = requests.recv() => request,
            };
            match request {
                None => return,
                // Nobody hears of a request whose asker is gone: a change goes
                // on all the same.
                Some(Request::History(answer)) => drop(answer.send(self.history().await)),
                Some(Request::Change { edit, valid_from, answer }) => {
                    let origin = origin(&edit);
                    let edited = self.change(edit, valid_from).await;
                    metrics::FENCE_CHANGES.counter(&[origin, outcome(&edited)]).increment(1);
                    current.send_replace(Arc::clone(&self.taken.history.newest().set));
                    drop(answer.send(edited));
                }
            }
        }
    }

    async fn change(
        &mut self,
        edit: Edit,
        valid_from: Option<TimeMs>,
    ) -> Result<Edited, EditError> {
        let is_configured = matches!(edit, Edit::Configured(_));
        let subject = match &edit {
            Edit::Configured(_) => None,
            Edit::Put(fence) => Some(fence.id.clone()),
            Edit::Delete(id) => Some(id.clone()),
        };
        let history = self.taken.history.clone();
        let built = tokio::task::spawn_blocking(move || build(edit, &history)).await;
        let Built { set, json, is_new } = built.map_err(|error| {
            error!(%error, "building a fence set failed");
            NOT_STORED
        })??;

        let version_before = self.version(subject.as_deref());
        let unchanged = Edited { valid_from: None, is_new: false, version: version_before };
        let is_same = set.hash() == self.taken.history.newest().set.hash();
        let mut configured = self.taken.configured.clone();
        if is_configured {
            // What HTTP has changed since stands until the files do.
            if set.hash() == configured {
                return Ok(unchanged);
            }
            configured = set.hash().to_owned();
        } else if is_same {
            return Ok(unchanged);
        }
        if is_configured && self.taken.configured != self.taken.history.newest().set.hash() {
            warn!("the configured fences changed: what was put or deleted over HTTP gives way");
        }

        self.objects.put(set.hash(), json.clone()).await.map_err(|error| {
            error!(%error, "a fence set could not be stored");
            NOT_STORED
        })?;
        let (valid_from, received) = self.times(valid_from);
        let fences = FenceInput { set, valid_from, configured: configured.clone() };
        self.taken = Taken { history: self.take_up(&fences, received).await?, configured };
        if is_same {
            return Ok(unchanged);
        }
        self.served.send_replace(json);
        self.observe();
        let set = &fences.set;
        let (count, index_bytes) = (set.fences().len(), set.index_bytes());
        info!(fences = count, hash = set.hash(), index_bytes, "took up other fences");
        let version = self.version(subject.as_deref()).or(version_before);
        Ok(Edited { valid_from: Some(valid_from), is_new, version })
    }

    /// When a change judges, and when it counts as received.
    fn times(&self, wish: Option<TimeMs>) -> (TimeMs, TimeMs) {
        let received = self.receive_clock.read();
        let newest = self.taken.history.newest().valid_from;
        let valid_from = wish.unwrap_or_else(|| valid_from_now(newest, received));
        match (self.clock, wish) {
            // The clock of the pings stands still between them.
            (Clock::Event, None) => (valid_from, received.max(valid_from)),
            _ => (valid_from, received),
        }
    }

    /// Has every shard take `fences` up, or none.
    async fn take_up(
        &self,
        fences: &FenceInput,
        received: TimeMs,
    ) -> Result<FenceHistory, EditError> {
        let agree = async {
            // A shard whose commit hangs answers nothing: the others are not to stand
            // still for it.
            self.history().await?;
            self.propose(fences, received).await
        };
        let proposals = tokio::time::timeout(VERDICTS_WITHIN, agree).await.map_err(|_| BUSY)??;
        let mut done = Vec::with_capacity(proposals.len());
        for Proposal { go, done: answer, .. } in proposals {
            // A shard that is gone is found below.
            let _ = go.send(());
            done.push(answer);
        }
        let histories = try_join_all(done).await.map_err(|_| ENDING)?;
        Ok(longest(histories))
    }

    /// Proposals that every shard has agreed to, and waits to hear more of.
    async fn propose(
        &self,
        fences: &FenceInput,
        received: TimeMs,
    ) -> Result<Vec<Proposal>, EditError> {
        let mut proposals = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (change, proposal) = FenceChange::propose(fences.clone(), received);
            shard.send(Control::Fences(Box::new(change))).await.map_err(|_| ENDING)?;
            proposals.push(proposal);
        }
        for proposal in &mut proposals {
            match (&mut proposal.verdict).await.map_err(|_| ENDING)? {
                FenceOutcome::TakenUp | FenceOutcome::Unchanged => {}
                FenceOutcome::Refused(refusal) => return Err(refusal.into()),
            }
        }
        Ok(proposals)
    }

    /// Each shard forgets at its own time: the longest memory counts.
    async fn history(&self) -> Result<FenceHistory, EditError> {
        let mut answers = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (sender, answer) = oneshot::channel();
            shard
                .send(Control::Question(Question::FenceHistory(sender)))
                .await
                .map_err(|_| ENDING)?;
            answers.push(answer);
        }
        try_join_all(answers).await.map(longest).map_err(|_| ENDING)
    }

    fn version(&self, id: Option<&str>) -> Option<u32> {
        let newest = self.taken.history.newest();
        newest.set.position_of(id?).map(|i| newest.version(i))
    }

    fn observe(&self) {
        let fences = self.taken.history.newest().set.fences().len();
        metrics::FENCES.gauge(&[]).set(fences as f64);
    }
}

fn build(edit: Edit, history: &FenceHistory) -> Result<Built, EditError> {
    let newest = &*history.newest().set;
    let without = |id: &str| -> Vec<Fence> {
        newest.fences().iter().filter(|fence| fence.id != id).cloned().collect()
    };
    let (set, is_new) = match edit {
        Edit::Configured(set) => (set, false),
        Edit::Put(fence) => {
            let mut fences = without(&fence.id);
            let is_new = fences.len() == newest.fences().len();
            fences.push(*fence);
            let set = FenceSet::after(newest, fences).expect("the id was taken out first");
            (Arc::new(set), is_new)
        }
        Edit::Delete(id) => {
            newest.position_of(&id).ok_or(EditError::NotFound)?;
            let set = FenceSet::after(newest, without(&id)).expect("ids differed before");
            (Arc::new(set), false)
        }
    };
    // A change that is taken back finds the set that was in force before it.
    let kept = history.epochs.iter().find(|epoch| epoch.set.hash() == set.hash());
    let set = kept.map_or(set, |epoch| Arc::clone(&epoch.set));
    let json = set.to_canonical_json().into();
    Ok(Built { set, json, is_new })
}

fn longest(histories: Vec<FenceHistory>) -> FenceHistory {
    let longest = histories.into_iter().max_by_key(|history| history.epochs.len());
    longest.expect("a worker has at least one shard")
}

fn origin(edit: &Edit) -> &'static str {
    match edit {
        Edit::Configured(_) => "configured",
        Edit::Put(_) | Edit::Delete(_) => "http",
    }
}

fn outcome(edited: &Result<Edited, EditError>) -> &'static str {
    match edited {
        Ok(Edited { valid_from: Some(_), .. }) => "changed",
        Ok(_) => "unchanged",
        Err(EditError::NotFound) => "not_found",
        Err(EditError::Refused(_)) => "refused",
        Err(EditError::Unavailable(_)) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use geofence::{Detector, Input, Settings};
    use object_store::memory::InMemory;

    use super::*;
    use crate::fences::Editor;
    use crate::fences::testing::circle;
    use crate::journal::Store;

    /// Of a shard that took these up one after the other.
    fn history(sets: &[Arc<FenceSet>]) -> FenceHistory {
        let mut detector = Detector::new(Settings::default());
        for (now, set) in (1..).zip(sets) {
            let (now, set) = (TimeMs(now), Arc::clone(set));
            detector.apply(&[Input::Fences { set, valid_from: now }], now, now.0 as u64);
        }
        detector.fence_history()
    }

    #[test]
    fn a_change_that_is_taken_back_makes_no_other_set() {
        let (before, after) = (circle(40), circle(50));
        let history = history(&[Arc::clone(&before), after]);
        let built = build(Edit::Configured(circle(40)), &history).expect("a set");
        assert!(Arc::ptr_eq(&built.set, &before));
    }

    /// Answers questions until it is asked to stand still.
    async fn shard_at_work(mut ear: mpsc::Receiver<Control>) -> bool {
        while let Some(control) = ear.recv().await {
            match control {
                Control::Question(Question::FenceHistory(answer)) => {
                    answer.send(history(&[])).expect("the keeper waits for it");
                }
                Control::Fences(_) => return true,
                _ => unreachable!("a keeper asks for nothing else"),
            }
        }
        false
    }

    #[tokio::test(start_paused = true)]
    async fn no_shard_stands_still_for_one_that_hangs() {
        let (control, ear) = mpsc::channel(16);
        let at_work = tokio::spawn(shard_at_work(ear));
        let (hangs, _held) = mpsc::channel(16);
        let (editor, requests) = Editor::new(circle(40));
        let keeper = Keeper {
            shards: vec![control, hangs],
            objects: FenceObjects::new(Store::shared(Arc::new(InMemory::new()))),
            receive_clock: Arc::new(ReceiveClock::event(TimeMs(1_000))),
            clock: Clock::Event,
            taken: Taken { history: history(&[]), configured: String::new() },
            served: watch::Sender::default(),
        };
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keeper.run(requests, stop.clone()));
        let edited = editor.change(Edit::Configured(circle(50)), None).await;
        assert_eq!(edited, Err(BUSY));
        stop.cancel();
        kept.await.expect("it does not panic");
        assert!(!at_work.await.expect("it does not panic"), "it was told to stand still");
    }
}
