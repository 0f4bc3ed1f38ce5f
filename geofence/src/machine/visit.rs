//! One stay in one fence, from enter to exit: the figures that dwell and the
//! visit event tell.

use protos::events::fleet_event::Detail;
use protos::events::{GeofenceDwell, GeofenceVisit, Id, Reason};

use super::leaving::Leaving;
use super::{Draft, Judge, Scratch, seconds};
use crate::decided::{Decided, Group, Place};
use crate::fix::Fix;
use crate::hash::Cause;
use crate::{FenceEpoch, TimeMs};

/// A visit that is open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Visit {
    /// Index of the fence in its epoch's set.
    pub(crate) fence: u32,
    pub(crate) id: Id,
    /// What the enter hangs on, and where that was.
    pub(crate) cause: Cause,
    pub(crate) place: Place,
    pub(crate) enter: TimeMs,
    pub(crate) enter_not_before: TimeMs,
    pub(crate) enter_not_after: TimeMs,
    /// Fixes inside.
    pub(crate) pings: u64,
    /// First and last of them, without meaning until there is one.
    pub(crate) first_inside: TimeMs,
    pub(crate) last_inside: TimeMs,
    /// Largest step between two inside fixes, milliseconds.
    pub(crate) gap_max_ms: i64,
    /// The largest dwell threshold reached, seconds. Kept as a length, so that
    /// a fence or setting changed meanwhile counts none twice.
    pub(crate) dwelt_s: u32,
    /// The outside fixes since the last inside one, while they do not yet end
    /// the visit.
    pub(crate) leaving: Option<Box<Leaving>>,
}

/// A dwell threshold that no fix inside has proved yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DwellAhead {
    pub(crate) threshold_s: u32,
    /// The enter and the threshold: when it is reached.
    pub(crate) due: TimeMs,
}

impl Visit {
    /// Counts a fix inside, and emits the dwell thresholds that it proves.
    pub(super) fn stay(
        &mut self,
        judge: &Judge<'_>,
        epoch: &FenceEpoch,
        fix: &Fix,
        scratch: &mut Scratch,
    ) {
        self.count(fix);
        self.reach_dwells(judge, epoch, fix, scratch);
    }

    /// Counts a fix inside.
    pub(super) fn count(&mut self, fix: &Fix) {
        let (first, last) = self.inside().unwrap_or((fix.t, fix.t));
        self.gap_max_ms = self.gap_max_ms.max(fix.t.since(last));
        (self.first_inside, self.last_inside) = (first, fix.t);
        self.pings += 1;
    }

    /// First and last fix inside; `None` until there is one.
    pub(crate) fn inside(&self) -> Option<(TimeMs, TimeMs)> {
        (self.pings > 0).then_some((self.first_inside, self.last_inside))
    }

    /// Emits the dwell thresholds that a fix inside proves: once per visit and
    /// threshold, at enter + threshold exactly.
    #[inline]
    pub(super) fn reach_dwells(
        &mut self,
        judge: &Judge<'_>,
        epoch: &FenceEpoch,
        fix: &Fix,
        scratch: &mut Scratch,
    ) {
        let next = self.dwells_ahead(judge, epoch).next();
        if next.is_some_and(|next| next.due <= fix.t) {
            self.reach(judge, epoch, fix, scratch);
        }
    }

    /// Apart from what asks for it: nearly every fix inside proves nothing.
    #[inline(never)]
    fn reach(&mut self, judge: &Judge<'_>, epoch: &FenceEpoch, fix: &Fix, scratch: &mut Scratch) {
        for dwell in self.dwells_ahead(judge, epoch).take_while(|dwell| dwell.due <= fix.t) {
            self.dwelt_s = dwell.threshold_s;
            scratch.decided.push(self.dwell(judge, epoch, dwell, fix.t, fix.received));
        }
    }

    /// The dwell thresholds that no fix inside has proved, rising. `epoch` is
    /// the one whose set the visit's fence is of.
    #[inline]
    pub(crate) fn dwells_ahead<'a>(
        &self,
        judge: &Judge<'a>,
        epoch: &'a FenceEpoch,
    ) -> impl Iterator<Item = DwellAhead> + use<'a> {
        let thresholds = epoch.set.dwell_s(self.fence).unwrap_or(&judge.settings.dwell_s);
        let (enter, dwelt_s) = (self.enter, self.dwelt_s);
        let ahead = thresholds.iter().filter(move |&&threshold_s| threshold_s > dwelt_s);
        ahead.map(move |&threshold_s| DwellAhead {
            threshold_s,
            due: enter.plus(i64::from(threshold_s) * 1000),
        })
    }

    /// The event of a dwell threshold, decided by what is known of `at`.
    pub(crate) fn dwell(
        &self,
        judge: &Judge<'_>,
        epoch: &FenceEpoch,
        DwellAhead { threshold_s, due }: DwellAhead,
        at: TimeMs,
        observed: TimeMs,
    ) -> Decided {
        let threshold_ms = i64::from(threshold_s) * 1000;
        let draft = Draft {
            judge,
            at,
            observed,
            cause: self.cause,
            place: self.place,
            time: due,
            not_before: self.enter_not_before.plus(threshold_ms),
            not_after: self.enter_not_after.plus(threshold_ms),
            reason: Reason::Unspecified,
        };
        draft.decide(
            "geofence_dwell",
            threshold_s,
            Detail::GeofenceDwell(GeofenceDwell { threshold_s }),
            Some(epoch.fence_ref(self.fence)),
            Group::Visit(self.id),
        )
    }

    /// The figures of the visit once an exit at `exit`, and no later than
    /// `exit_not_after`, closed it.
    pub(super) fn figures(&self, exit: TimeMs, exit_not_after: TimeMs) -> Detail {
        let certain_ms = self.inside().map_or(0, |(first, last)| last.since(first));
        Detail::GeofenceVisit(GeofenceVisit {
            enter_time_ms: self.enter.0,
            duration_s: seconds(exit.since(self.enter)),
            certain_s: seconds(certain_ms),
            possible_s: seconds(exit_not_after.since(self.enter_not_before)),
            max_gap_s: seconds(self.gap_max_ms),
            pings: self.pings,
        })
    }
}
