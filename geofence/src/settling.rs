//! The ends of an apply: timers that are due before its inputs, and judgement
//! of every vehicle touched after them. A vehicle whose last ping has come in
//! waits for neither.

use crate::detector::{ANCIENT_MS, Detector, archives, is_in, slot};
use crate::id_prefix::id_prefix;
use crate::vehicle::{Vehicle, WINDOW_FIXES_MAX};
use crate::world::Rules;
use crate::{Effects, Input, LivePosition, OnSilence, TimeMs};

/// Positions that are given their fences together: few enough to be at hand still.
const WITHOUT_FENCES_MAX: usize = 32;

/// For how long fence sets are kept for vehicles that are not known yet,
/// milliseconds. Their first pings may be older; but what changed in a set is
/// kept with it, and fences may change often.
const FENCES_KEPT_MS: i64 = 86_400_000;

/// How often silent vehicles are looked for, milliseconds.
const FORGET_EVERY_MS: i64 = 3_600_000;

impl Detector {
    /// Finds the vehicles whose reorder delay has passed, and judges all of
    /// them when a fence set announced before has come into force.
    pub(crate) fn judge_due(&mut self) {
        if self.in_force_now() > self.in_force {
            let rules = self.world.rules(self.now);
            for index in 0..self.vehicles.len() as u32 {
                // Rules are borrowed from beside it.
                if let Some(capture) = &mut self.capture {
                    capture.take(index, &self.vehicles, &self.world.timeline);
                }
                let Some(vehicle) = &mut self.vehicles[index as usize] else { continue };
                vehicle.judge(rules, TimeMs::MIN, &mut self.scratch);
                self.sources.check_dwell(vehicle, index, rules);
                self.touched.add(index);
            }
        }
        while let Some(waiting) = self.waiting.front().copied()
            && waiting.due <= self.now
        {
            self.waiting.pop_front();
            self.overdue.add(waiting.vehicle, waiting.through);
        }
    }

    /// Whether overdue vehicles may be judged when their pings of this apply
    /// come in, or after all of them: nothing but pings comes that could change
    /// what they are judged by, and no vehicle is forgotten.
    pub(crate) fn may_judge_on_the_way(&self, inputs: &[Input]) -> bool {
        self.world.settings.on_silence == OnSilence::Wait
            && self.hour_to_forget_in().is_none()
            && inputs.iter().all(|input| matches!(input, Input::Pings(_)))
    }

    /// Judges the overdue vehicles, before anything comes in.
    pub(crate) fn judge_overdue(&mut self) {
        let in_force = self.in_force_now();
        self.each_overdue(|detector, index| {
            if detector.judge_if_overdue(index, in_force) {
                detector.touched.add(index);
            }
        });
    }

    /// Calls `visit` with the slot of each overdue vehicle.
    fn each_overdue(&mut self, mut visit: impl FnMut(&mut Self, u32)) {
        let overdue = self.overdue.take();
        self.visit_ahead(
            overdue.len(),
            |i| overdue.get(i).copied(),
            |detector, i| {
                visit(detector, overdue[i]);
            },
        );
        self.overdue.reuse(overdue);
    }

    /// Judges the vehicle if its reorder delay has passed. Returns whether it is
    /// to be settled for that.
    #[inline]
    pub(crate) fn judge_if_overdue(&mut self, index: u32, in_force: TimeMs) -> bool {
        let Some(through) = self.overdue.take_through(index) else { return false };
        self.before_change(index);
        let rules = Rules { world: &self.world, in_force };
        let Some(vehicle) = &mut self.vehicles[index as usize] else { return false };
        let is_due = through > vehicle.judged;
        if is_due {
            vehicle.judge(rules, through, &mut self.scratch);
            self.sources.check_dwell(vehicle, index, rules);
        }
        is_due
    }

    /// Judges the overdue vehicles that were not on the way and every vehicle
    /// touched that is not settled yet, and collects what leaves.
    pub(crate) fn settle(&mut self, seq: u64, effects: &mut Effects) {
        let in_force = self.in_force_now();
        self.in_force = in_force;
        self.each_overdue(|detector, index| {
            let judged = detector.judge_if_overdue(index, in_force);
            if detector.touched.remove(index) || judged {
                detector.settle_vehicle(index, in_force, seq, effects);
            }
        });
        let touched = self.touched.take();
        effects.positions.reserve(touched.len());
        self.visit_ahead(
            touched.len(),
            |i| touched.get(i).copied(),
            |detector, i| {
                detector.settle_vehicle(touched[i], in_force, seq, effects);
            },
        );
        self.touched.reuse(touched);
        self.add_fences(effects);
        // Slots and the order of touch are no part of the state: by id.
        sort_by_id(&mut effects.positions);
    }

    /// `valid_from` of the newest fence set in force by now.
    pub(crate) fn in_force_now(&self) -> TimeMs {
        self.world.in_force(self.now)
    }

    /// Judges a vehicle and collects what leaves.
    pub(crate) fn settle_vehicle(
        &mut self,
        index: u32,
        in_force: TimeMs,
        seq: u64,
        effects: &mut Effects,
    ) {
        self.before_change(index);
        let rules = Rules { world: &self.world, in_force };
        let Some(vehicle) = &mut self.vehicles[index as usize] else { return };
        // A full window waits for nothing more: what is judged can give way.
        let full = vehicle.window.len() >= WINDOW_FIXES_MAX;
        let watermark = vehicle.watermark(rules);
        let through = if full { watermark.max(vehicle.newest) } else { watermark };
        let late = vehicle.is_stale();
        if vehicle.has_due(rules, through) {
            vehicle.judge(rules, through, &mut self.scratch);
        }
        if rules.world.settings.on_silence == OnSilence::Assume || vehicle.assumes {
            let mark = self.sources.silence_mark(vehicle.source);
            vehicle.assume(rules, mark, late, self.now);
            self.sources.check_dwell(vehicle, index, rules);
        }
        let decided = vehicle.operations(
            &self.world.settings,
            seq,
            self.now,
            &mut effects.events,
            &mut self.amended,
        );
        let fixes = vehicle.window.len();
        vehicle.forget_cold(&mut self.scratch.spares);
        while vehicle.window.len() >= WINDOW_FIXES_MAX {
            let gave_way = vehicle.give_way(&mut self.scratch.spares);
            effects.counters.add("hot_window_capped", gave_way as u64);
            if gave_way == 0 {
                break;
            }
        }
        self.window_fixes -= (fixes - vehicle.window.len()) as u64;
        let offline = vehicle.liveness.offline;
        let timeline = &self.world.timeline;
        if vehicle.shown.refresh(&vehicle.machine, decided, offline, timeline, seq)
            && let Some(position) = vehicle.shown.without_fences(&vehicle.id)
        {
            if !vehicle.shown.fences.is_empty() {
                self.scratch.without_fences.push((effects.positions.len(), index));
            }
            effects.positions.push(position);
            if self.scratch.without_fences.len() == WITHOUT_FENCES_MAX {
                self.add_fences(effects);
            }
        }
    }

    /// Gives positions that were settled without them their fences. To share a list
    /// waits until all that was written before has reached the cache: of many
    /// one after the other, once.
    pub(crate) fn add_fences(&mut self, effects: &mut Effects) {
        for (position, index) in self.scratch.without_fences.drain(..) {
            let vehicle = slot(&mut self.vehicles, index);
            effects.positions[position].fences = vehicle.shown.fences.clone();
        }
    }

    /// Forgets the vehicles that have been silent for too long, and the fence
    /// sets that judge none of the others. Who is forgotten depends on the
    /// hour alone, not on the applies in it, which need not all be recorded.
    pub(crate) fn forget_silent(&mut self, seq: u64, effects: &mut Effects) {
        let Some(hour) = self.hour_to_forget_in() else { return };
        self.forgotten_at = hour;
        for index in 0..self.vehicles.len() as u32 {
            let Some(vehicle) = &self.vehicles[index as usize] else { continue };
            if vehicle.liveness.seen.plus(self.world.settings.forget_after_ms) >= hour {
                continue;
            }
            self.before_change(index);
            let place = &mut self.vehicles[index as usize];
            let Some(vehicle) = place else { continue };
            vehicle.operations(
                &self.world.settings,
                seq,
                self.now,
                &mut effects.events,
                &mut self.amended,
            );
            self.sources.forget(vehicle, index);
            self.window_fixes -= vehicle.window.len() as u64;
            self.index.remove(self.index.hash(&vehicle.id), index);
            *place = None;
            self.free.push(index);
        }
        self.waiting.retain(|waiting| self.vehicles[waiting.vehicle as usize].is_some());
        let timeline = &self.world.timeline;
        let vehicles = self.vehicles.iter().flatten();
        let needed = vehicles.filter_map(|vehicle| vehicle.oldest_epoch(timeline)).min();
        let oldest = timeline.number_at(hour.plus(-FENCES_KEPT_MS));
        self.world.timeline.forget_below(needed.map_or(oldest, |needed| needed.min(oldest)));
        let (vehicles, index) = (&self.vehicles, &self.index);
        self.world.roster.forget(|id| {
            let known = index.get(index.hash(id), |slot| is_in(vehicles, slot, id));
            let known = known.and_then(|slot| vehicles[slot as usize].as_ref());
            // A vehicle's first ping is as old as any may be.
            known.and_then(Vehicle::tags_needed_from).unwrap_or(hour.plus(-ANCIENT_MS))
        });
    }

    /// The hour that it is, if nothing has been forgotten in it yet.
    fn hour_to_forget_in(&self) -> Option<TimeMs> {
        let hour = self.now.0.div_euclid(FORGET_EVERY_MS).saturating_mul(FORGET_EVERY_MS);
        Some(TimeMs(hour)).filter(|hour| *hour > self.forgotten_at)
    }

    /// Holds the windows under their byte limit: the vehicle with the oldest
    /// window start gives way first. Only a segment that is recorded for its
    /// pings moves a window.
    pub(crate) fn bound_windows(&mut self, effects: &mut Effects) {
        if self.hot_bytes() <= self.world.settings.hot_bytes_max || !archives(effects) {
            return;
        }
        let mut by_start: Vec<(TimeMs, &str, usize)> = self
            .vehicles
            .iter()
            .enumerate()
            .filter_map(|(index, place)| {
                let vehicle = place.as_ref()?;
                Some((vehicle.hot_from, &*vehicle.id, index))
            })
            .collect();
        by_start.sort_unstable();
        let by_start: Vec<usize> = by_start.into_iter().map(|(_, _, index)| index).collect();
        for index in by_start {
            // A little below the limit, so that this is not done every time.
            if self.hot_bytes() <= self.world.settings.hot_bytes_max / 10 * 9 {
                break;
            }
            self.before_change(index as u32);
            let vehicle = self.vehicles[index].as_mut().expect("just listed");
            let gave_way = vehicle.give_way(&mut self.scratch.spares) as u64;
            self.window_fixes -= gave_way;
            effects.counters.add("hot_window_capped", gave_way);
        }
    }
}

/// Sorts by vehicle id; each stands there once.
fn sort_by_id(positions: &mut [LivePosition]) {
    if positions.is_sorted_by(|a, b| a.vehicle_id < b.vehicle_id) {
        return;
    }
    positions.sort_by_cached_key(|position| id_prefix(&position.vehicle_id));
    let alike =
        |a: &LivePosition, b: &LivePosition| id_prefix(&a.vehicle_id) == id_prefix(&b.vehicle_id);
    for long in positions.chunk_by_mut(alike) {
        long.sort_unstable_by(|a, b| a.vehicle_id.cmp(&b.vehicle_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FenceIds, Position, Status};

    #[test]
    fn positions_are_sorted_by_ids_short_and_long() {
        let position = |id: &str| LivePosition {
            vehicle_id: id.into(),
            event_time: TimeMs(0),
            position: Position { lat: 0, lon: 0 },
            accuracy_m: None,
            heading_deg: None,
            speed_mps: None,
            status: Status::Moving,
            fences: FenceIds::default(),
            seq: 0,
        };
        let sorted =
            ["", "a", "a-long-vehicle-id-1", "a-long-vehicle-id-2", "a-long-vehicle-ie", "b"];
        let shuffled = [5, 3, 0, 4, 2, 1].map(|i| position(sorted[i]));
        for count in 0..=shuffled.len() {
            let mut positions = shuffled[..count].to_vec();
            sort_by_id(&mut positions);
            assert!(positions.is_sorted_by(|a, b| a.vehicle_id < b.vehicle_id), "{positions:?}");
        }
    }
}
