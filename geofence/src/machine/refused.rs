//! How often a rule refused what the fixes seemed to show.
//!
//! Refusals are counted when a fix is first judged in its place, in order of
//! time. Judging a window again for a late fix counts nothing: a counter
//! cannot take back, and would otherwise grow with every late ping. So the
//! counts depend on the order of arrival, and only the events do not.

use std::sync::Arc;

use crate::Counters;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// An exit that the next inside fix showed to be none.
    Exit,
    /// An enter that was never confirmed, or that a new shape contradicts.
    Pending,
    /// A stay shorter than the fence asks for.
    ShortStay,
    /// A held fix that the next one did not bear out.
    Teleport,
    /// A pass through a fence on a step that took too long to tell.
    CrossGap,
    /// A pass through a fence on a step too fast to be true.
    CrossSpeed,
}

/// Names of the counters, in the order of [`Refusal`].
const NAMES: [&str; 6] =
    ["exit_void", "pending_voided", "stay_too_short", "teleport", "cross_gap", "cross_too_fast"];

impl Refusal {
    /// Name of its counter.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// One refusal, for whoever asks what a step did.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// The rule's name: a counter's, or `cross_too_short`, which counts none.
    pub(super) rule: &'static str,
    /// The fence concerned; `None` where the fix itself was refused.
    pub(super) fence: Option<Arc<str>>,
    /// Length of the pass that was refused, metres.
    pub(super) inside_m: Option<f64>,
}

/// Counts of refusals.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refused([u64; NAMES.len()]);

impl Refused {
    pub(super) fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }

    /// Moves the counts to `counters`.
    pub(crate) fn drain(&mut self, counters: &mut Counters) {
        for (name, n) in NAMES.iter().zip(std::mem::take(&mut self.0)) {
            counters.add(name, n);
        }
    }
}
