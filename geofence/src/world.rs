//! What the vehicles of a shard are judged by, besides their own fixes.

use crate::machine::Judge;
use crate::roster::Roster;
use crate::timeline::Timeline;
use crate::{Settings, TimeMs};

/// Settings, fences and tags, and whether the input goes on.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) timeline: Timeline,
    pub(crate) roster: Roster,
    /// The largest event time of the whole input, once that is over.
    pub(crate) end: Option<TimeMs>,
}

/// The world as it judges now. Two words, so that it is handed over in
/// registers: what is copied right after it was written is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) world: &'a World,
    /// `valid_from` of the newest fence set in force by now.
    pub(crate) in_force: TimeMs,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, timeline: Timeline::new(), roster: Roster::default(), end: None }
    }

    /// `valid_from` of the newest fence set in force at receive time `now`.
    pub(crate) fn in_force(&self, now: TimeMs) -> TimeMs {
        let known = self.end.map_or(now, |end| end.max(now));
        self.timeline.epoch(self.timeline.number_at(known)).valid_from
    }

    /// The rules as they stand at receive time `now`.
    pub(crate) fn rules(&self, now: TimeMs) -> Rules<'_> {
        Rules { world: self, in_force: self.in_force(now) }
    }
}

impl<'a> Rules<'a> {
    /// What the vehicle with this id is judged by.
    pub(crate) fn judge(self, vehicle_id: &'a str) -> Judge<'a> {
        let World { settings, timeline, roster, end } = self.world;
        let (tags, ended) = (roster.of(vehicle_id), end.is_some());
        Judge { vehicle_id, settings, timeline, tags, ended }
    }
}
