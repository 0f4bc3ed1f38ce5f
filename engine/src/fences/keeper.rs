//! The task that owns the fences of the worker: it alone changes them, one
//! change at a time, in every shard or in none.
//!
//! It waits for no shard without end: one whose commit hangs does so for as long
//! as the disk or the bucket. Before all have agreed a change is called off; after
//! that it stands, and who asked hears that it is not durable everywhere yet. The
//! next change waits for the end of the one before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{TryJoinAll, try_join_all};
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

/// The shards stand still for each other for this long at the most, and nobody
/// waits longer than that for their answers, on fences or on tags.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

const BUSY: EditError = EditError::Unavailable("a shard did not get to it in time: try again");
const NOT_STORED: EditError =
    EditError::Unavailable("the fences could not be stored: the log says why");
const NOT_DURABLE: EditError =
    EditError::Unavailable("every shard takes the change up, but not all have committed it yet");

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
    /// A change that every shard has agreed to and not all have committed.
    pub(crate) agreed: Option<Agreed>,
}

/// A change on its way into the journals.
#[derive(Debug)]
pub(crate) struct Agreed {
    done: TryJoinAll<oneshot::Receiver<FenceHistory>>,
    hash: String,
    configured: String,
    json: Bytes,
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
                // Whoever asked was answered; a shard that is gone ends the worker.
                _ = self.settle(), if self.agreed.is_some() => {
                    current.send_replace(Arc::clone(&self.taken.history.newest().set));
                    continue;
                }
                request = requests.recv() => request,
            };
            match request {
                None => return,
                // Nobody hears of a request whose asker is gone: a change goes
                // on all the same.
                Some(Request::History(answer)) => {
                    drop(answer.send(in_time(self.history(), BUSY).await));
                }
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
        // What there is to change is known once the change before is made.
        in_time(self.settle(), BUSY).await?;
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
        let hash = set.hash().to_owned();
        let fences = FenceInput { set, valid_from, configured: configured.clone() };
        let taken_up = self.take_up(&fences, received).await;
        // Called off, in every shard.
        let done = taken_up.inspect_err(|_| self.objects.settled(&hash))?;
        self.agreed = Some(Agreed { done, hash, configured, json });
        in_time(self.settle(), NOT_DURABLE).await?;
        if is_same {
            return Ok(unchanged);
        }
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

    /// Waits until every shard has committed what it agreed to, if there is
    /// anything. Cancel-safe.
    async fn settle(&mut self) -> Result<(), EditError> {
        let Some(agreed) = &mut self.agreed else { return Ok(()) };
        let histories = (&mut agreed.done).await;
        let agreed = self.agreed.take().expect("it was waited for");
        let Agreed { hash, configured, json, .. } = agreed;
        // Where a shard is gone, nobody knows whether it has committed the change.
        let history = longest(histories.map_err(|_| ENDING)?);
        self.objects.settled(&hash);
        let is_other = history.newest().set.hash() != self.taken.history.newest().set.hash();
        self.taken = Taken { history, configured };
        if is_other {
            self.served.send_replace(json);
            self.observe();
            let set = &self.taken.history.newest().set;
            let (count, index_bytes) = (set.fences().len(), set.index_bytes());
            info!(fences = count, hash = set.hash(), index_bytes, "took up other fences");
        }
        Ok(())
    }

    /// Has every shard take `fences` up, or none. What is returned says when each
    /// has.
    async fn take_up(
        &self,
        fences: &FenceInput,
        received: TimeMs,
    ) -> Result<TryJoinAll<oneshot::Receiver<FenceHistory>>, EditError> {
        let agree = async {
            // A shard whose commit hangs answers nothing: the others are not to stand
            // still for it.
            self.history().await?;
            self.propose(fences, received).await
        };
        let proposals = in_time(agree, BUSY).await?;
        let mut done = Vec::with_capacity(proposals.len());
        for Proposal { go, done: answer, .. } in proposals {
            // A shard that is gone shows by what it does not answer.
            let _ = go.send(());
            done.push(answer);
        }
        Ok(try_join_all(done))
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

/// What comes of `answers`, or `late` if they do not come.
async fn in_time<T>(
    answers: impl Future<Output = Result<T, EditError>>,
    late: EditError,
) -> Result<T, EditError> {
    tokio::time::timeout(ANSWERS_WITHIN, answers).await.unwrap_or(Err(late))
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

    fn keeper(shards: Vec<mpsc::Sender<Control>>) -> Keeper {
        Keeper {
            shards,
            objects: FenceObjects::new(Store::shared(Arc::new(InMemory::new()))),
            receive_clock: Arc::new(ReceiveClock::event(TimeMs(1_000))),
            clock: Clock::Event,
            taken: Taken { history: history(&[]), configured: String::new() },
            served: watch::Sender::default(),
            agreed: None,
        }
    }

    /// Answers questions until it is asked to stand still, which it returns.
    async fn shard_at_work(ear: &mut mpsc::Receiver<Control>) -> Option<FenceChange> {
        while let Some(control) = ear.recv().await {
            match control {
                Control::Question(Question::FenceHistory(answer)) => {
                    // One that came too late is not waited for any more.
                    let _ = answer.send(history(&[]));
                }
                Control::Fences(change) => return Some(*change),
                _ => unreachable!("a keeper asks for nothing else"),
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn no_shard_stands_still_for_one_that_hangs() {
        let (control, mut ear) = mpsc::channel(16);
        let at_work = tokio::spawn(async move { shard_at_work(&mut ear).await });
        let (hangs, _held) = mpsc::channel(16);
        let (editor, requests) = Editor::new(circle(40));
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keeper(vec![control, hangs]).run(requests, stop.clone()));
        let edited = editor.change(Edit::Configured(circle(50)), None).await;
        assert_eq!(edited, Err(BUSY));
        assert_eq!(editor.history().await, Err(BUSY));
        stop.cancel();
        kept.await.expect("it does not panic");
        assert!(at_work.await.expect("it does not panic").is_none(), "it was told to stand still");
    }

    /// A shard that answers questions, agrees to every change that comes, and
    /// says so; tells of each whether it is to be made.
    async fn agrees(mut ear: mpsc::Receiver<Control>, told: mpsc::Sender<Option<Made>>) {
        while let Some(change) = shard_at_work(&mut ear).await {
            let set = Arc::clone(&change.fences.set);
            let is_wanted = change.verdict.send(FenceOutcome::TakenUp).is_ok();
            let is_made = is_wanted && change.go.await.is_ok();
            let made = is_made.then_some(Made { set, done: change.done });
            told.send(made).await.expect("the test listens");
        }
    }

    /// A change that a shard goes on to commit.
    struct Made {
        set: Arc<FenceSet>,
        done: oneshot::Sender<FenceHistory>,
    }

    impl Made {
        fn commit(self) {
            self.done.send(history(&[self.set])).expect("the keeper waits for it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_hangs_after_its_word_calls_a_change_off() {
        let (control, ear) = mpsc::channel(16);
        let (told, mut made) = mpsc::channel(16);
        let at_work = tokio::spawn(agrees(ear, told));
        let (hangs, mut held) = mpsc::channel(16);
        let hanging = tokio::spawn(async move {
            // It answers the question, and then a commit takes for ever.
            let change = shard_at_work(&mut held).await.expect("a change");
            std::future::pending::<()>().await;
            drop(change);
        });
        let (editor, requests) = Editor::new(circle(40));
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keeper(vec![control, hangs]).run(requests, stop.clone()));
        let edited = editor.change(Edit::Configured(circle(50)), None).await;
        assert_eq!(edited, Err(BUSY));
        assert!(made.recv().await.expect("it was asked").is_none(), "one took it up alone");
        stop.cancel();
        kept.await.expect("it does not panic");
        hanging.abort();
        at_work.await.expect("it does not panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_hangs_keeps_nobody_waiting_and_is_made_known_once_it_is_done() {
        let ((one, one_ear), (two, two_ear)) = (mpsc::channel(16), mpsc::channel(16));
        let ((told_one, mut made_one), (told_two, mut made_two)) =
            (mpsc::channel(16), mpsc::channel(16));
        tokio::spawn(agrees(one_ear, told_one));
        tokio::spawn(agrees(two_ear, told_two));
        let (editor, requests) = Editor::new(circle(40));
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keeper(vec![one, two]).run(requests, stop.clone()));

        let new = circle(50);
        let asked = editor.change(Edit::Configured(Arc::clone(&new)), None);
        let (edited, second) = tokio::join!(asked, async {
            let first = made_one.recv().await.expect("asked").expect("made");
            let second = made_two.recv().await.expect("asked").expect("made");
            first.commit();
            second
        });
        assert_eq!(edited, Err(NOT_DURABLE));
        assert_ne!(editor.current().hash(), new.hash(), "it is not durable in all");
        // Another one would be built on what may not stand.
        let edited = editor.change(Edit::Configured(circle(60)), None).await;
        assert_eq!(edited, Err(BUSY));

        second.commit();
        let edited = editor.change(Edit::Configured(Arc::clone(&new)), None).await;
        assert_eq!(edited.map(|edited| edited.valid_from), Ok(None), "it stands");
        assert_eq!(editor.current().hash(), new.hash());
        stop.cancel();
        kept.await.expect("it does not panic");
    }
}
