//! What becomes of a change of the fences, and which versions a fence had.

use crate::{Fence, FenceEpoch, TimeMs};

/// What became of a fence set that was to judge from some time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceOutcome {
    /// It judges from its `valid_from` on.
    TakenUp,
    /// It is the newest set already: no version, no event.
    Unchanged,
    /// It cannot judge from then on; nothing changed.
    Refused(FenceRefusal),
}

/// Why a fence set cannot judge from the time asked for. A later time may do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceRefusal {
    /// Sets follow each other in time.
    #[error("the newest fence set is valid from the same time or a later one")]
    NotAfter {
        /// When the newest set came or comes into force.
        newest: TimeMs,
    },
    /// What was decided then is final.
    #[error("it would change what is final for a vehicle, whose hot window begins later")]
    BehindHotWindow {
        /// The vehicle whose hot window begins last.
        vehicle_id: String,
        /// Where that begins: the earliest time that no vehicle refuses.
        hot_from: TimeMs,
    },
}

/// The fence sets that may still judge a ping, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct FenceHistory {
    /// Whether there were others before these.
    pub is_cut: bool,
    /// At least one; the last is the newest.
    pub epochs: Vec<FenceEpoch>,
}

/// One version of a fence.
#[derive(Clone, Debug, PartialEq)]
pub struct FenceVersion<'a> {
    /// 1 for the first shape of the id, then rising.
    pub version: u32,
    /// Event time from which it judges; `None` if always, or since before
    /// what the history still knows.
    pub valid_from: Option<TimeMs>,
    /// Event time at which another takes its place or none does; `None` for
    /// the newest.
    pub valid_to: Option<TimeMs>,
    /// The fence as last described under this version: name and tags may
    /// change without a new one.
    pub fence: &'a Fence,
}

impl FenceRefusal {
    /// The earliest time from which the set could judge.
    #[must_use]
    pub fn earliest(&self) -> TimeMs {
        match self {
            Self::NotAfter { newest } => newest.plus(1),
            Self::BehindHotWindow { hot_from, .. } => *hot_from,
        }
    }
}

impl FenceHistory {
    /// The newest set.
    ///
    /// # Panics
    /// If there is none, which no detector's history is.
    #[must_use]
    pub fn newest(&self) -> &FenceEpoch {
        self.epochs.last().expect("a history holds at least one set")
    }

    /// Every known version of fence `id`, oldest first.
    #[must_use]
    pub fn versions_of(&self, id: &str) -> Vec<FenceVersion<'_>> {
        let mut versions: Vec<FenceVersion<'_>> = Vec::new();
        let mut last_is_open = false;
        for (number, epoch) in self.epochs.iter().enumerate() {
            let found = epoch.set.position_of(id);
            let version = found.map(|i| epoch.version(i));
            let open = versions.last_mut().filter(|_| last_is_open);
            match (open, found) {
                (Some(open), Some(i)) if version == Some(open.version) => {
                    open.fence = &epoch.set.fences()[i as usize];
                    continue;
                }
                (Some(open), _) => open.valid_to = Some(epoch.valid_from),
                (None, _) => {}
            }
            last_is_open = found.is_some();
            if let Some(i) = found {
                let known = epoch.valid_from > TimeMs::MIN && !(self.is_cut && number == 0);
                versions.push(FenceVersion {
                    version: epoch.version(i),
                    valid_from: known.then_some(epoch.valid_from),
                    valid_to: None,
                    fence: &epoch.set.fences()[i as usize],
                });
            }
        }
        versions
    }
}
