//! Judging a vehicle's fixes, and judging again what a late one has changed.

use super::{Stale, Vehicle};
use crate::TimeMs;
use crate::fix::Fix;
use crate::lists::make_room;
use crate::machine::{Judge, Scratch};
use crate::world::Rules;

/// Fixes between two checkpoints at the most: the price of a late fix against
/// the memory of a vehicle.
const CHECKPOINT_FIXES: u32 = 32;

impl Vehicle {
    /// Whether to judge up to `through` may come to anything. Mostly it does not
    /// once the ping before the newest has been judged on the way in.
    #[inline]
    pub(crate) fn has_due(&self, rules: Rules<'_>, through: TimeMs) -> bool {
        let waits_on = self.newest_alone && self.newest > through.max(rules.in_force);
        self.stale.is_some()
            || !(waits_on || self.newest <= self.judged)
            || self.judged < rules.in_force
            || rules.world.roster.since().is_some()
            || self.machine.heeds_time(&rules.judge(&self.id), self.watermark(rules))
    }

    /// Judges the fixes up to `through`, and again what has changed behind
    /// them. A fence set in force decides without waiting for earlier pings.
    pub(crate) fn judge(&mut self, rules: Rules<'_>, through: TimeMs, scratch: &mut Scratch) {
        if let Some(stale) = self.stale.take() {
            self.judge_again(*stale, rules, scratch);
        }
        let base_at = self.checkpoints.last_at();
        let judge = &rules.judge(&self.id);
        // Tags are never dated ahead: the newest are in force.
        let in_force =
            judge.tags.newest_from().map_or(rules.in_force, |from| from.max(rules.in_force));
        let through = through.max(in_force);
        while self.judged < self.newest
            && let Some(fix) = self.next_due(through)
        {
            self.machine.step(judge, &fix, scratch);
            self.judged = fix.t;
            self.since_checkpoint += 1;
            let last = self.checkpoints.last_at();
            let span = if last == TimeMs::MIN { 0 } else { fix.t.since(last) };
            if self.since_checkpoint >= CHECKPOINT_FIXES
                || span >= rules.world.settings.hot_lateness_ms
            {
                let spares = &mut scratch.spares.machines;
                self.checkpoints.push(fix.t, &self.machine, spares);
                self.since_checkpoint = 0;
            }
        }
        if self.machine.last.is_some() {
            self.judged = self.judged.max(in_force);
        }
        if self.machine.heeds_time(judge, self.watermark(rules)) {
            self.run_timers(rules, scratch);
        }
        if !scratch.decided.is_empty() {
            self.take_decided(scratch, base_at, false);
        }
    }

    /// The fix that is to be judged next, if that is up to `through`.
    #[inline]
    fn next_due(&self, through: TimeMs) -> Option<Fix> {
        if self.newest_alone {
            return if self.newest <= through { self.window.last() } else { None };
        }
        self.window.first_winner(self.judged, through)
    }

    /// Lets the machine's timers fire that are due by what was judged.
    fn run_timers(&mut self, rules: Rules<'_>, scratch: &mut Scratch) {
        let judge = rules.judge(&self.id);
        // At the end of the input too, a fix that waits may show what is held.
        let judge = &Judge { ended: judge.ended && self.newest <= self.judged, ..judge };
        let gaps = self.gaps_known(rules);
        if self.machine.run_timers(judge, self.judged, gaps, scratch) {
            // A fix that yet comes to fill the gap is behind what was judged.
            self.judged = self.judged.max(gaps);
        }
    }

    /// The event time up to which gaps are known: the watermark, but not past
    /// a fix that still waits to be judged.
    fn gaps_known(&self, rules: Rules<'_>) -> TimeMs {
        let watermark = self.watermark(rules);
        if self.newest <= self.judged {
            return watermark;
        }
        let waiting = self.window.next_after(self.judged);
        waiting.map_or(watermark, |t| watermark.min(t.plus(-1)))
    }

    /// Judges again from the last checkpoint before what changed, until the
    /// machine meets a later checkpoint's state or everything is done.
    fn judge_again(&mut self, stale: Stale, rules: Rules<'_>, scratch: &mut Scratch) {
        let mut later = self.checkpoints.split_off(stale.from);
        let base = self.checkpoints.last();
        let base_at = base.at;
        let head = std::mem::replace(&mut self.machine, base.machine().clone());
        let first_again = self.decided.partition_point(|decided| decided.at <= base_at);
        let mut questioned = self.decided.split_off(first_again);
        self.settled = self.settled.min(first_again as u32);
        self.since_checkpoint = 0;
        self.untold = true;

        let judge = &rules.judge(&self.id);
        let refused = scratch.refused;
        let mut met = None;
        let mut expected = later.iter_mut().enumerate().peekable();
        for fix in self.window.winners(base_at, self.judged) {
            self.machine.step(judge, &fix, scratch);
            self.since_checkpoint += 1;
            let stood = expected.next_if(|(_, later)| later.at == fix.t);
            let stands = stood.is_some();
            if let Some((i, checkpoint)) = stood
                && fix.t >= stale.through
            {
                // One may have been read back, where all is measured.
                self.machine.measure(judge.timeline);
                checkpoint.measure(judge.timeline);
                if *checkpoint.machine() == self.machine {
                    met = Some(i);
                    break;
                }
            }
            // Late fixes fill the space between: a window that grows backwards
            // needs new checkpoints as much as one that grows forwards.
            if stands || self.since_checkpoint >= CHECKPOINT_FIXES {
                let spares = &mut scratch.spares.machines;
                self.checkpoints.push(fix.t, &self.machine, spares);
                self.since_checkpoint = 0;
            }
        }
        if met.is_none() && self.machine.heeds_time(judge, self.watermark(rules)) {
            self.run_timers(rules, scratch);
        }
        // Refusals count once, when a fix is first judged in its place.
        scratch.refused = refused;

        if !scratch.decided.is_empty() {
            self.take_decided(scratch, base_at, true);
        }
        if let Some(i) = met {
            // From here on everything is as it was.
            let at = later[i].at;
            self.machine = head;
            self.checkpoints.extend(later.into_iter().skip(i));
            self.since_checkpoint =
                self.window.winners(self.checkpoints.last_at(), self.judged).count() as u32;
            let same_from = questioned.partition_point(|decided| decided.at <= at);
            self.decided.extend(questioned.drain(same_from..));
        }
        self.displaced.extend(questioned.into_iter().filter(|decided| decided.emitted));
    }

    /// Files what the machine has decided since the checkpoint at `base_at`.
    /// Times of decision never go back, nor behind that checkpoint, so that the
    /// list can be cut at one. It may lie past a gap that was not known yet:
    /// fences in force do not wait, and a window may have given way then.
    fn take_decided(&mut self, scratch: &mut Scratch, base_at: TimeMs, late: bool) {
        self.untold = true;
        let before = self.decided.last().map_or(TimeMs::MIN, |decided| decided.at);
        let mut at = before.max(base_at.plus(1));
        make_room(&mut self.decided, scratch.decided.len());
        for mut decided in scratch.decided.drain(..) {
            at = at.max(decided.at);
            decided.at = at;
            decided.late = late;
            self.judged = self.judged.max(at);
            self.decided.push(decided);
        }
    }
}
