//! Which low mark of each source every shard has been told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use geofence::TimeMs;

/// The newest low marks that went to every shard, by source.
#[derive(Debug, Default)]
pub(super) struct ToldMarks(Mutex<BTreeMap<u32, TimeMs>>);

impl ToldMarks {
    /// Whether some shard may not know `mark` of `source` yet. Of two that ask
    /// at the same time both may be told so, which does no harm.
    pub(super) fn is_news(&self, source: u32, mark: Option<TimeMs>) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mark > told.get(&source).copied()
    }

    /// Every shard is told `mark` of `source`.
    pub(super) fn tell(&self, source: u32, mark: Option<TimeMs>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = mark {
            let known = told.entry(source).or_insert(mark);
            *known = mark.max(*known);
        }
    }
}
