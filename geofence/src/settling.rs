//! The ends of an apply: timers that are due before its inputs, and judgement
//! of every vehicle touched after them.

use crate::detector::{ANCIENT_MS, Detector, archives, is_in};
use crate::touched::AHEAD;
use crate::vehicle::{Rules, Vehicle, WINDOW_FIXES_MAX};
use crate::{Effects, OnSilence, TimeMs};

/// How often silent vehicles are looked for, milliseconds.
const FORGET_EVERY_MS: i64 = 3_600_000;

impl Detector {
    /// Judges the vehicles whose reorder delay has passed, and all of them
    /// when a fence set announced before has come into force.
    pub(crate) fn judge_due(&mut self) {
        let rules = Rules::at(self.now, &self.settings, &self.timeline, &self.roster, self.end);
        if rules.in_force > self.in_force {
            for index in 0..self.vehicles.len() as u32 {
                let Some(vehicle) = &mut self.vehicles[index as usize] else { continue };
                vehicle.judge(rules, TimeMs::MIN, &mut self.scratch);
                self.sources.check_dwell(vehicle, index, rules);
                self.touched.add(index);
            }
        }
        let mut looked_at = 0;
        while let Some(waiting) = self.waiting.front().copied()
            && waiting.due <= self.now
        {
            if looked_at % AHEAD == 0 {
                let next = self.waiting.iter().take(AHEAD).map(|waiting| waiting.vehicle);
                look_ahead(&self.vehicles, next, rules);
            }
            looked_at += 1;
            self.waiting.pop_front();
            let Some(vehicle) = &mut self.vehicles[waiting.vehicle as usize] else { continue };
            if waiting.through > vehicle.judged {
                vehicle.judge(rules, waiting.through, &mut self.scratch);
                self.sources.check_dwell(vehicle, waiting.vehicle, rules);
                self.touched.add(waiting.vehicle);
            }
        }
    }

    /// Judges every vehicle touched and collects what leaves.
    pub(crate) fn settle(&mut self, seq: u64, effects: &mut Effects) {
        let mut touched = self.touched.take();
        // Slots and the order of touch are no part of the state: by id.
        self.sort_by_id(&mut touched);
        effects.positions.reserve(touched.len());
        let rules = Rules::at(self.now, &self.settings, &self.timeline, &self.roster, self.end);
        self.in_force = rules.in_force;
        for (place, &index) in touched.iter().enumerate() {
            if place % AHEAD == 0 {
                let part = &touched[place..touched.len().min(place + AHEAD)];
                look_ahead(&self.vehicles, part.iter().copied(), rules);
            }
            let Some(vehicle) = &mut self.vehicles[index as usize] else { continue };
            // A full window waits for nothing more: what is judged can give way.
            let full = vehicle.window.len() >= WINDOW_FIXES_MAX;
            let watermark = vehicle.watermark(rules);
            let through = if full { watermark.max(vehicle.newest) } else { watermark };
            let late = vehicle.is_stale();
            vehicle.judge(rules, through, &mut self.scratch);
            if rules.settings.on_silence == OnSilence::Assume || vehicle.assumes {
                let mark = self.sources.silence_mark(vehicle.source);
                vehicle.assume(rules, mark, late, self.now);
                self.sources.check_dwell(vehicle, index, rules);
            }
            vehicle.operations(&self.settings, seq, self.now, &mut effects.events);
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
            effects.positions.extend(vehicle.shown.refresh(
                &vehicle.id,
                &vehicle.machine,
                offline,
                &self.timeline,
                seq,
            ));
        }
        self.touched.reuse(touched);
    }

    /// Sorts slots by the ids of their vehicles.
    fn sort_by_id(&mut self, slots: &mut Vec<u32>) {
        let id = |slot: u32| self.vehicles[slot as usize].as_ref().map(|vehicle| &*vehicle.id);
        let mut keys = std::mem::take(&mut self.scratch.keys);
        keys.clear();
        keys.extend(slots.iter().map(|slot| (prefix(id(*slot).unwrap_or_default()), *slot)));
        if !keys.is_sorted_by(|a, b| a.0 < b.0) {
            keys.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
            slots.clear();
            slots.extend(keys.iter().map(|(_, slot)| *slot));
        }
        self.scratch.keys = keys;
    }

    /// Forgets the vehicles that have been silent for too long, and the fence
    /// sets that judge none of the others. Who is forgotten depends on the
    /// hour alone, not on the applies in it, which need not all be recorded.
    pub(crate) fn forget_silent(&mut self, seq: u64, effects: &mut Effects) {
        let hour = self.now.0.div_euclid(FORGET_EVERY_MS).saturating_mul(FORGET_EVERY_MS);
        let hour = TimeMs(hour);
        if hour <= self.forgotten_at {
            return;
        }
        self.forgotten_at = hour;
        for index in 0..self.vehicles.len() as u32 {
            let place = &mut self.vehicles[index as usize];
            let Some(vehicle) = place else { continue };
            if vehicle.liveness.seen.plus(self.settings.forget_after_ms) >= hour {
                continue;
            }
            vehicle.operations(&self.settings, seq, self.now, &mut effects.events);
            self.sources.forget(vehicle, index);
            self.window_fixes -= vehicle.window.len() as u64;
            self.index.remove(self.index.hash(&vehicle.id), index);
            *place = None;
            self.free.push(index);
        }
        self.waiting.retain(|waiting| self.vehicles[waiting.vehicle as usize].is_some());
        let vehicles = self.vehicles.iter().flatten();
        let oldest = vehicles.filter_map(|vehicle| vehicle.oldest_epoch(&self.timeline)).min();
        if let Some(oldest) = oldest {
            self.timeline.forget_below(oldest);
        }
        let (vehicles, index) = (&self.vehicles, &self.index);
        self.roster.forget(|id| {
            let known = index.get(index.hash(id), |slot| is_in(vehicles, slot, id));
            let known = known.and_then(|slot| vehicles[slot as usize].as_ref());
            // A vehicle's first ping is as old as any may be.
            known.and_then(Vehicle::tags_needed_from).unwrap_or(hour.plus(-ANCIENT_MS))
        });
    }

    /// Holds the windows under their byte limit: the vehicle with the oldest
    /// window start gives way first. Only a segment that is recorded for its
    /// pings moves a window.
    pub(crate) fn bound_windows(&mut self, effects: &mut Effects) {
        if self.hot_bytes() <= self.settings.hot_bytes_max || !archives(effects) {
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
            if self.hot_bytes() <= self.settings.hot_bytes_max / 10 * 9 {
                break;
            }
            let vehicle = self.vehicles[index].as_mut().expect("just listed");
            let gave_way = vehicle.give_way(&mut self.scratch.spares) as u64;
            self.window_fixes -= gave_way;
            effects.counters.add("hot_window_capped", gave_way);
        }
    }
}

/// Asks for the memory that judging these vehicles will read.
fn look_ahead(
    vehicles: &[Option<Vehicle>],
    slots: impl Iterator<Item = u32> + Clone,
    rules: Rules<'_>,
) {
    let fences = &rules.timeline.current().set;
    let some = || slots.clone().filter_map(|slot| vehicles[slot as usize].as_ref());
    let mut touched = 0;
    for vehicle in some() {
        touched ^= vehicle.touch();
    }
    for vehicle in some() {
        touched ^= vehicle.touch_window() ^ vehicle.machine.touch();
        touched ^= vehicle.next_place().map_or(0, |place| fences.touch(place));
    }
    std::hint::black_box(touched);
}

/// The first bytes of an id, ordered as the ids are where they differ.
fn prefix(id: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = id.len().min(bytes.len());
    bytes[..length].copy_from_slice(&id.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}
