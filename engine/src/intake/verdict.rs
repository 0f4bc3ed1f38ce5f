//! What became of each entry, and how the answer travels back.

use protos::journal::{DeadLetter, Disposition};
use tokio::sync::oneshot;

/// What became of one entry, once that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Archived, with this disposition.
    Accepted(Disposition),
    /// The same ping was taken before; no effect.
    Duplicate,
    /// In the dead letter.
    Rejected(Rejection),
}

/// Why an entry is in the dead letter, as its sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code, such as `lat_out_of_range`.
    pub code: String,
    /// What exactly was wrong.
    pub message: String,
}

impl From<&DeadLetter> for Rejection {
    fn from(letter: &DeadLetter) -> Self {
        Self { code: letter.reason.clone(), message: letter.detail.clone() }
    }
}

/// A shard's promise to answer for one delivery, given once its entries are
/// durable. Dropped without an answer: the shard is gone, nothing of the
/// delivery was acknowledged.
#[derive(Debug, Default)]
pub struct Ack {
    answer: Option<(oneshot::Sender<Vec<Verdict>>, usize)>,
}

impl Ack {
    /// For sources that do not ask.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether anybody still waits: if not, the verdicts need not be listed.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.answer.as_ref().is_some_and(|(sender, _)| !sender.is_closed())
    }

    /// Answers with one verdict for each entry, in order.
    ///
    /// # Panics
    /// If the number of verdicts is not that of the entries: to go on would
    /// acknowledge the wrong pings.
    pub fn resolve(self, verdicts: Vec<Verdict>) {
        if let Some((sender, entries)) = self.answer {
            assert_eq!(verdicts.len(), entries, "one verdict for each entry");
            // Whoever asked may have gone; the entries are durable all the same.
            let _ = sender.send(verdicts);
        }
    }
}

/// A shard ended before it answered. What it had of the submission may or may
/// not be durable: send the same again, duplicates are known for such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} ended before it committed the input")]
pub struct NoVerdict {
    /// Which shard.
    pub shard: u32,
}

/// The verdicts of one submission, on their way.
#[derive(Debug, Default)]
#[must_use = "dropping it is how to say that nobody asks"]
pub struct PendingVerdicts {
    entries: usize,
    parts: Vec<PendingPart>,
}

#[derive(Debug)]
struct PendingPart {
    shard: u32,
    /// Where each entry stood in the submission; `None` when this is all of it.
    indexes: Option<Vec<usize>>,
    answer: oneshot::Receiver<Vec<Verdict>>,
}

impl PendingVerdicts {
    /// Adds a part of `entries` entries and returns its shard's promise.
    pub(super) fn expect(
        &mut self,
        shard: u32,
        entries: usize,
        indexes: Option<Vec<usize>>,
    ) -> Ack {
        let (sender, answer) = oneshot::channel();
        self.entries += entries;
        self.parts.push(PendingPart { shard, indexes, answer });
        Ack { answer: Some((sender, entries)) }
    }

    /// Waits for every shard concerned; one verdict for each entry of the
    /// submission, in its order.
    ///
    /// # Errors
    /// [`NoVerdict`] if a shard ended first.
    pub async fn wait(self) -> Result<Vec<Verdict>, NoVerdict> {
        let mut verdicts = vec![None; self.entries];
        for part in self.parts {
            let answer = part.answer.await.map_err(|_| NoVerdict { shard: part.shard })?;
            match part.indexes {
                None => return Ok(answer),
                Some(indexes) => {
                    for (index, verdict) in indexes.into_iter().zip(answer) {
                        verdicts[index] = Some(verdict);
                    }
                }
            }
        }
        let each = "the parts make up the submission, and each answered in full";
        Ok(verdicts.into_iter().map(|verdict| verdict.expect(each)).collect())
    }
}
