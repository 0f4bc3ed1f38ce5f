//! What the map shows of a vehicle (semantics §10): the newest event time
//! wins, whatever came last.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::machine::Machine;
use crate::number::Number64;
use crate::timeline::Timeline;
use crate::{FenceIds, LivePosition, Ping, Position, Status, TimeMs};

/// The visible part of a vehicle's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) fix: Option<ShownFix>,
    pub(crate) status: Option<Status>,
    /// Ids of the fences it is in, sorted.
    pub(crate) fences: FenceIds,
    /// Segment of the last visible change.
    pub(crate) seq: u64,
    pub(crate) fix_changed: bool,
}

/// The position that the map shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ShownFix {
    pub(crate) t: TimeMs,
    pub(crate) position: Position,
    pub(crate) accuracy_m: Number64,
    pub(crate) heading_deg: Number64,
    pub(crate) speed_mps: Number64,
}

impl Shown {
    /// Shows `ping` at time `t` if it is newer than what is shown, or
    /// `wins_tie` and as new.
    pub(crate) fn offer(&mut self, ping: &Ping, t: TimeMs, wins_tie: bool) {
        let newer = self.fix.is_none_or(|fix| t > fix.t || (wins_tie && t == fix.t));
        if newer {
            self.fix = Some(ShownFix {
                t,
                position: ping.position,
                accuracy_m: ping.accuracy_m.into(),
                heading_deg: ping.heading_deg.into(),
                speed_mps: ping.speed_mps.into(),
            });
            self.fix_changed = true;
        }
    }

    /// Takes over what the machine concludes; unless it `decided` something
    /// since the last call, that is what it was. Returns whether anything
    /// visible changed since then.
    #[inline]
    pub(crate) fn refresh(
        &mut self,
        machine: &Machine,
        decided: bool,
        offline: bool,
        timeline: &Timeline,
        seq: u64,
    ) -> bool {
        let offline_stays = self.status.is_some_and(|was| (was == Status::Offline) == offline);
        let concluded = (decided || !offline_stays) && self.conclude(machine, offline, timeline);
        if !(std::mem::take(&mut self.fix_changed) || concluded) {
            return false;
        }
        self.seq = seq;
        true
    }

    /// Returns whether status or fences are others than before. Apart from what
    /// asks for it: of most pings nothing is concluded.
    #[inline(never)]
    fn conclude(&mut self, machine: &Machine, offline: bool, timeline: &Timeline) -> bool {
        let status = Some(status(machine, offline));
        let status_changed = std::mem::replace(&mut self.status, status) != status;
        self.refresh_fences(machine, timeline) || status_changed
    }

    /// The live position as it stands; `None` before the first ping.
    pub(crate) fn live(&self, vehicle_id: &SmolStr) -> Option<LivePosition> {
        Some(LivePosition { fences: self.fences.clone(), ..self.without_fences(vehicle_id)? })
    }

    /// The same without its fences.
    #[inline]
    pub(crate) fn without_fences(&self, vehicle_id: &SmolStr) -> Option<LivePosition> {
        let fix = self.fix?;
        Some(LivePosition {
            vehicle_id: vehicle_id.clone(),
            event_time: fix.t,
            position: fix.position,
            accuracy_m: fix.accuracy_m.get(),
            heading_deg: fix.heading_deg.get(),
            speed_mps: fix.speed_mps.get(),
            status: self.status.unwrap_or(Status::Moving),
            fences: FenceIds::default(),
            seq: self.seq,
        })
    }

    fn refresh_fences(&mut self, machine: &Machine, timeline: &Timeline) -> bool {
        if machine.visits.is_empty() && self.fences.is_empty() {
            return false;
        }
        let epoch = timeline.epoch(machine.epoch);
        let now = machine.visits.iter().map(|visit| epoch.id(visit.fence));
        // Mostly it is the very same id, which need not be read.
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        if self.fences.len() == machine.visits.len()
            && self.fences.iter().zip(now.clone()).all(|(a, b)| same(a, b))
        {
            return false;
        }
        self.fences = now.cloned().collect();
        true
    }
}

fn status(machine: &Machine, offline: bool) -> Status {
    match &machine.rest {
        _ if offline => Status::Offline,
        Some(rest) if rest.idle.as_ref().is_some_and(|idle| idle.episode) => Status::Idle,
        Some(rest) if rest.episode => Status::Stationary,
        _ => Status::Moving,
    }
}
