//! The core of one shard: every vehicle's state, and `apply`.
//!
//! An apply has three phases: timers that are due, the inputs in order, then
//! judgement of every vehicle touched. Timers go first so that it makes no
//! difference whether an idle moment in between was recorded; judgement goes
//! last so that a vehicle's operations are netted over the whole segment.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, Reason, SourceRecovered, SourceStalled, VehicleOffline, VehicleOnline,
};

use crate::decided::{Body, Emission, Group, Place};
use crate::fix::Fix;
use crate::hash::{Cause, event_id};
use crate::liveness::Liveness;
use crate::machine::Scratch;
use crate::order::order_key;
use crate::timeline::Timeline;
use crate::vehicle::{Bound, Lateness, Rules, Vehicle, WINDOW_FIXES_MAX};
use crate::window::{FIX_BYTES, Inserted};
use crate::{
    Disposition, Effects, FenceSet, Identity, Input, LivePosition, Outcome, Ping, PingRun,
    Settings, SourceState, TimeMs,
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

/// What a source has told, and whom its low mark judges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) low_mark: Option<TimeMs>,
    pub(crate) bounds_lateness: bool,
    /// Vehicles by the low mark at which each is looked at again.
    pub(crate) checks: BTreeSet<(TimeMs, u32)>,
}

/// The detection core of one shard.
pub struct Detector {
    pub(crate) settings: Settings,
    pub(crate) timeline: Timeline,
    pub(crate) vehicles: Vec<Option<Vehicle>>,
    pub(crate) index: HashMap<String, u32>,
    free: Vec<u32>,
    pub(crate) sources: BTreeMap<u32, Source>,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) now: TimeMs,
    pub(crate) end: Option<TimeMs>,
    pub(crate) event_time_max: Option<TimeMs>,
    pub(crate) forgotten_at: TimeMs,
    pub(crate) window_fixes: u64,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    scratch: Scratch,
}

impl Detector {
    /// An empty shard. Fences enter as an input.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            timeline: Timeline::new(),
            vehicles: Vec::new(),
            index: HashMap::new(),
            free: Vec::new(),
            sources: BTreeMap::new(),
            waiting: VecDeque::new(),
            now: TimeMs::MIN,
            end: None,
            event_time_max: None,
            forgotten_at: TimeMs::MIN,
            window_fixes: 0,
            touched: Vec::new(),
            is_touched: Vec::new(),
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
        for input in inputs {
            match input {
                Input::Pings(run) => self.take_run(run, seq, &mut effects),
                Input::Settings(settings) => self.settings = settings.clone(),
                Input::Fences { set, valid_from } => self.change_fences(set, *valid_from),
                Input::Source(state) => effects.events.push(self.source_event(state, seq)),
                Input::End { end } => self.end_input(*end),
            }
        }
        self.settle(seq, &mut effects);
        self.forget_silent();
        self.bound_windows(&mut effects);
        effects.events.sort_by(|a, b| {
            a.event_time_ms
                .cmp(&b.event_time_ms)
                .then_with(|| a.vehicle_id.cmp(&b.vehicle_id))
                .then_with(|| order_key(a).cmp(&order_key(b)))
        });
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
                self.touch(index);
            }
        }
        differences
    }

    /// Receive time at which an apply without input has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<TimeMs> {
        self.waiting.front().map(|waiting| waiting.due)
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

    /// The fence set in force.
    #[must_use]
    pub fn fences(&self) -> &Arc<FenceSet> {
        &self.timeline.current().set
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

    fn take_run(&mut self, run: &PingRun, seq: u64, effects: &mut Effects) {
        self.sources.entry(run.source).or_default().bounds_lateness = run.low_mark_bounds_lateness;
        if let Some(mark) = run.low_mark {
            self.raise_low_mark(run.source, mark, seq, effects);
        }
        for ping in &run.pings {
            let outcome = self.take_ping(run, ping, seq, effects);
            effects.outcomes.push(outcome);
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
        let age = ping.receive_time.since(ping.event_time);
        let outside = if age < -self.settings.future_tolerance_ms {
            Some(Disposition::Future)
        } else if (age - ROLLOVER_MS).abs() <= ANCIENT_MS {
            Some(Disposition::RolloverSuspected)
        } else if age > ANCIENT_MS {
            Some(Disposition::Ancient)
        } else {
            None
        };
        let known = self.index.get(&ping.vehicle_id).copied();
        let Some(index) = known.or_else(|| self.new_vehicle(ping)) else {
            effects.counters.add("vehicle_limit", 1);
            return Outcome::VehicleLimit;
        };
        let vehicle = self.vehicles[index as usize].as_mut().expect("indexed vehicles exist");

        let mut supersedes = None;
        let disposition = if let Some(disposition) = outside {
            if disposition == Disposition::Future {
                vehicle.shown.offer(ping, ping.receive_time, false);
            }
            disposition
        } else {
            let newest = ping.event_time >= vehicle.newest;
            let source = &self.sources[if newest { &run.source } else { &vehicle.source }];
            let bound = match source.bounds_lateness {
                true => Bound::LowMark(source.low_mark),
                false => Bound::Newest,
            };
            let hot_from = vehicle.hot_from(bound, ping.event_time, &self.settings);
            match vehicle.lateness(ping.event_time, hot_from, &self.settings) {
                Lateness::TooLate => Disposition::TooLate,
                lateness => {
                    let fixes = vehicle.window.len();
                    let inserted = vehicle.insert(Fix::new(ping), run.source, hot_from);
                    self.window_fixes += (vehicle.window.len() - fixes) as u64;
                    let disposition = match lateness {
                        Lateness::Late => Disposition::Late,
                        _ => Disposition::OnTime,
                    };
                    match inserted {
                        Inserted::Duplicate => {
                            effects.counters.add("duplicate", 1);
                            return Outcome::Duplicate;
                        }
                        Inserted::Superseded => Disposition::Superseded,
                        Inserted::New => {
                            vehicle.shown.offer(ping, ping.event_time, false);
                            disposition
                        }
                        Inserted::Supersedes(loser) => {
                            supersedes = Some(loser);
                            vehicle.shown.offer(ping, ping.event_time, true);
                            disposition
                        }
                    }
                }
            }
        };
        self.arrive(index, ping, known.is_none(), seq, effects);
        self.touch(index);
        if matches!(disposition, Disposition::OnTime | Disposition::Late) {
            self.await_judgement(index, ping.event_time);
        }
        effects.counters.add(disposition_name(disposition), 1);
        Outcome::Archived { disposition, supersedes }
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
    fn new_vehicle(&mut self, ping: &Ping) -> Option<u32> {
        (self.index.len() < self.settings.vehicles_max as usize).then(|| {
            let liveness = Liveness::new(ping.receive_time, ping.identity);
            self.adopt(Vehicle::new(ping.vehicle_id.clone(), liveness))
        })
    }

    pub(crate) fn adopt(&mut self, vehicle: Vehicle) -> u32 {
        let id = vehicle.id.clone();
        let index = match self.free.pop() {
            Some(index) => {
                self.vehicles[index as usize] = Some(vehicle);
                index
            }
            None => {
                self.vehicles.push(Some(vehicle));
                self.is_touched.push(false);
                (self.vehicles.len() - 1) as u32
            }
        };
        self.index.insert(id, index);
        index
    }

    fn touch(&mut self, index: u32) {
        if !std::mem::replace(&mut self.is_touched[index as usize], true) {
            self.touched.push(index);
        }
    }

    /// Counts an arrival, and says so if it ends a silence.
    fn arrive(&mut self, index: u32, ping: &Ping, first: bool, seq: u64, effects: &mut Effects) {
        let vehicle = self.vehicles[index as usize].as_mut().expect("indexed vehicles exist");
        let liveness = &mut vehicle.liveness;
        if !first && let Some(silence_ms) = liveness.arrive(ping.receive_time, ping.identity) {
            let detail =
                Detail::VehicleOnline(VehicleOnline { silence_s: silence_ms as f64 / 1000.0 });
            let span = (ping.receive_time, ping.receive_time);
            let cause = ping.identity;
            effects.events.push(receive_event(
                &self.settings,
                vehicle,
                "vehicle_online",
                detail,
                cause,
                span,
                (self.now, seq),
            ));
        }
        let due = vehicle.liveness.due(&self.settings);
        if due < vehicle.liveness.check_after {
            let checks = &mut self.sources.entry(vehicle.source).or_default().checks;
            checks.remove(&(vehicle.liveness.check_after, index));
            vehicle.liveness.check_after = due;
            checks.insert((due, index));
        }
    }

    /// Raises a source's low mark, and finds the vehicles that it shows to be
    /// silent for too long.
    fn raise_low_mark(&mut self, source: u32, mark: TimeMs, seq: u64, effects: &mut Effects) {
        let state = self.sources.entry(source).or_default();
        if state.low_mark.is_some_and(|known| known >= mark) {
            return;
        }
        state.low_mark = Some(mark);
        while let Some(&(check_after, index)) = self.sources[&source].checks.first()
            && check_after < mark
        {
            let checks = &mut self.sources.get_mut(&source).expect("just read").checks;
            checks.pop_first();
            let Some(vehicle) = self.vehicles[index as usize].as_mut() else { continue };
            vehicle.liveness.check_after = TimeMs(i64::MAX);
            let due = vehicle.liveness.due(&self.settings);
            if vehicle.liveness.offline {
                continue;
            }
            if vehicle.source != source || due >= mark {
                let checks = &mut self.sources.entry(vehicle.source).or_default().checks;
                vehicle.liveness.check_after = due;
                checks.insert((due, index));
                continue;
            }
            vehicle.liveness.offline = true;
            let threshold_ms = vehicle.liveness.threshold_ms(&self.settings);
            let detail = Detail::VehicleOffline(VehicleOffline {
                threshold_s: threshold_ms as f64 / 1000.0,
            });
            let cause = vehicle.liveness.last_ping;
            let span = (vehicle.liveness.last_arrival, due);
            effects.events.push(receive_event(
                &self.settings,
                vehicle,
                "vehicle_offline",
                detail,
                cause,
                span,
                (self.now, seq),
            ));
            self.touch(index);
        }
    }

    fn source_event(&self, state: &SourceState, seq: u64) -> FleetEvent {
        let (kind, detail) = if state.stalled {
            let source = state.name.clone();
            ("source_stalled", Detail::SourceStalled(SourceStalled { source }))
        } else {
            let source = state.name.clone();
            ("source_recovered", Detail::SourceRecovered(SourceRecovered { source }))
        };
        let cause = Cause::Moment(state.at);
        let body = Body {
            id: event_id(&self.settings.tenant, "", kind, &state.name, cause, 0),
            detail,
            fence: None,
            group: Group::None,
            time: state.at,
            not_before: state.at,
            not_after: state.at,
            place: None,
            reason: Reason::Unspecified,
        };
        body.emit(assertion("", self.now, seq))
    }

    fn change_fences(&mut self, set: &Arc<FenceSet>, valid_from: TimeMs) {
        let initial = self.index.is_empty();
        if !self.timeline.change(Arc::clone(set), valid_from, initial) {
            return;
        }
        let rules = Rules { settings: &self.settings, timeline: &self.timeline, end: self.end };
        for index in 0..self.vehicles.len() as u32 {
            if let Some(vehicle) = &mut self.vehicles[index as usize] {
                vehicle.change_fences(rules, valid_from, &mut self.scratch);
                if !std::mem::replace(&mut self.is_touched[index as usize], true) {
                    self.touched.push(index);
                }
            }
        }
    }

    fn end_input(&mut self, end: TimeMs) {
        self.end = self.end.max(Some(end));
        for index in 0..self.vehicles.len() as u32 {
            if self.vehicles[index as usize].is_some() {
                self.touch(index);
            }
        }
    }

    /// Judges the vehicles whose reorder delay has passed.
    fn judge_due(&mut self) {
        while let Some(waiting) = self.waiting.front().copied()
            && waiting.due <= self.now
        {
            self.waiting.pop_front();
            let rules = Rules { settings: &self.settings, timeline: &self.timeline, end: self.end };
            let Some(vehicle) = &mut self.vehicles[waiting.vehicle as usize] else { continue };
            if waiting.through > vehicle.judged {
                vehicle.judge(rules, waiting.through, &mut self.scratch);
                self.touch(waiting.vehicle);
            }
        }
    }

    /// Judges every vehicle touched and collects what leaves.
    fn settle(&mut self, seq: u64, effects: &mut Effects) {
        let mut touched = std::mem::take(&mut self.touched);
        let rules = Rules { settings: &self.settings, timeline: &self.timeline, end: self.end };
        for index in touched.drain(..) {
            self.is_touched[index as usize] = false;
            let Some(vehicle) = &mut self.vehicles[index as usize] else { continue };
            vehicle.judge(rules, vehicle.watermark(rules), &mut self.scratch);
            vehicle.operations(seq, self.now, &mut effects.events);
            let fixes = vehicle.window.len();
            vehicle.forget_cold();
            if vehicle.window.len() >= WINDOW_FIXES_MAX {
                let gave_way = vehicle.give_way();
                effects.counters.add("hot_window_capped", gave_way as u64);
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
        self.touched = touched;
    }

    /// Forgets the vehicles that have been silent for too long, and the fence
    /// sets that judge none of the others.
    fn forget_silent(&mut self) {
        if self.now.since(self.forgotten_at) < FORGET_EVERY_MS {
            return;
        }
        self.forgotten_at = self.now;
        for index in 0..self.vehicles.len() as u32 {
            let slot = &mut self.vehicles[index as usize];
            let Some(vehicle) = slot else { continue };
            if self.now.since(vehicle.liveness.last_arrival) <= self.settings.forget_after_ms {
                continue;
            }
            if let Some(source) = self.sources.get_mut(&vehicle.source) {
                source.checks.remove(&(vehicle.liveness.check_after, index));
            }
            self.window_fixes -= vehicle.window.len() as u64;
            self.index.remove(&vehicle.id);
            *slot = None;
            self.free.push(index);
        }
        let oldest = self.vehicles.iter().flatten().filter_map(Vehicle::oldest_epoch).min();
        if let Some(oldest) = oldest {
            self.timeline.forget_below(oldest);
        }
    }

    /// Holds the windows under their byte limit: the vehicle with the oldest
    /// window start gives way first.
    fn bound_windows(&mut self, effects: &mut Effects) {
        if self.hot_bytes() <= self.settings.hot_bytes_max {
            return;
        }
        let mut by_start: Vec<_> = self
            .vehicles
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| {
                let vehicle = slot.as_ref()?;
                Some((vehicle.hot_from, vehicle.id.clone(), index))
            })
            .collect();
        by_start.sort_unstable();
        for (_, _, index) in by_start {
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

/// An event of semantics §9, which no later ping can change.
fn receive_event(
    settings: &Settings,
    vehicle: &Vehicle,
    kind: &str,
    detail: Detail,
    cause: Identity,
    (not_before, time): (TimeMs, TimeMs),
    (now, seq): (TimeMs, u64),
) -> FleetEvent {
    let place = vehicle.shown.fix.map(|fix| Place {
        position: fix.position,
        accuracy_m: fix.accuracy_m.map(|m| (m * 1000.0).round() / 1000.0),
        margin: None,
    });
    let body = Body {
        id: event_id(&settings.tenant, &vehicle.id, kind, "", Cause::Ping(cause), 0),
        detail,
        fence: None,
        group: Group::None,
        time,
        not_before,
        not_after: time,
        place,
        reason: Reason::Unspecified,
    };
    body.emit(assertion(&vehicle.id, now, seq))
}

fn assertion(vehicle_id: &str, now: TimeMs, seq: u64) -> Emission<'_> {
    Emission {
        op: protos::events::Op::Assert,
        revision: seq,
        vehicle_id,
        observed: now,
        late: false,
        replaces: None,
    }
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
