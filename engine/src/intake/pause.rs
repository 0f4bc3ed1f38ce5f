//! Why intake is closed.

use std::fmt;

/// Why intake is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PauseReason {
    /// The process is going down; never withdrawn.
    Draining = 1,
    /// The disk under the journal is nearly full.
    DiskNearlyFull = 2,
    /// The journal has refused commits for long.
    CommitStuck = 4,
}

impl PauseReason {
    /// Every reason, the gravest first.
    pub const ALL: [Self; 3] = [Self::Draining, Self::DiskNearlyFull, Self::CommitStuck];

    /// Stable code for answers and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::CommitStuck => "commit_stuck",
        }
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "the worker is shutting down",
            Self::DiskNearlyFull => "the disk under the journal is nearly full",
            Self::CommitStuck => "the journal has not taken a commit for long",
        })
    }
}

/// The reasons in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paused(u8);

impl Paused {
    /// Adds a reason; says whether that changed anything.
    pub(super) fn set(&mut self, reason: PauseReason) -> bool {
        let before = self.0;
        self.0 |= reason as u8;
        self.0 != before
    }

    /// Removes a reason; says whether that changed anything. Draining stays.
    pub(super) fn clear(&mut self, reason: PauseReason) -> bool {
        let before = self.0;
        if reason != PauseReason::Draining {
            self.0 &= !(reason as u8);
        }
        self.0 != before
    }

    pub(super) fn gravest(self) -> Option<PauseReason> {
        PauseReason::ALL.into_iter().find(|&reason| self.0 & reason as u8 != 0)
    }
}
