//! Pings on their way into the windows of their vehicles.
//!
//! The memory that each ping will need is asked for some pings ahead
//! ([`crate::ahead`]): with many vehicles waiting for it would be most of a
//! ping's cost.

use smol_str::SmolStr;

use crate::detector::{ANCIENT_MS, Detector, Waiting, disposition_name, slot};
use crate::fix::Fix;
use crate::liveness::Liveness;
use crate::machine::ACCURACY_M_MAX;
use crate::silence::Receipt;
use crate::vehicle::{Lateness, Vehicle};
use crate::window::Inserted;
use crate::{Disposition, Effects, Identity, Outcome, Ping, PingRun, Profile, Settings, TimeMs};

/// The GPS week number wraps after 1,024 weeks, milliseconds.
const ROLLOVER_MS: i64 = 7168 * 24 * 3_600_000;

/// One ping of a run.
#[derive(Clone, Copy)]
struct Arriving<'a> {
    run: &'a PingRun,
    ping: &'a Ping,
    /// Slot of its vehicle, if that is known.
    known: Option<u32>,
    /// Since when the newest fence set is in force.
    in_force: TimeMs,
    seq: u64,
}

/// What became of one ping.
struct Taken {
    outcome: Outcome,
    /// Slot of its vehicle, if it has one.
    index: Option<u32>,
    /// Its vehicle is to be settled.
    touches: bool,
}

/// What became of the pings of a run.
#[derive(Default)]
struct Tally {
    /// By number of the disposition.
    dispositions: [u64; DISPOSITIONS],
    duplicates: u64,
    refused: u64,
    vague: u64,
    /// Whether any was archived.
    archives: bool,
}

/// Numbers that dispositions have.
const DISPOSITIONS: usize = Disposition::Superseded as usize + 1;

impl Tally {
    fn add_to(&self, effects: &mut Effects) {
        let counters = &mut effects.counters;
        for (number, count) in (0..).zip(self.dispositions) {
            let disposition = Disposition::try_from(number).unwrap_or_default();
            counters.add(disposition_name(disposition), count);
        }
        counters.add("duplicate", self.duplicates);
        counters.add("vehicle_limit", self.refused);
        counters.add("accuracy_too_low", self.vague);
    }
}

impl Detector {
    /// Takes a run in; `settles` says that no input follows, so that each of
    /// its vehicles is settled after its last ping. Returns whether its low
    /// mark shows a vehicle to be silent.
    pub(crate) fn take_run(
        &mut self,
        run: &PingRun,
        settles: bool,
        seq: u64,
        effects: &mut Effects,
    ) -> bool {
        let concluded =
            run.low_mark.is_some_and(|mark| self.raise_low_mark(run.source, mark, seq, effects));
        let mut tally = Tally::default();
        effects.outcomes.reserve(run.pings.len());
        let vehicles_max = run.pings.len().min(self.vehicles.len());
        effects.positions.reserve(if settles { vehicles_max } else { 0 });
        let in_force = self.in_force_now();
        let probable = self.probable_slots(run);
        self.remaining.count(&probable, self.vehicles.len());
        self.visit_ahead(
            run.pings.len(),
            |i| probable.get(i).copied().flatten(),
            |detector, i| {
                let (ping, probable) = (&run.pings[i], probable[i]);
                let known = detector.slot_of_known(&ping.vehicle_id, probable);
                let arriving = Arriving { run, ping, known, in_force, seq };
                let taken = detector.take_ping(arriving, &mut tally, effects);
                effects.outcomes.push(taken.outcome);
                let is_last = detector.remaining.is_last(probable);
                let Some(index) = taken.index else { return };
                if !(is_last && settles) {
                    if taken.touches {
                        detector.touched.add(index);
                    }
                } else if detector.touched.remove(index) || taken.touches {
                    detector.settle_vehicle(index, in_force, seq, effects);
                }
            },
        );
        self.add_fences(effects);
        self.scratch.slots = probable;
        tally.add_to(effects);
        concluded
    }

    /// For each ping of a run, the first slot that may be its vehicle's: it is,
    /// but for two ids of one hash. `None` for a vehicle that is not known.
    fn probable_slots(&mut self, run: &PingRun) -> Vec<Option<u32>> {
        let mut slots = std::mem::take(&mut self.scratch.slots);
        slots.clear();
        let slot = |ping: &Ping| self.index.candidate(self.index.hash(&ping.vehicle_id));
        slots.extend(run.pings.iter().map(slot));
        slots
    }

    /// The slot of the vehicle with this id, given where it probably is; it may
    /// have come to be known since that was asked.
    fn slot_of_known(&self, id: &SmolStr, probable: Option<u32>) -> Option<u32> {
        // Two ids that lie where they are held are compared without a call.
        let has_id = |slot: &u32| {
            self.vehicles[*slot as usize].as_ref().is_some_and(|vehicle| vehicle.id == *id)
        };
        probable.filter(has_id).or_else(|| self.slot_of(id))
    }

    /// Judges one ping by its clocks (semantics §1 and §2) and files it.
    fn take_ping(
        &mut self,
        arriving: Arriving<'_>,
        tally: &mut Tally,
        effects: &mut Effects,
    ) -> Taken {
        let Arriving { run, ping, known, in_force, seq } = arriving;
        let Some(index) = known.or_else(|| self.new_vehicle(run, ping)) else {
            tally.refused += 1;
            return Taken { outcome: Outcome::VehicleLimit, index: None, touches: false };
        };
        self.before_change(index);
        let judged = self.judge_if_overdue(index, in_force);
        let filed = match out_of_time(ping, &self.world.settings) {
            Some(disposition) => {
                if disposition == Disposition::Future {
                    let vehicle = slot(&mut self.vehicles, index);
                    vehicle.shown.offer(ping, ping.receive_time, false);
                }
                Some((disposition, None))
            }
            None => self.file(index, run, ping),
        };
        let Some((disposition, supersedes)) = filed else {
            tally.duplicates += 1;
            return Taken { outcome: Outcome::Duplicate, index: Some(index), touches: judged };
        };
        if !std::mem::replace(&mut tally.archives, true) {
            self.sources.archived(run);
        }
        let in_window = matches!(
            disposition,
            Disposition::OnTime | Disposition::Late | Disposition::Superseded
        );
        self.arrive(index, ping, Receipt { is_first: known.is_none(), in_window }, seq, effects);
        if matches!(disposition, Disposition::OnTime | Disposition::Late) {
            self.await_judgement(index, ping.event_time);
            tally.vague += u64::from(self.is_too_vague(ping));
        }
        tally.dispositions[disposition as usize] += 1;
        let outcome = Outcome::Archived { disposition, supersedes };
        Taken { outcome, index: Some(index), touches: true }
    }

    /// Whether a ping is not accurate enough to take part.
    fn is_too_vague(&self, ping: &Ping) -> bool {
        ping.accuracy_m.is_some_and(|m| f64::from(m as f32) > ACCURACY_M_MAX)
            && self.world.settings.profile == Profile::Robust
    }

    /// Files a ping whose time can be true in its vehicle's hot window. `None`
    /// for a duplicate, which changes nothing.
    fn file(
        &mut self,
        index: u32,
        run: &PingRun,
        ping: &Ping,
    ) -> Option<(Disposition, Option<Identity>)> {
        let vehicle = slot(&mut self.vehicles, index);
        let newest = ping.event_time >= vehicle.newest;
        let source = if newest { run.source } else { vehicle.source };
        let bound = self.sources.bound(source, run);
        let hot_from = vehicle.hot_from(bound, ping.event_time, &self.world.settings);
        let disposition = match vehicle.lateness(ping.event_time, hot_from, &self.world.settings) {
            Lateness::TooLate => {
                vehicle.hot_from = hot_from;
                return Some((Disposition::TooLate, None));
            }
            Lateness::Late => Disposition::Late,
            Lateness::OnTime => Disposition::OnTime,
        };
        let inserted = vehicle.insert(&Fix::new(ping), hot_from, &mut self.scratch.spares.chunks);
        if inserted == Inserted::Duplicate {
            return None;
        }
        self.window_fixes += 1;
        if newest && source != vehicle.source {
            self.sources.forget(vehicle, index);
            vehicle.source = source;
        }
        match inserted {
            Inserted::Duplicate => None,
            Inserted::Superseded => Some((Disposition::Superseded, None)),
            Inserted::New => {
                vehicle.shown.offer(ping, ping.event_time, false);
                Some((disposition, None))
            }
            Inserted::Supersedes(loser) => {
                vehicle.shown.offer(ping, ping.event_time, true);
                Some((disposition, Some(loser)))
            }
        }
    }

    /// Has the vehicle judged when its reorder delay has passed, if its
    /// watermark does not pass the ping first.
    fn await_judgement(&mut self, index: u32, t: TimeMs) {
        if self.event_time_max.is_none_or(|max| max < t) {
            self.event_time_max = Some(t);
        }
        if self.world.settings.reorder_delay_ms > 0 {
            let due = self.now.plus(self.world.settings.reorder_delay_ms);
            self.waiting.push_back(Waiting { due, vehicle: index, through: t });
        }
    }

    /// Makes the ping's vehicle; `None` if the shard may hold no more.
    fn new_vehicle(&mut self, run: &PingRun, ping: &Ping) -> Option<u32> {
        (self.index.len() < self.world.settings.vehicles_max as usize).then(|| {
            let liveness = Liveness::new(ping.receive_time, ping.identity, self.now);
            self.adopt(Vehicle::new(ping.vehicle_id.clone(), run.source, liveness))
        })
    }

    /// Gives the vehicle a slot, and its source a check if it asks for one.
    pub(crate) fn adopt(&mut self, vehicle: Vehicle) -> u32 {
        let hash = self.index.hash(&vehicle.id);
        let check_after = vehicle.liveness.check_after;
        let index = match self.free.pop() {
            Some(index) => {
                self.vehicles[index as usize] = Some(vehicle);
                index
            }
            None => {
                self.vehicles.push(Some(vehicle));
                (self.vehicles.len() - 1) as u32
            }
        };
        self.index.insert(hash, index);
        if check_after < TimeMs::MAX {
            self.sources.check(slot(&mut self.vehicles, index), index, check_after);
        }
        index
    }
}

/// What the ping's own two times say against it (semantics §1).
fn out_of_time(ping: &Ping, settings: &Settings) -> Option<Disposition> {
    let age = ping.receive_time.since(ping.event_time);
    if age < -settings.future_tolerance_ms {
        Some(Disposition::Future)
    } else if age <= ANCIENT_MS {
        None
    } else if (age - ROLLOVER_MS).abs() <= ANCIENT_MS {
        Some(Disposition::RolloverSuspected)
    } else {
        Some(Disposition::Ancient)
    }
}
