//! The core of one shard: every vehicle's state, and `apply`.
//!
//! An apply has three phases: timers that are due, the inputs in order, then
//! judgement of every vehicle touched. Timers go first so that it makes no
//! difference whether an idle moment in between was recorded; judgement goes
//! last so that a vehicle's operations are netted over the whole segment.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use protos::events::FleetEvent;

use crate::fix::Fix;
use crate::liveness::Liveness;
use crate::machine::{ACCURACY_M_MAX, Scratch};
use crate::order::order_key;
use crate::roster::Roster;
use crate::sources::Sources;
use crate::timeline::Timeline;
use crate::touched::Touched;
use crate::vehicle::{Lateness, Rules, Vehicle, WINDOW_FIXES_MAX};
use crate::window::{FIX_BYTES, Inserted};
use crate::{
    Disposition, Effects, FenceHistory, FenceOutcome, FenceRefusal, FenceSet, Identity, Input,
    LivePosition, OnSilence, Outcome, Ping, PingRun, Profile, Settings, TimeMs,
};

/// Version of the core's behaviour. Raised by hand with every change after
/// which the same inputs may have other effects.
pub const CORE_VERSION: u32 = 1;

/// A ping this much older than its receipt is not judged, milliseconds.
const ANCIENT_MS: i64 = 30 * 24 * 3_600_000;
/// The GPS week number wraps after 1,024 weeks, milliseconds.
const ROLLOVER_MS: i64 = 7168 * 24 * 3_600_000;
/// How often silent vehicles are looked for, milliseconds.
const FORGET_EVERY_MS: i64 = 3_600_000;

/// One vehicle waiting for its reorder delay to pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) due: TimeMs,
    pub(crate) vehicle: u32,
    pub(crate) through: TimeMs,
}

/// The detection core of one shard.
pub struct Detector {
    pub(crate) settings: Settings,
    pub(crate) timeline: Timeline,
    pub(crate) roster: Roster,
    pub(crate) vehicles: Vec<Option<Vehicle>>,
    pub(crate) index: HashMap<String, u32>,
    free: Vec<u32>,
    pub(crate) sources: Sources,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) now: TimeMs,
    pub(crate) end: Option<TimeMs>,
    /// `valid_from` of the newest fence set that all vehicles were judged by.
    pub(crate) in_force: TimeMs,
    pub(crate) event_time_max: Option<TimeMs>,
    pub(crate) forgotten_at: TimeMs,
    pub(crate) window_fixes: u64,
    pub(crate) touched: Touched,
    scratch: Scratch,
}

impl Detector {
    /// An empty shard. Fences enter as an input.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            timeline: Timeline::new(),
            roster: Roster::default(),
            vehicles: Vec::new(),
            index: HashMap::new(),
            free: Vec::new(),
            sources: Sources::default(),
            waiting: VecDeque::new(),
            now: TimeMs::MIN,
            end: None,
            in_force: TimeMs::MIN,
            event_time_max: None,
            forgotten_at: TimeMs::MIN,
            window_fixes: 0,
            touched: Touched::default(),
            scratch: Scratch::default(),
        }
    }

    /// Takes `inputs` in at receive time `now`, which never goes back (an
    /// earlier value counts as the last one). `seq` is the journal segment
    /// that will carry the effects; it becomes the revision of every event.
    pub fn apply(&mut self, inputs: &[Input], now: TimeMs, seq: u64) -> Effects {
        let mut effects = Effects::default();
        self.now = self.now.max(now);
        self.judge_due();
        self.forget_silent(seq, &mut effects);
        let mut concluded = false;
        for input in inputs {
            match input {
                Input::Pings(run) => concluded |= self.take_run(run, seq, &mut effects),
                Input::Settings(settings) => self.change_settings(settings),
                Input::Fences { set, valid_from } => {
                    effects.fences.push(self.change_fences(set, *valid_from));
                }
                Input::Tags { changes, valid_from } => {
                    effects.tags.push(self.change_tags(changes, *valid_from));
                }
                Input::Source(state) => effects.events.push(self.source_event(state, seq)),
                Input::End { end } => self.end_input(*end),
            }
        }
        if concluded || is_recorded(inputs, &effects) {
            self.heed_low_marks(inputs);
        }
        self.settle(seq, &mut effects);
        self.scratch.refused.drain(&mut effects.counters);
        self.bound_windows(&mut effects);
        // Slots and the order of touch are no part of the state: sort.
        effects.positions.sort_unstable_by(|a, b| a.vehicle_id.cmp(&b.vehicle_id));
        sort_events(&mut effects.events);
        effects
    }

    /// Compares what an apply computed with what its segment recorded, and
    /// takes the record for what has been asserted: the sinks have read it. A
    /// difference leaves as ordinary corrections when its vehicle is next
    /// touched. Returns the number of operations that differ.
    pub fn reconcile(&mut self, computed: &[FleetEvent], recorded: &[FleetEvent]) -> usize {
        if computed == recorded {
            return 0;
        }
        let mut by_vehicle: BTreeMap<&str, [Vec<&FleetEvent>; 2]> = BTreeMap::new();
        for (side, events) in [computed, recorded].into_iter().enumerate() {
            for event in events {
                by_vehicle.entry(&event.vehicle_id).or_default()[side].push(event);
            }
        }
        let mut differences = 0;
        for (id, [computed, recorded]) in by_vehicle {
            let missing = computed.iter().filter(|event| !recorded.contains(event)).count();
            let surplus = recorded.iter().filter(|event| !computed.contains(event)).count();
            differences += missing.max(surplus);
            if missing + surplus > 0
                && let Some(&index) = self.index.get(id)
                && let Some(vehicle) = &mut self.vehicles[index as usize]
            {
                vehicle.set_record(&computed, &recorded);
                self.touched.add(index);
            }
        }
        differences
    }

    /// Receive time at which an apply without input has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<TimeMs> {
        let judgement = self.waiting.front().map(|waiting| waiting.due);
        let announced = self.timeline.epochs().iter().map(|epoch| epoch.valid_from);
        judgement.into_iter().chain(announced.filter(|from| *from > self.in_force)).min()
    }

    /// The largest event time accepted from any vehicle.
    #[must_use]
    pub fn event_time_max(&self) -> Option<TimeMs> {
        self.event_time_max
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The newest fence set: in force, or announced for later.
    #[must_use]
    pub fn fences(&self) -> &Arc<FenceSet> {
        &self.timeline.current().set
    }

    /// What [`Input::Fences`] would come to now; changes nothing. Visits every
    /// vehicle.
    #[must_use]
    pub fn judge_fences(&self, set: &FenceSet, valid_from: TimeMs) -> FenceOutcome {
        let newest = self.timeline.current();
        if newest.set.hash() == set.hash() {
            return FenceOutcome::Unchanged;
        }
        if self.is_start(valid_from) {
            return FenceOutcome::TakenUp;
        }
        if newest.valid_from >= valid_from {
            return FenceOutcome::Refused(FenceRefusal::NotAfter { newest: newest.valid_from });
        }
        let last = self
            .vehicles
            .iter()
            .flatten()
            .filter(|vehicle| vehicle.hot_from > valid_from)
            .max_by(|a, b| a.hot_from.cmp(&b.hot_from).then_with(|| b.id.cmp(&a.id)));
        last.map_or(FenceOutcome::TakenUp, |vehicle| {
            FenceOutcome::Refused(FenceRefusal::BehindHotWindow {
                vehicle_id: vehicle.id.clone(),
                hot_from: vehicle.hot_from,
            })
        })
    }

    /// The fence sets that may still judge a ping.
    #[must_use]
    pub fn fence_history(&self) -> FenceHistory {
        self.timeline.history()
    }

    /// The receive clock: the largest `now` of any apply.
    #[must_use]
    pub fn now(&self) -> TimeMs {
        self.now
    }

    /// Vehicles known.
    #[must_use]
    pub fn vehicle_count(&self) -> usize {
        self.index.len()
    }

    /// Bytes of hot window held.
    #[must_use]
    pub fn hot_bytes(&self) -> u64 {
        self.window_fixes * FIX_BYTES
    }

    /// Live positions of all vehicles whose last visible change is in a
    /// segment after `seq`, by vehicle id.
    #[must_use]
    pub fn positions_since(&self, seq: u64) -> Vec<LivePosition> {
        let mut live: Vec<_> = self
            .vehicles
            .iter()
            .flatten()
            .filter(|vehicle| vehicle.shown.seq > seq)
            .filter_map(|vehicle| vehicle.shown.live(&vehicle.id))
            .collect();
        live.sort_unstable_by(|a, b| a.vehicle_id.cmp(&b.vehicle_id));
        live
    }

    /// Returns whether its low mark shows a vehicle to be silent.
    fn take_run(&mut self, run: &PingRun, seq: u64, effects: &mut Effects) -> bool {
        let concluded =
            run.low_mark.is_some_and(|mark| self.raise_low_mark(run.source, mark, seq, effects));
        for ping in &run.pings {
            let outcome = self.take_ping(run, ping, seq, effects);
            effects.outcomes.push(outcome);
        }
        concluded
    }

    /// The low marks of `inputs` hold from here on for whatever is asked of
    /// silence.
    fn heed_low_marks(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Pings(run) = input {
                self.sources.recorded(run);
            }
        }
    }

    /// Judges one ping by its clocks (semantics §1 and §2) and files it.
    fn take_ping(
        &mut self,
        run: &PingRun,
        ping: &Ping,
        seq: u64,
        effects: &mut Effects,
    ) -> Outcome {
        let known = self.index.get(&ping.vehicle_id).copied();
        let Some(index) = known.or_else(|| self.new_vehicle(run, ping)) else {
            effects.counters.add("vehicle_limit", 1);
            return Outcome::VehicleLimit;
        };
        let filed = match out_of_time(ping, &self.settings) {
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
            effects.counters.add("duplicate", 1);
            return Outcome::Duplicate;
        };
        self.sources.archived(run);
        self.arrive(index, ping, known.is_none(), seq, effects);
        self.touched.add(index);
        if matches!(disposition, Disposition::OnTime | Disposition::Late) {
            self.await_judgement(index, ping.event_time);
            self.count_too_vague(ping, effects);
        }
        effects.counters.add(disposition_name(disposition), 1);
        Outcome::Archived { disposition, supersedes }
    }

    /// Counts a ping that is not accurate enough to take part.
    fn count_too_vague(&self, ping: &Ping, effects: &mut Effects) {
        let vague = ping.accuracy_m.is_some_and(|m| f64::from(m as f32) > ACCURACY_M_MAX);
        if vague && self.settings.profile == Profile::Robust {
            effects.counters.add("accuracy_too_low", 1);
        }
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
        let hot_from = vehicle.hot_from(bound, ping.event_time, &self.settings);
        let disposition = match vehicle.lateness(ping.event_time, hot_from, &self.settings) {
            Lateness::TooLate => {
                vehicle.hot_from = hot_from;
                return Some((Disposition::TooLate, None));
            }
            Lateness::Late => Disposition::Late,
            Lateness::OnTime => Disposition::OnTime,
        };
        let inserted = vehicle.insert(Fix::new(ping), hot_from);
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
        self.event_time_max = self.event_time_max.max(Some(t));
        if self.settings.reorder_delay_ms > 0 {
            let due = self.now.plus(self.settings.reorder_delay_ms);
            self.waiting.push_back(Waiting { due, vehicle: index, through: t });
        }
    }

    /// Makes the ping's vehicle; `None` if the shard may hold no more.
    fn new_vehicle(&mut self, run: &PingRun, ping: &Ping) -> Option<u32> {
        (self.index.len() < self.settings.vehicles_max as usize).then(|| {
            let liveness = Liveness::new(ping.receive_time, ping.identity, self.now);
            self.adopt(Vehicle::new(ping.vehicle_id.clone(), run.source, liveness))
        })
    }

    /// Gives the vehicle a slot, and its source a check if it asks for one.
    pub(crate) fn adopt(&mut self, vehicle: Vehicle) -> u32 {
        let id = vehicle.id.clone();
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
        self.index.insert(id, index);
        if check_after < TimeMs(i64::MAX) {
            self.sources.check(slot(&mut self.vehicles, index), index, check_after);
        }
        index
    }

    fn change_fences(&mut self, set: &Arc<FenceSet>, valid_from: TimeMs) -> FenceOutcome {
        let outcome = self.judge_fences(set, valid_from);
        if outcome != FenceOutcome::TakenUp {
            return outcome;
        }
        if self.is_start(valid_from) {
            self.timeline.start(Arc::clone(set));
        } else {
            self.timeline.change(Arc::clone(set), valid_from);
        }
        for index in 0..self.vehicles.len() as u32 {
            if let Some(vehicle) = &mut self.vehicles[index as usize] {
                vehicle.rules_changed(valid_from);
                self.touched.add(index);
            }
        }
        FenceOutcome::TakenUp
    }

    /// Whether fences taken up now are those that the shard starts with. That
    /// is asked for and never inferred from how many vehicles have called:
    /// all shards must judge by the same fences.
    fn is_start(&self, valid_from: TimeMs) -> bool {
        valid_from == TimeMs::MIN && self.index.is_empty() && self.timeline.is_pristine()
    }

    fn change_settings(&mut self, settings: &Settings) {
        let before = std::mem::replace(&mut self.settings, settings.clone());
        if before.on_silence != settings.on_silence {
            // Of those that stay silent, too.
            self.touch_all();
        }
    }

    fn end_input(&mut self, end: TimeMs) {
        self.end = self.end.max(Some(end));
        self.touch_all();
    }

    fn touch_all(&mut self) {
        for index in 0..self.vehicles.len() as u32 {
            if self.vehicles[index as usize].is_some() {
                self.touched.add(index);
            }
        }
    }

    /// Judges the vehicles whose reorder delay has passed, and all of them
    /// when a fence set announced before has come into force.
    fn judge_due(&mut self) {
        let rules = Rules::at(self.now, &self.settings, &self.timeline, &self.roster, self.end);
        if rules.in_force > self.in_force {
            for index in 0..self.vehicles.len() as u32 {
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
            let Some(vehicle) = &mut self.vehicles[waiting.vehicle as usize] else { continue };
            if waiting.through > vehicle.judged {
                vehicle.judge(rules, waiting.through, &mut self.scratch);
                self.sources.check_dwell(vehicle, waiting.vehicle, rules);
                self.touched.add(waiting.vehicle);
            }
        }
    }

    /// Judges every vehicle touched and collects what leaves.
    fn settle(&mut self, seq: u64, effects: &mut Effects) {
        let touched = self.touched.take();
        let rules = Rules::at(self.now, &self.settings, &self.timeline, &self.roster, self.end);
        self.in_force = rules.in_force;
        for &index in &touched {
            let Some(vehicle) = &mut self.vehicles[index as usize] else { continue };
            // A full window waits for nothing more: what is judged can give way.
            let full = vehicle.window.len() >= WINDOW_FIXES_MAX;
            let watermark = vehicle.watermark(rules);
            let through = if full { watermark.max(vehicle.newest) } else { watermark };
            let late = vehicle.is_stale();
            vehicle.judge(rules, through, &mut self.scratch);
            if rules.settings.on_silence == OnSilence::Assume || !vehicle.assumed.is_empty() {
                let mark = self.sources.silence_mark(vehicle.source);
                vehicle.assume(rules, mark, late, self.now);
                self.sources.check_dwell(vehicle, index, rules);
            }
            vehicle.operations(&self.settings, seq, self.now, &mut effects.events);
            let fixes = vehicle.window.len();
            vehicle.forget_cold();
            while vehicle.window.len() >= WINDOW_FIXES_MAX {
                let gave_way = vehicle.give_way();
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

    /// Forgets the vehicles that have been silent for too long, and the fence
    /// sets that judge none of the others. Who is forgotten depends on the
    /// hour alone, not on the applies in it, which need not all be recorded.
    fn forget_silent(&mut self, seq: u64, effects: &mut Effects) {
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
            self.index.remove(&vehicle.id);
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
            let known = index.get(id).and_then(|&i| vehicles[i as usize].as_ref());
            // A vehicle's first ping is as old as any may be.
            known.and_then(Vehicle::tags_needed_from).unwrap_or(hour.plus(-ANCIENT_MS))
        });
    }

    /// Holds the windows under their byte limit: the vehicle with the oldest
    /// window start gives way first. Only a segment that is recorded for its
    /// pings moves a window.
    fn bound_windows(&mut self, effects: &mut Effects) {
        if self.hot_bytes() <= self.settings.hot_bytes_max || !archives(effects) {
            return;
        }
        let mut by_start: Vec<(TimeMs, &str, usize)> = self
            .vehicles
            .iter()
            .enumerate()
            .filter_map(|(index, place)| {
                let vehicle = place.as_ref()?;
                Some((vehicle.hot_from, vehicle.id.as_str(), index))
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
            let gave_way = vehicle.give_way() as u64;
            self.window_fixes -= gave_way;
            effects.counters.add("hot_window_capped", gave_way);
        }
    }
}

/// Whether an apply leaves something to record for its inputs alone.
fn is_recorded(inputs: &[Input], effects: &Effects) -> bool {
    archives(effects) || inputs.iter().any(|input| !matches!(input, Input::Pings(_)))
}

fn archives(effects: &Effects) -> bool {
    effects.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Archived { .. }))
}

/// What the ping's own two times say against it (semantics §1).
fn out_of_time(ping: &Ping, settings: &Settings) -> Option<Disposition> {
    let age = ping.receive_time.since(ping.event_time);
    if age < -settings.future_tolerance_ms {
        Some(Disposition::Future)
    } else if (age - ROLLOVER_MS).abs() <= ANCIENT_MS {
        Some(Disposition::RolloverSuspected)
    } else if age > ANCIENT_MS {
        Some(Disposition::Ancient)
    } else {
        None
    }
}

/// The vehicle in a slot that the index names.
fn slot(vehicles: &mut [Option<Vehicle>], index: u32) -> &mut Vehicle {
    vehicles[index as usize].as_mut().expect("indexed vehicles exist")
}

/// Names of the dispositions of archived pings, from on time on.
pub const DISPOSITION_NAMES: [&str; 7] =
    ["on_time", "late", "too_late", "future", "ancient", "rollover_suspected", "superseded"];

/// Whether `name` is a disposition's, among the names of counters.
#[must_use]
pub fn is_disposition(name: &str) -> bool {
    DISPOSITION_NAMES.contains(&name)
}

/// Stable name of a disposition, in counters, tables and metrics.
#[must_use]
pub fn disposition_name(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Unspecified => "unspecified",
        Disposition::OnTime => "on_time",
        Disposition::Late => "late",
        Disposition::TooLate => "too_late",
        Disposition::Future => "future",
        Disposition::Ancient => "ancient",
        Disposition::RolloverSuspected => "rollover_suspected",
        Disposition::Superseded => "superseded",
    }
}

/// Sorts by event time, vehicle, then semantics §6. Events are large: their
/// places are sorted, and each is moved once.
fn sort_events(events: &mut Vec<FleetEvent>) {
    let times = events.iter().map(|event| event.event_time_ms);
    let mut order: Vec<(i64, usize)> = times.zip(0..).collect();
    order.sort_unstable_by(|&(time, i), &(other_time, j)| {
        time.cmp(&other_time).then_with(|| {
            let (a, b) = (&events[i], &events[j]);
            let vehicles = a.vehicle_id.cmp(&b.vehicle_id);
            vehicles.then_with(|| order_key(a).cmp(&order_key(b))).then(i.cmp(&j))
        })
    });
    *events = order.into_iter().map(|(_, i)| std::mem::take(&mut events[i])).collect();
}
