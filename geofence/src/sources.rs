//! What sources have told, and whom their low marks judge (semantics §2, §9).

use std::collections::{BTreeMap, BTreeSet};

use crate::vehicle::{Bound, Vehicle};
use crate::world::Rules;
use crate::{PingRun, TimeMs};

/// What one source has told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source {
    /// Judges silence.
    pub(crate) low_mark: Option<TimeMs>,
    /// Judges lateness: the low mark as of the last ping archived from here. A
    /// run that left nothing to archive need not be recorded, so it must not
    /// change what later pings are judged by.
    pub(crate) lateness_mark: Option<TimeMs>,
    /// What silence concludes of a vehicle at any time: the low mark as of the
    /// last apply that was sure to be recorded.
    pub(crate) silence_mark: Option<TimeMs>,
    /// Whether the low mark bounds lateness at all.
    pub(crate) bounds_lateness: bool,
    /// Whether it was told to be silent, and not to speak again.
    pub(crate) stalled: bool,
    /// Vehicles by the low mark at which each is looked at again; every
    /// vehicle stands at the source its newest ping came by.
    checks: BTreeSet<(TimeMs, u32)>,
}

impl Source {
    /// What bounds the lateness of this source's vehicles.
    fn bound(&self) -> Bound {
        if self.bounds_lateness { Bound::LowMark(self.lateness_mark) } else { Bound::Newest }
    }
}

/// All sources, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(BTreeMap<u32, Source>);

impl Sources {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Source)> + '_ {
        self.0.iter().map(|(number, source)| (*number, source))
    }

    /// The source, new if it has told nothing yet.
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Source {
        self.0.entry(number).or_default()
    }

    /// What bounds the lateness of a ping of `run`, whose vehicle is judged by
    /// `source`.
    pub(crate) fn bound(&self, source: u32, run: &PingRun) -> Bound {
        let known = || self.0.get(&source);
        if source != run.source {
            return known().map_or(Bound::Newest, Source::bound);
        }
        if run.low_mark_bounds_lateness {
            Bound::LowMark(known().and_then(|source| source.lateness_mark).max(run.low_mark))
        } else {
            Bound::Newest
        }
    }

    /// Up to when silence is heard of the vehicles of `source`.
    pub(crate) fn silence_mark(&self, source: u32) -> Option<TimeMs> {
        self.0.get(&source)?.silence_mark
    }

    /// `run` is part of an apply that is sure to be recorded.
    pub(crate) fn recorded(&mut self, run: &PingRun) {
        if run.low_mark.is_some() {
            let source = self.get_mut(run.source);
            source.silence_mark = source.silence_mark.max(run.low_mark);
        }
    }

    /// A ping of `run` was archived.
    pub(crate) fn archived(&mut self, run: &PingRun) {
        let source = self.get_mut(run.source);
        source.bounds_lateness = run.low_mark_bounds_lateness;
        source.lateness_mark = source.lateness_mark.max(run.low_mark);
    }

    /// Has the vehicle in slot `index` looked at once the low mark of its
    /// source passes `due`.
    pub(crate) fn check(&mut self, vehicle: &mut Vehicle, index: u32, due: TimeMs) {
        self.forget(vehicle, index);
        vehicle.liveness.check_after = due;
        self.get_mut(vehicle.source).checks.insert((due, index));
    }

    /// Has the vehicle looked at when its silence would prove a dwell, if that
    /// is before it is anyway.
    pub(crate) fn check_dwell(&mut self, vehicle: &mut Vehicle, index: u32, rules: Rules<'_>) {
        let due = vehicle.dwell_check(rules, TimeMs::MIN);
        if due < vehicle.liveness.check_after {
            self.check(vehicle, index, due);
        }
    }

    /// Has the vehicle looked at no more. Before its source changes.
    pub(crate) fn forget(&mut self, vehicle: &mut Vehicle, index: u32) {
        if let Some(source) = self.0.get_mut(&vehicle.source) {
            source.checks.remove(&(vehicle.liveness.check_after, index));
        }
        vehicle.liveness.check_after = TimeMs::MAX;
    }

    /// The slot of a vehicle to be looked at now that the low mark of `source`
    /// has passed its check; it stands there until the next [`Self::check`] or
    /// [`Self::forget`].
    pub(crate) fn next_check(&self, source: u32, mark: TimeMs) -> Option<u32> {
        let (check_after, index) = *self.0.get(&source)?.checks.first()?;
        (check_after < mark).then_some(index)
    }
}
