//! What a fence is to a vehicle, moment by moment.

use std::collections::BTreeSet;

use geofence::{Fence, TagChanges};

use crate::hours;

/// What one fence is to one vehicle, and from when on.
pub(super) struct Version<'a> {
    pub(super) from: i64,
    pub(super) number: u32,
    /// The fence, if there is one.
    pub(super) drawn: Option<&'a Fence>,
    pub(super) assigned: bool,
    /// The same, if it is open and concerns the vehicle.
    pub(super) fence: Option<&'a Fence>,
}

/// From the first ping to the end, looked at whenever something may change.
pub(super) fn versions<'a>(
    id: &str,
    sets: &'a [(i64, Vec<Fence>)],
    vehicle: &str,
    tags: &[(i64, TagChanges)],
    first_ms: i64,
    end_ms: i64,
) -> Vec<Version<'a>> {
    let drawn: Vec<(i64, Option<&Fence>)> = sets
        .iter()
        .map(|(from, fences)| (*from, fences.iter().find(|fence| fence.id == id)))
        .collect();
    let mut moments: BTreeSet<i64> = drawn.iter().map(|(from, _)| *from).collect();
    moments.extend(tags.iter().map(|(from, _)| *from));
    let scheduled = |fence: &&Fence| fence.schedule.is_some();
    if drawn.iter().filter_map(|(_, fence)| *fence).any(|fence| scheduled(&fence)) {
        // Hours begin and end with the minute.
        let minutes = first_ms.div_euclid(60_000) - 1_440..=end_ms.div_euclid(60_000);
        moments.extend(minutes.map(|minute| minute * 60_000));
    }
    let mut versions: Vec<Version<'a>> = vec![];
    let mut number = 0;
    for from in moments {
        let fence = drawn.iter().rev().find(|(start, _)| *start <= from).and_then(|(_, f)| *f);
        let last = versions.last();
        let same = match (last.and_then(|last| last.drawn), fence) {
            (Some(before), Some(now)) => before.same_as(now),
            (None, None) => true,
            _ => false,
        };
        number += u32::from(!same && fence.is_some());
        let open = |fence: &&Fence| {
            fence.schedule.as_ref().is_none_or(|schedule| hours::is_open(schedule, from))
        };
        let assigned = fence.is_some_and(|fence| is_assigned(fence, vehicle, tags, from));
        let concerns = fence.filter(|fence| assigned && open(fence));
        let is_news = last.is_none_or(|last| {
            !same || last.assigned != assigned || last.fence.is_some() != concerns.is_some()
        });
        if is_news {
            versions.push(Version { from, number, drawn: fence, assigned, fence: concerns });
        }
    }
    versions
}

/// Whether the fence asks for the vehicle by its tags.
fn is_assigned(fence: &Fence, vehicle: &str, tags: &[(i64, TagChanges)], at: i64) -> bool {
    let so_far: Vec<_> = tags.iter().filter(|(from, _)| *from <= at).collect();
    if so_far.is_empty() || fence.tags.is_empty() {
        return true;
    }
    let said = so_far.iter().rev().find_map(|(_, change)| match change.vehicles.get(vehicle) {
        Some(tags) => Some(tags.as_slice()),
        None => change.is_whole.then_some([].as_slice()),
    });
    said.unwrap_or_default().iter().any(|tag| fence.tags.contains(tag))
}
