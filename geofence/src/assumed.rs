//! Silence taken for staying (semantics §8, `on_silence = "assume"`): what the
//! low mark of a vehicle's source concludes of the visits that it is in.
//!
//! Such a conclusion is no step of the machine. It follows from the machine as
//! it stands and a mark, and is drawn anew whenever the vehicle is looked at:
//! a late fix that changes the visit changes it, and a fix that proves it
//! decides the same event under the same id.

use crate::decided::{Decided, Group};
use crate::machine::{Judge, Machine, Visit};
use crate::vehicle::Vehicle;
use crate::world::Rules;
use crate::{FenceEpoch, OnSilence, TimeMs};

impl Machine {
    /// Up to when the vehicle counts as staying in `visit`, of `epoch`, if
    /// nothing was heard of it up to `mark`: not past an exit that is pending,
    /// nor past the fence's closing.
    fn stayed_through(&self, epoch: &FenceEpoch, visit: &Visit, mark: TimeMs) -> TimeMs {
        let fence = &epoch.set.fences()[visit.fence as usize];
        let left = visit.leaving.as_ref().map(|leaving| leaving.time(&fence.shape));
        // The fence, by the hours it has now, is known to be open at these.
        let known = [self.last.map(|last| last.t), self.assigned.get(), Some(epoch.valid_from)];
        let since = known.into_iter().flatten().fold(visit.enter, TimeMs::max);
        let closes = fence.schedule.as_ref().and_then(|schedule| schedule.closing(since, mark));
        [left, closes].into_iter().flatten().fold(mark, TimeMs::min)
    }

    /// The dwell events of the open visits that follow if nothing was heard of
    /// the vehicle up to `mark`. `late` says that a late fix made a difference,
    /// `now` stands in for the receive time of a ping.
    pub(crate) fn assumed(
        &self,
        judge: &Judge<'_>,
        mark: Option<TimeMs>,
        late: bool,
        now: TimeMs,
    ) -> Vec<Decided> {
        let mut dwells = Vec::new();
        let assumes = judge.settings.on_silence == OnSilence::Assume && !self.visits.is_empty();
        let Some(mark) = mark.filter(|_| assumes) else { return dwells };
        let epoch = judge.timeline.epoch(self.epoch);
        for visit in &self.visits {
            let through = self.stayed_through(epoch, visit, mark);
            let ahead = visit.dwells_ahead(judge, epoch);
            for dwell in ahead.take_while(|dwell| dwell.due <= through) {
                dwells.push(Decided { late, ..visit.dwell(judge, epoch, dwell, dwell.due, now) });
            }
        }
        dwells
    }
}

impl Vehicle {
    /// Draws from silence up to `mark` what it says of the open visits. What
    /// was told of it before and no longer follows is put in question. For
    /// `late` and `now` see [`Machine::assumed`].
    pub(crate) fn assume(
        &mut self,
        rules: Rules<'_>,
        mark: Option<TimeMs>,
        late: bool,
        now: TimeMs,
    ) {
        // The end of the input is heard of all vehicles.
        let mark = mark.max(rules.world.end);
        let follows = self.machine.assumed(&rules.judge(&self.id), mark, late, now);
        let bodies = |list: &[Decided], other: &[Decided]| {
            list.iter().map(|decided| &decided.body).eq(other.iter().map(|decided| &decided.body))
        };
        if !bodies(&follows, &self.assumed) {
            self.set_assumed(follows);
        }
    }

    /// Once the low mark has passed this, silence proves a dwell threshold
    /// that lies after `after` and is not told; the end of time if none will.
    #[inline]
    pub(crate) fn dwell_check(&self, rules: Rules<'_>, after: TimeMs) -> TimeMs {
        if rules.world.settings.on_silence == OnSilence::Wait || self.machine.visits.is_empty() {
            return TimeMs::MAX;
        }
        self.next_dwell_check(rules, after)
    }

    fn next_dwell_check(&self, rules: Rules<'_>, after: TimeMs) -> TimeMs {
        let judge = &rules.judge(&self.id);
        let epoch = rules.world.timeline.epoch(self.machine.epoch);
        let next = |visit: &Visit| {
            let is_told = |due: TimeMs| {
                let mut told = self.assumed.iter().map(|told| &told.body);
                told.any(|body| body.group == Group::Visit(visit.id) && body.time == due)
            };
            let mut ahead = visit.dwells_ahead(judge, epoch).map(|dwell| dwell.due);
            let due = ahead.find(|due| *due > after && !is_told(*due))?;
            (due <= self.machine.stayed_through(epoch, visit, due)).then_some(due)
        };
        // A mark that reaches the threshold is enough.
        self.machine.visits.iter().filter_map(next).min().map_or(TimeMs::MAX, |due| due.plus(-1))
    }
}
