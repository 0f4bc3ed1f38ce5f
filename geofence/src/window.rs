//! The hot window of one vehicle: every fix that a late ping may still be
//! compared with, in order of event time.

use crate::fix::Fix;
use crate::{Identity, TimeMs};

/// Bytes that one fix of a window costs.
pub(crate) const FIX_BYTES: u64 = size_of::<Fix>() as u64;

/// What became of a fix offered to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// Its time had no fix yet.
    New,
    /// It takes the place of the fix with this identity.
    Supersedes(Identity),
    /// The fix that stands for its time stays.
    Superseded,
    /// Known already.
    Duplicate,
}

/// Fixes by event time; of several with one time the winner comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    fixes: Vec<Fix>,
}

impl Window {
    pub(crate) fn restore(fixes: Vec<Fix>) -> Self {
        Self { fixes }
    }

    pub(crate) fn fixes(&self) -> &[Fix] {
        &self.fixes
    }

    pub(crate) fn len(&self) -> usize {
        self.fixes.len()
    }

    /// Files `fix` under its time.
    pub(crate) fn insert(&mut self, fix: Fix) -> Inserted {
        let end = self.upper_bound(fix.t);
        let start = self.lower_bound_before(end, fix.t);
        let same_time = &self.fixes[start..end];
        if same_time.iter().any(|known| known.identity == fix.identity) {
            return Inserted::Duplicate;
        }
        let Some(winner) = same_time.first() else {
            self.fixes.insert(end, fix);
            return Inserted::New;
        };
        if fix.wins_over(winner) {
            let loser = winner.identity;
            self.fixes.insert(start, fix);
            Inserted::Supersedes(loser)
        } else {
            self.fixes.insert(end, fix);
            Inserted::Superseded
        }
    }

    /// The fixes that stand for their time, after `after` and up to `through`.
    pub(crate) fn winners(
        &self,
        after: TimeMs,
        through: TimeMs,
    ) -> impl Iterator<Item = &Fix> + '_ {
        let start = self.upper_bound(after);
        let mut last = None;
        self.fixes[start..].iter().take_while(move |fix| fix.t <= through).filter(move |fix| {
            let first_of_its_time = last != Some(fix.t);
            last = Some(fix.t);
            first_of_its_time
        })
    }

    /// Forgets the fixes up to and including `through`.
    pub(crate) fn forget_through(&mut self, through: TimeMs) {
        let count = self.fixes.partition_point(|fix| fix.t <= through);
        self.fixes.drain(..count);
    }

    /// Index behind the last fix with a time of at most `t`. Most pings come
    /// in order, so the search starts at the end.
    fn upper_bound(&self, t: TimeMs) -> usize {
        match self.fixes.last() {
            Some(last) if last.t > t => self.fixes.partition_point(|fix| fix.t <= t),
            _ => self.fixes.len(),
        }
    }

    fn lower_bound_before(&self, end: usize, t: TimeMs) -> usize {
        end - self.fixes[..end].iter().rev().take_while(|fix| fix.t == t).count()
    }
}
