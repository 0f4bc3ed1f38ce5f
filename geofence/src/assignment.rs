//! Changing the tags of vehicles (semantics §7).

use std::collections::BTreeMap;

use crate::detector::Detector;
use crate::{TagChanges, TagOutcome, TagRefusal, TimeMs};

/// Vehicles whose tags change, with their new ones.
type Changed<'a> = BTreeMap<&'a str, &'a [String]>;

impl Detector {
    /// From when on tags count in this shard; `None` while none were ever
    /// named.
    #[must_use]
    pub fn tags_count_from(&self) -> Option<TimeMs> {
        self.world.roster.since()
    }

    /// The newest tags of a vehicle, sorted.
    #[must_use]
    pub fn tags_of(&self, vehicle_id: &str) -> &[String] {
        self.world.roster.of(vehicle_id).newest()
    }

    /// What [`Input::Tags`](crate::Input::Tags) would come to, received at
    /// `now`; changes nothing. Visits every vehicle.
    #[must_use]
    pub fn judge_tags(&self, changes: &TagChanges, valid_from: TimeMs, now: TimeMs) -> TagOutcome {
        let Some(changed) = self.tags_changed(changes) else { return TagOutcome::Unchanged };
        let refusal = self.refuse_tags(&changed, valid_from, now.max(self.now));
        refusal.map_or(TagOutcome::TakenUp, TagOutcome::Refused)
    }

    /// Takes the changes up, if nothing is against it.
    pub(crate) fn change_tags(&mut self, changes: &TagChanges, valid_from: TimeMs) -> TagOutcome {
        let outcome = self.judge_tags(changes, valid_from, self.now);
        if outcome != TagOutcome::TakenUp {
            return outcome;
        }
        let changed = self.tags_changed(changes).unwrap_or_default();
        let changed: Vec<(String, Vec<String>)> =
            changed.into_iter().map(|(id, tags)| (id.to_owned(), tags.to_vec())).collect();
        // The first tags of all concern the vehicles that have none, too.
        let touched: Vec<u32> = if self.world.roster.since().is_none() {
            (0..self.vehicles.len() as u32).collect()
        } else {
            changed.iter().filter_map(|(id, _)| self.slot_of(id)).collect()
        };
        self.world.roster.start(valid_from);
        for (id, tags) in changed {
            self.world.roster.change(&id, tags, valid_from);
        }
        for index in touched {
            if let Some(vehicle) = &mut self.vehicles[index as usize] {
                vehicle.rules_changed(valid_from);
                self.touched.add(index);
            }
        }
        outcome
    }

    /// Who comes to have other tags; `None` if nothing changes at all.
    fn tags_changed<'a>(&'a self, changes: &'a TagChanges) -> Option<Changed<'a>> {
        let mut changed: Changed<'a> = changes
            .vehicles
            .iter()
            .map(|(id, tags)| (id.as_str(), tags.as_slice()))
            .filter(|(id, tags)| self.world.roster.of(id).newest() != *tags)
            .collect();
        if changes.is_whole {
            let listed = self.world.roster.vehicles().keys().map(String::as_str);
            let unlisted = listed.filter(|id| !changes.vehicles.contains_key(*id));
            let tagged = unlisted.filter(|id| !self.world.roster.of(id).newest().is_empty());
            changed.extend(tagged.map(|id| (id, [].as_slice())));
        }
        (!changed.is_empty() || self.world.roster.since().is_none()).then_some(changed)
    }

    /// Why these changes cannot decide from `valid_from` on.
    fn refuse_tags(
        &self,
        changed: &Changed<'_>,
        valid_from: TimeMs,
        now: TimeMs,
    ) -> Option<TagRefusal> {
        let first = self.world.roster.since().is_none();
        if first && valid_from == TimeMs::MIN && self.index.is_empty() {
            return None;
        }
        if valid_from > now {
            return Some(TagRefusal::Ahead { now });
        }
        for id in changed.keys() {
            let newest = self.world.roster.of(id).newest_from();
            if let Some(newest) = newest.filter(|newest| *newest >= valid_from) {
                return Some(TagRefusal::NotAfter { vehicle_id: (*id).to_owned(), newest });
            }
        }
        let all = self.vehicles.iter().filter(|_| first).flatten();
        let named = changed.keys().filter(|_| !first).filter_map(|id| self.slot_of(id));
        let named = named.filter_map(|slot| self.vehicles[slot as usize].as_ref());
        let last = all
            .chain(named)
            .filter(|vehicle| vehicle.hot_from > valid_from)
            .max_by(|a, b| a.hot_from.cmp(&b.hot_from).then_with(|| b.id.cmp(&a.id)));
        last.map(|vehicle| TagRefusal::BehindHotWindow {
            vehicle_id: vehicle.id.to_string(),
            hot_from: vehicle.hot_from,
        })
    }
}
