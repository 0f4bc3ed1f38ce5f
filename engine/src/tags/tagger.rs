//! Asking the shards for tags, and for changes of them.
//!
//! Whoever asks over HTTP waits for no shard without end: one whose commit hangs
//! does so for as long as the disk or the bucket.

use std::sync::Arc;

use geofence::{TagChanges, TagOutcome, TagRefusal, TimeMs};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::ConfiguredTags;
use crate::fences::ANSWERS_WITHIN;
use crate::intake::OwnedShards;
use crate::metrics;
use crate::shard::{Control, Question, TagChange};

/// Changes over HTTP that are begun and not durable in every shard yet, at the
/// most: as many are kept in memory while a commit hangs.
const UNDER_WAY_MAX: usize = 64;

/// A handle on the tags of the worker's vehicles. Clones ask the same shards.
#[derive(Clone, Debug)]
pub struct Tagger {
    owned: OwnedShards,
    /// By the place of the shard.
    shards: Vec<mpsc::Sender<Control>>,
    under_way: Arc<Semaphore>,
}

/// What came of a change, durable where there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Since when the tags decide; `None` if the vehicles had them already.
    pub valid_from: Option<TimeMs>,
}

/// Why tags were not changed, or not in all shards: asking again does the
/// rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaggerError {
    /// A shard cannot judge by them from now on.
    #[error(transparent)]
    Refused(#[from] TagRefusal),
    /// The vehicle is another process's.
    #[error("the vehicle belongs to shard {shard}, which this worker does not own")]
    Foreign {
        /// The shard.
        shard: u32,
    },
    /// A shard did not answer in time; nothing was changed.
    #[error("a shard did not get to it in time: try again")]
    Busy,
    /// A shard has not committed the change in time: it may come to stand all the
    /// same.
    #[error("not every shard has committed the change yet")]
    NotDurable,
    /// The worker is ending.
    #[error("the worker is ending")]
    Ending,
}

impl Tagger {
    /// A tagger of the `owned` shards, each by its ear for [`Control`].
    #[must_use]
    pub fn new(owned: OwnedShards, shards: Vec<mpsc::Sender<Control>>) -> Self {
        Self { owned, shards, under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)) }
    }

    /// The newest tags of a vehicle, sorted; none for one never named.
    ///
    /// # Errors
    /// The vehicle is another process's, its shard does not answer in time, or the
    /// worker is ending.
    pub async fn of(&self, vehicle_id: &str) -> Result<Vec<String>, TaggerError> {
        let (answer, ear) = oneshot::channel();
        let shard = &self.shards[self.place_of(vehicle_id)?];
        let question = Question::TagsOf(vehicle_id.to_owned(), answer);
        let answer = async {
            let asked = shard.send(Control::Question(question)).await;
            asked.map_err(|_| TaggerError::Ending)?;
            ear.await.map_err(|_| TaggerError::Ending)
        };
        in_time(answer, TaggerError::Busy).await
    }

    /// Gives a vehicle these tags from the receipt on. Waits until that is
    /// durable, but not long for a shard whose commit hangs; goes on where nobody
    /// waits any more. The first tags of all have tags count in every shard of this
    /// process.
    ///
    /// # Errors
    /// See [`TaggerError`].
    pub async fn put(
        &self,
        vehicle_id: &str,
        tags: Vec<String>,
        received: TimeMs,
    ) -> Result<Tagged, TaggerError> {
        let place = async {
            let place = Arc::clone(&self.under_way).acquire_owned().await;
            Ok(place.expect("it is never closed"))
        };
        let place = in_time(place, TaggerError::Busy).await?;
        let (tagger, vehicle_id) = (self.clone(), vehicle_id.to_owned());
        // A task of its own: whoever asks may go before every shard is told.
        let putting = tokio::spawn(async move {
            let tagged = tagger.put_everywhere(&vehicle_id, tags, received).await;
            metrics::TAG_CHANGES.counter(&["http", outcome(&tagged)]).increment(1);
            drop(place);
            tagged
        });
        let put = async {
            putting.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(TaggerError::Ending),
            })
        };
        in_time(put, TaggerError::NotDurable).await
    }

    async fn put_everywhere(
        &self,
        vehicle_id: &str,
        tags: Vec<String>,
        received: TimeMs,
    ) -> Result<Tagged, TaggerError> {
        let own = self.place_of(vehicle_id)?;
        let vehicles = [(vehicle_id.to_owned(), tags)].into();
        let changes = TagChanges { vehicles, is_whole: false };
        let tagged = self.change(own, changes, received, None).await?;
        for other in (0..self.shards.len()).filter(|other| *other != own) {
            self.change(other, TagChanges::default(), received, None).await?;
        }
        Ok(tagged)
    }

    /// Has the configured tags take the place of all others, in each shard from
    /// its own time on; the last of these is told.
    ///
    /// # Errors
    /// See [`TaggerError`].
    pub async fn configure(
        &self,
        tags: &ConfiguredTags,
        received: TimeMs,
    ) -> Result<Tagged, TaggerError> {
        let tagged = self.configure_everywhere(tags, received).await;
        metrics::TAG_CHANGES.counter(&["configured", outcome(&tagged)]).increment(1);
        tagged
    }

    async fn configure_everywhere(
        &self,
        tags: &ConfiguredTags,
        received: TimeMs,
    ) -> Result<Tagged, TaggerError> {
        let hash = tags.hash();
        let mut whole = Tagged { valid_from: None };
        for (place, shard) in self.owned.numbers().iter().enumerate() {
            let changes = tags.of_shard(*shard, self.owned.shards());
            let tagged = self.change(place, changes, received, Some(hash.clone())).await?;
            whole.valid_from = whole.valid_from.max(tagged.valid_from);
        }
        Ok(whole)
    }

    fn place_of(&self, vehicle_id: &str) -> Result<usize, TaggerError> {
        self.owned.place_of(vehicle_id).map_err(|shard| TaggerError::Foreign { shard })
    }

    async fn change(
        &self,
        place: usize,
        changes: TagChanges,
        received: TimeMs,
        configured: Option<String>,
    ) -> Result<Tagged, TaggerError> {
        let (done, ear) = oneshot::channel();
        let change = TagChange { changes, received, configured, done };
        let sent = self.shards[place].send(Control::Tags(Box::new(change))).await;
        sent.map_err(|_| TaggerError::Ending)?;
        let (outcome, valid_from) = ear.await.map_err(|_| TaggerError::Ending)?;
        match outcome {
            TagOutcome::TakenUp => Ok(Tagged { valid_from: Some(valid_from) }),
            TagOutcome::Unchanged => Ok(Tagged { valid_from: None }),
            TagOutcome::Refused(refusal) => Err(refusal.into()),
        }
    }
}

/// What comes of `answer`, or `late` if it does not come.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, TaggerError>>,
    late: TaggerError,
) -> Result<T, TaggerError> {
    tokio::time::timeout(ANSWERS_WITHIN, answer).await.unwrap_or(Err(late))
}

fn outcome(tagged: &Result<Tagged, TaggerError>) -> &'static str {
    match tagged {
        Ok(Tagged { valid_from: Some(_) }) => "changed",
        Ok(Tagged { valid_from: None }) => "unchanged",
        Err(TaggerError::Foreign { .. }) => "not_found",
        Err(TaggerError::Refused(_)) => "refused",
        Err(TaggerError::Busy | TaggerError::NotDurable | TaggerError::Ending) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    fn tagger(shards: Vec<mpsc::Sender<Control>>) -> Tagger {
        Tagger::new(OwnedShards::all(shards.len() as u32), shards)
    }

    async fn put(tagger: &Tagger) -> Result<Tagged, TaggerError> {
        tagger.put("van-7", vec!["van".into()], TimeMs(1_000)).await
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_commit_that_hangs() {
        let (hangs, held) = mpsc::channel(2 * UNDER_WAY_MAX);
        let tagger = tagger(vec![hangs]);
        let puts = join_all((0..UNDER_WAY_MAX).map(|_| put(&tagger))).await;
        assert_eq!(puts, vec![Err(TaggerError::NotDurable); UNDER_WAY_MAX]);
        assert_eq!(put(&tagger).await, Err(TaggerError::Busy));
        assert_eq!(held.len(), UNDER_WAY_MAX, "one more was begun");
        assert_eq!(tagger.of("van-7").await, Err(TaggerError::Busy));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_nobody_waits_for_any_more_reaches_every_shard() {
        let ((one, mut one_ear), (two, mut two_ear)) = (mpsc::channel(1), mpsc::channel(1));
        let tagger = tagger(vec![one, two]);
        assert_eq!(put(&tagger).await, Err(TaggerError::NotDurable));
        let ears = [&mut one_ear, &mut two_ear];
        let [own, other] = if tagger.place_of("van-7") == Ok(0) {
            ears
        } else {
            let [one, two] = ears;
            [two, one]
        };
        for (ear, vehicles) in [(own, 1), (other, 0)] {
            let Some(Control::Tags(change)) = ear.recv().await else {
                unreachable!("a tagger asks for nothing else")
            };
            assert_eq!(change.changes.vehicles.len(), vehicles);
            let outcome = (TagOutcome::TakenUp, TimeMs(1_000));
            change.done.send(outcome).expect("it is still waited for");
        }
    }
}
