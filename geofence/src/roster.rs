//! Which vehicle has which tags, over event time (semantics §7).

use std::collections::BTreeMap;

use crate::{Fence, TimeMs};

/// The tags of vehicles. As long as none were ever named, tags mean nothing
/// and every fence concerns every vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Roster {
    /// From when on tags count; [`TimeMs::MIN`] where they always did.
    since: Option<TimeMs>,
    /// Changes of each vehicle's tags in order of time, none before `since`;
    /// before the first it has none.
    vehicles: BTreeMap<String, Vec<TagChange>>,
}

/// A vehicle's tags from some time on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TagChange {
    pub(crate) from: TimeMs,
    /// Sorted, each once.
    pub(crate) tags: Vec<String>,
}

/// What the roster says of one vehicle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tags<'a> {
    since: Option<TimeMs>,
    changes: &'a [TagChange],
}

impl Roster {
    pub(crate) fn restore(
        since: Option<TimeMs>,
        vehicles: BTreeMap<String, Vec<TagChange>>,
    ) -> Self {
        Self { since, vehicles }
    }

    /// From when on tags count, if they do.
    pub(crate) fn since(&self) -> Option<TimeMs> {
        self.since
    }

    pub(crate) fn vehicles(&self) -> &BTreeMap<String, Vec<TagChange>> {
        &self.vehicles
    }

    pub(crate) fn of(&self, vehicle: &str) -> Tags<'_> {
        if self.since.is_none() {
            return Tags::default();
        }
        let changes = self.vehicles.get(vehicle).map(Vec::as_slice).unwrap_or_default();
        Tags { since: self.since, changes }
    }

    /// Has tags count from `from` on, if they do not yet.
    pub(crate) fn start(&mut self, from: TimeMs) {
        self.since.get_or_insert(from);
    }

    /// Gives `vehicle` these tags from `from` on, which is later than any
    /// change of its tags before.
    pub(crate) fn change(&mut self, vehicle: &str, tags: Vec<String>, from: TimeMs) {
        let changes = self.vehicles.entry(vehicle.to_owned()).or_default();
        debug_assert!(changes.last().is_none_or(|last| last.from < from));
        changes.push(TagChange { from, tags });
    }

    /// Forgets the changes that nothing needs: those before the one in force
    /// at `needed_from` of the vehicle.
    pub(crate) fn forget(&mut self, needed_from: impl Fn(&str) -> TimeMs) {
        self.vehicles.retain(|vehicle, changes| {
            if changes.len() > 1 {
                let from = needed_from(vehicle);
                let later = changes.partition_point(|change| change.from <= from);
                changes.drain(..later.saturating_sub(1));
            }
            // None is what a vehicle has that is not listed.
            changes.len() > 1 || !changes[0].tags.is_empty()
        });
    }
}

impl<'a> Tags<'a> {
    /// Whether tags count at any time.
    pub(crate) fn count(self) -> bool {
        self.since.is_some()
    }

    /// The newest tags.
    pub(crate) fn newest(self) -> &'a [String] {
        self.changes.last().map(|change| change.tags.as_slice()).unwrap_or_default()
    }

    /// When the newest tags came into force; `None` while tags do not count.
    pub(crate) fn newest_from(self) -> Option<TimeMs> {
        self.since.map(|since| self.changes.last().map_or(since, |change| change.from.max(since)))
    }

    /// When the tags came into force that the vehicle has at `t`; `None` while
    /// tags do not count.
    pub(crate) fn in_force(self, t: TimeMs) -> Option<TimeMs> {
        let since = self.since.filter(|since| *since <= t)?;
        Some(self.at(t).map_or(since, |change| change.from.max(since)))
    }

    /// The first change after the one that came into force at `in_force`.
    pub(crate) fn next(self, in_force: Option<TimeMs>) -> Option<TimeMs> {
        let since = self.since?;
        if in_force < Some(since) {
            return Some(since);
        }
        let next = self.changes.partition_point(|change| Some(change.from) <= in_force);
        self.changes.get(next).map(|change| change.from)
    }

    /// Whether a fence concerns the vehicle by the tags that came into force
    /// at `in_force`.
    pub(crate) fn admit(self, in_force: Option<TimeMs>, fence: &Fence) -> bool {
        if fence.tags.is_empty() {
            return true;
        }
        let Some(from) = in_force else { return true };
        let tags = self.named(from);
        fence.tags.iter().any(|tag| tags.binary_search(tag).is_ok())
    }

    /// The tags at `t`, sorted.
    pub(crate) fn named(self, t: TimeMs) -> &'a [String] {
        self.at(t).map(|change| change.tags.as_slice()).unwrap_or_default()
    }

    fn at(self, t: TimeMs) -> Option<&'a TagChange> {
        let later = self.changes.partition_point(|change| change.from <= t);
        self.changes[..later].last()
    }
}
