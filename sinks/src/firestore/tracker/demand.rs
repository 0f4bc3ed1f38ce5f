//! What vehicles ask of their document.

use tokio::time::Instant;

/// The earliest of everything that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// When the document is to be written.
    pub(super) due: Option<Instant>,
    /// Since when a visible change is not stored.
    pub(super) visible_since: Option<Instant>,
    /// Segment of the first change that is not stored.
    pub(super) seq: Option<u64>,
}

impl Demand {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            due: earlier(self.due, other.due),
            visible_since: earlier(self.visible_since, other.visible_since),
            seq: earlier(self.seq, other.seq),
        }
    }
}

fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
