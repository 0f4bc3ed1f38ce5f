//! One vehicle: its clocks, its hot window, and what has been decided and
//! emitted from it (semantics §2 and §3).
//!
//! The window keeps every fix from the oldest checkpoint on; a checkpoint is
//! the machine right after some fix. A fix that arrives behind others takes
//! the vehicle back to the last checkpoint before it and judges again from
//! there; what differs from what was emitted leaves as corrections, at most
//! one operation per event and segment.

mod checkpoints;
mod judging;
mod operations;

use smol_str::SmolStr;

use crate::decided::Decided;
use crate::fix::Fix;
use crate::lists::RareList;
use crate::liveness::Liveness;
use crate::machine::Machine;
use crate::shown::Shown;
use crate::timeline::Timeline;
use crate::window::{Inserted, SpareChunks, Window};
use crate::world::Rules;
use crate::{Position, Settings, TimeMs};

pub(crate) use checkpoints::{Checkpoint, Checkpoints, SpareMachines};

/// Fixes that a window holds at the most.
pub(crate) const WINDOW_FIXES_MAX: usize = 16_384;

/// Span of event time whose fixes changed after they were judged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stale {
    from: TimeMs,
    through: TimeMs,
}

/// State of one vehicle. What every ping reads comes first, in this order in
/// memory: with many vehicles each line is a cache miss.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Vehicle {
    pub(crate) id: SmolStr,
    /// `M`: the largest event time accepted. [`TimeMs::MIN`] before the first.
    pub(crate) newest: TimeMs,
    /// `H`: start of the hot window; never goes back.
    pub(crate) hot_from: TimeMs,
    /// Event time of the last fix judged or timer fired.
    pub(crate) judged: TimeMs,
    /// The source its newest ping came by; its first one before that.
    pub(crate) source: u32,
    /// Fixes judged since the last checkpoint.
    pub(crate) since_checkpoint: u32,
    /// What is to be judged again, for as long as that is to come.
    stale: Option<Box<Stale>>,
    /// How many of `decided` have been emitted or need not be.
    pub(crate) settled: u32,
    /// Something decided or questioned may not have been told.
    untold: bool,
    /// Whether `assumed` holds any.
    pub(crate) assumes: bool,
    /// Of the fixes that wait to be judged, if any do, the newest is the only
    /// one; false says nothing.
    newest_alone: bool,
    pub(crate) window: Window,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) liveness: Liveness,
    /// State after everything judged so far.
    pub(crate) machine: Machine,
    pub(crate) shown: Shown,
    /// Events decided since the first checkpoint, in order of decision.
    pub(crate) decided: Vec<Decided>,
    /// Dwell events that rest on silence alone, by the machine as it stands:
    /// no window's start or checkpoint knows of them.
    pub(crate) assumed: RareList<Decided>,
    /// Emitted events that judging again has put in question.
    displaced: RareList<Decided>,
}

/// What vehicles no longer hold, for others to use again: vehicles that drive
/// on then need no allocation.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    pub(crate) chunks: SpareChunks,
    pub(crate) machines: SpareMachines,
}

/// Where a ping falls among its vehicle's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lateness {
    OnTime,
    Late,
    TooLate,
}

impl Vehicle {
    pub(crate) fn new(id: SmolStr, source: u32, liveness: Liveness) -> Self {
        Self {
            id,
            newest: TimeMs::MIN,
            hot_from: TimeMs::MIN,
            source,
            window: Window::default(),
            machine: Machine::default(),
            judged: TimeMs::MIN,
            checkpoints: Checkpoints::new(),
            since_checkpoint: 0,
            untold: false,
            assumes: false,
            newest_alone: false,
            decided: Vec::new(),
            settled: 0,
            assumed: RareList::new(),
            displaced: RareList::new(),
            stale: None,
            liveness,
            shown: Shown::default(),
        }
    }

    /// Has what the vehicle points to asked for that its next ping reads.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.window.prefetch();
        prefetch::lines_of(self.machine.visits.as_slice());
    }

    /// The same of what that points to.
    #[inline]
    pub(crate) fn prefetch_fixes(&self) {
        self.window.prefetch_fixes();
        if let Some(last) = self.decided.last() {
            prefetch::lines_of(&last.at);
        }
    }

    /// Where the fix is, most likely, that is judged next, if any waits.
    pub(crate) fn next_place(&self) -> Option<Position> {
        let fix = self.shown.fix.filter(|_| self.judged < self.newest)?;
        Some(fix.position)
    }

    /// Where a ping with event time `t` falls: `H ≤ t` counts, `t < W` is
    /// late. `hot_from` is the `H` that holds for this ping.
    pub(crate) fn lateness(&self, t: TimeMs, hot_from: TimeMs, settings: &Settings) -> Lateness {
        if t < hot_from {
            Lateness::TooLate
        } else if t < self.newest.plus(-settings.reorder_delay_ms) {
            Lateness::Late
        } else {
            Lateness::OnTime
        }
    }

    /// `H` as `bound` would have it: the smaller of `M` and the source's low
    /// mark, if that bounds lateness, less the hot lateness.
    pub(crate) fn hot_from(&self, bound: Bound, t: TimeMs, settings: &Settings) -> TimeMs {
        let newest = self.newest.max(t);
        let mark = match bound {
            Bound::LowMark(Some(mark)) => newest.min(mark),
            Bound::LowMark(None) => TimeMs::MIN,
            Bound::Newest => newest,
        };
        self.hot_from.max(mark.plus(-settings.hot_lateness_ms))
    }

    /// Takes `fix` into the window and moves the clocks.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        fix: &Fix,
        hot_from: TimeMs,
        spares: &mut SpareChunks,
    ) -> Inserted {
        let inserted = self.window.insert(fix, spares);
        if inserted == Inserted::Duplicate {
            return inserted;
        }
        self.newest_alone = fix.t > self.newest.max(self.judged) && self.newest <= self.judged;
        self.newest = self.newest.max(fix.t);
        self.hot_from = hot_from;
        if fix.t <= self.judged && inserted != Inserted::Superseded {
            let stale = self.stale_from(fix.t);
            stale.through = stale.through.max(fix.t);
        }
        inserted
    }

    /// `W`: the event time up to which the vehicle's pings are believed to be
    /// complete.
    pub(crate) fn watermark(&self, rules: Rules<'_>) -> TimeMs {
        let own = self.newest.plus(-rules.world.settings.reorder_delay_ms);
        rules.world.end.map_or(own, |end| own.max(end))
    }

    /// Whether the next judgement goes back over what was judged.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Has what was judged from `valid_from` on judged again, since other
    /// fences or tags hold from then on.
    pub(crate) fn rules_changed(&mut self, valid_from: TimeMs) {
        if valid_from <= self.judged {
            let through = self.judged;
            self.stale_from(valid_from).through = through;
        }
    }

    /// The span to be judged again, which begins at `from` or before.
    fn stale_from(&mut self, from: TimeMs) -> &mut Stale {
        let stale = self.stale.get_or_insert_with(|| Box::new(Stale { from, through: from }));
        stale.from = stale.from.min(from);
        stale
    }

    /// Forgets what no ping that still counts can change.
    #[inline]
    pub(crate) fn forget_cold(&mut self, spares: &mut Spares) {
        if self.checkpoints.has_before(self.hot_from) {
            self.forget_before(self.hot_from, spares);
        }
    }

    /// Apart from what asks for it: of 32 pings one has something forgotten.
    fn forget_before(&mut self, hot_from: TimeMs, spares: &mut Spares) {
        self.checkpoints.forget_before(hot_from, &mut spares.machines);
        let start = self.checkpoints.first().at;
        self.window.forget_through(start, &mut spares.chunks);
        let final_count =
            self.decided[..self.settled as usize].partition_point(|decided| decided.at <= start);
        self.decided.drain(..final_count);
        self.settled -= final_count as u32;
    }

    /// Moves the window's start up to halve it, for want of memory. Returns
    /// how many fixes gave way; 0 only if none was judged.
    pub(crate) fn give_way(&mut self, spares: &mut Spares) -> usize {
        let before = self.window.len();
        if self.checkpoints.is_one() && self.checkpoints.first().at < self.judged {
            // Few fixes judged, or many of one time.
            self.checkpoints.push(self.judged, &self.machine, &mut spares.machines);
            self.since_checkpoint = 0;
        }
        let middle = self.checkpoints.middle().at;
        self.hot_from = self.hot_from.max(middle.plus(1));
        self.forget_cold(spares);
        before - self.window.len()
    }

    /// The first fence epoch that this vehicle may still be judged by; `None`
    /// before its first fix.
    pub(crate) fn oldest_epoch(&self, timeline: &Timeline) -> Option<u32> {
        let base = self.checkpoints.first().machine();
        if let Some(last) = base.last {
            // A change since the last fix lies on the step to the next one.
            return Some(timeline.number_at(last.t).min(base.epoch));
        }
        let first = self.window.fixes().next()?;
        Some(timeline.number_at(first.t.min(self.hot_from)))
    }

    /// The earliest event time at which the vehicle may still be judged by its
    /// tags; `None` before its first fix.
    pub(crate) fn tags_needed_from(&self) -> Option<TimeMs> {
        let base = self.checkpoints.first().machine();
        match base.last {
            Some(last) => Some(base.assigned.get().map_or(last.t, |from| from.min(last.t))),
            None => Some(self.window.fixes().next()?.t.min(self.hot_from)),
        }
    }
}

/// What bounds the lateness of a vehicle's pings besides its own newest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Nothing: the source's receive times say nothing of its backlog.
    Newest,
    /// The source's low mark; without one nothing is too late.
    LowMark(Option<TimeMs>),
}

#[cfg(test)]
mod tests;
