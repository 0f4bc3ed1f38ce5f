//! The core of one shard: every vehicle's state, and `apply`.
//!
//! To a vehicle an apply has three phases: timers that are due, the inputs in
//! order, then its judgement. Timers go first so that it makes no difference
//! whether an idle moment in between was recorded; judgement goes last so that
//! its operations are netted over the whole segment. Vehicles know nothing of
//! each other, so that one may be through with all three before the next one
//! begins: its memory is then visited once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protos::events::FleetEvent;

use crate::decided::Decided;
use crate::id_prefix::id_prefix;
use crate::liveness::Liveness;
use crate::machine::Scratch;
use crate::order::order_key;
use crate::overdue::Overdue;
use crate::remaining::Remaining;
use crate::sources::Sources;
use crate::state::Capture;
use crate::touched::Touched;
use crate::vehicle::Vehicle;
use crate::vehicle_index::VehicleIndex;
use crate::window::FIX_BYTES;
use crate::world::World;
use crate::{
    Disposition, Effects, FenceHistory, FenceOutcome, FenceRefusal, FenceSet, Identity, Input,
    LivePosition, OnSilence, Outcome, Settings, TimeMs,
};

/// Version of the core's behaviour. Raised by hand with every change after
/// which the same inputs may have other effects.
pub const CORE_VERSION: u32 = 5;

/// A ping this much older than its receipt is not judged, milliseconds.
pub(crate) const ANCIENT_MS: i64 = 30 * 24 * 3_600_000;

/// One vehicle waiting for its reorder delay to pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) due: TimeMs,
    pub(crate) vehicle: u32,
    pub(crate) through: TimeMs,
}

/// The detection core of one shard.
pub struct Detector {
    pub(crate) world: World,
    pub(crate) vehicles: Vec<Option<Vehicle>>,
    pub(crate) index: VehicleIndex,
    pub(crate) free: Vec<u32>,
    pub(crate) sources: Sources,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) now: TimeMs,
    /// `valid_from` of the newest fence set that all vehicles were judged by.
    pub(crate) in_force: TimeMs,
    pub(crate) event_time_max: Option<TimeMs>,
    pub(crate) forgotten_at: TimeMs,
    pub(crate) window_fixes: u64,
    pub(crate) touched: Touched,
    /// What the last apply amended, as it was told before.
    pub(crate) amended: Vec<Decided>,
    /// Events that the last apply came to, which the next one makes room for.
    events_before: usize,
    /// Sources and forgotten vehicles of which something is to be put right.
    departed: Vec<Vehicle>,
    pub(crate) overdue: Overdue,
    pub(crate) remaining: Remaining,
    /// The state as it is being taken down, if it is.
    pub(crate) capture: Option<Box<Capture>>,
    pub(crate) scratch: Scratch,
}

impl Detector {
    /// An empty shard. Fences enter as an input.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            world: World::new(settings),
            vehicles: Vec::new(),
            index: VehicleIndex::default(),
            free: Vec::new(),
            sources: Sources::default(),
            waiting: VecDeque::new(),
            now: TimeMs::MIN,
            in_force: TimeMs::MIN,
            event_time_max: None,
            forgotten_at: TimeMs::MIN,
            window_fixes: 0,
            touched: Touched::default(),
            amended: Vec::new(),
            events_before: 0,
            departed: Vec::new(),
            overdue: Overdue::default(),
            remaining: Remaining::default(),
            capture: None,
            scratch: Scratch::default(),
        }
    }

    /// Takes `inputs` in at receive time `now`, which never goes back (an
    /// earlier value counts as the last one). `seq` is the journal segment
    /// that will carry the effects; it becomes the revision of every event.
    pub fn apply(&mut self, inputs: &[Input], now: TimeMs, seq: u64) -> Effects {
        let mut effects = Effects::default();
        self.now = self.now.max(now);
        self.amended.clear();
        self.put_departed_right(seq, &mut effects);
        self.judge_due();
        if !self.may_judge_on_the_way(inputs) {
            self.judge_overdue();
        }
        self.forget_silent(seq, &mut effects);
        let mut concluded = false;
        for (i, input) in inputs.iter().enumerate() {
            match input {
                Input::Pings(run) => {
                    // No more than it may take: a burst must not echo.
                    effects.events.reserve(self.events_before.min(run.pings.len()));
                    // What silence concludes is known after all input only.
                    let waits = self.world.settings.on_silence == OnSilence::Wait;
                    let settles = waits && i + 1 == inputs.len();
                    concluded |= self.take_run(run, settles, seq, &mut effects);
                }
                Input::Settings(settings) => self.change_settings(settings),
                Input::Fences { set, valid_from } => {
                    effects.fences.push(self.change_fences(set, *valid_from));
                    effects.events.reserve(self.events_of_change());
                }
                Input::Tags { changes, valid_from } => {
                    effects.tags.push(self.change_tags(changes, *valid_from));
                }
                Input::Source(state) => {
                    self.sources.get_mut(state.source).stalled = state.stalled;
                    effects.events.push(self.source_event(state, seq));
                }
                Input::End { end } => self.end_input(*end),
            }
        }
        if concluded || is_recorded(inputs, &effects) {
            self.heed_low_marks(inputs);
        }
        self.settle(seq, &mut effects);
        self.scratch.refused.drain(&mut effects.counters);
        self.bound_windows(&mut effects);
        sort_events(&mut effects.events);
        self.events_before = effects.events.len();
        effects
    }

    /// The slot of the vehicle with this id.
    pub(crate) fn slot_of(&self, id: &str) -> Option<u32> {
        self.index.get(self.index.hash(id), |slot| is_in(&self.vehicles, slot, id))
    }

    /// Compares what an apply computed with what its segment recorded, and
    /// takes the record for what has been asserted: the sinks have read it. A
    /// difference leaves as ordinary corrections with the next apply. Returns
    /// the number of operations that differ.
    ///
    /// To be called right after that apply. A record that amends an event from
    /// before its vehicle's window stands: the core no longer knows better.
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
            if missing + surplus == 0 {
                continue;
            }
            match self.slot_of(id) {
                Some(index) => {
                    self.before_change(index);
                    let vehicle = slot(&mut self.vehicles, index);
                    vehicle.set_record(&computed, &recorded, &self.amended);
                    self.touched.add(index);
                }
                None => {
                    let liveness = Liveness::new(self.now, Identity(0), self.now);
                    let mut departed = Vehicle::new(id.into(), 0, liveness);
                    departed.set_record(&computed, &recorded, &self.amended);
                    self.departed.push(departed);
                }
            }
        }
        differences
    }

    /// Receive time at which an apply without input has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<TimeMs> {
        if !self.touched.is_empty() || !self.departed.is_empty() {
            // What recovery has found to differ.
            return Some(self.now);
        }
        let judgement = self.waiting.front().map(|waiting| waiting.due);
        let announced = self.world.timeline.epochs().iter().map(|epoch| epoch.valid_from);
        judgement.into_iter().chain(announced.filter(|from| *from > self.in_force)).min()
    }

    /// Numbers of the sources that were told to be silent, and not to speak
    /// again.
    pub fn stalled_sources(&self) -> impl Iterator<Item = u32> + '_ {
        self.sources.iter().filter(|(_, source)| source.stalled).map(|(number, _)| number)
    }

    /// The largest event time accepted from any vehicle.
    #[must_use]
    pub fn event_time_max(&self) -> Option<TimeMs> {
        self.event_time_max
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.world.settings
    }

    /// The newest fence set: in force, or announced for later.
    #[must_use]
    pub fn fences(&self) -> &Arc<FenceSet> {
        &self.world.timeline.current().set
    }

    /// What [`Input::Fences`] would come to now; changes nothing. Visits every
    /// vehicle.
    #[must_use]
    pub fn judge_fences(&self, set: &FenceSet, valid_from: TimeMs) -> FenceOutcome {
        let newest = self.world.timeline.current();
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
                vehicle_id: vehicle.id.to_string(),
                hot_from: vehicle.hot_from,
            })
        })
    }

    /// The fence sets that may still judge a ping.
    #[must_use]
    pub fn fence_history(&self) -> FenceHistory {
        self.world.timeline.history()
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

    /// Bytes of hot window held, as the limit counts them.
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

    /// Tells what differs from the record of vehicles that are no longer known,
    /// and of sources.
    fn put_departed_right(&mut self, seq: u64, effects: &mut Effects) {
        let (settings, events) = (&self.world.settings, &mut effects.events);
        for mut departed in self.departed.drain(..) {
            departed.operations(settings, seq, self.now, events, &mut self.amended);
        }
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

    fn change_fences(&mut self, set: &Arc<FenceSet>, valid_from: TimeMs) -> FenceOutcome {
        let outcome = self.judge_fences(set, valid_from);
        if outcome != FenceOutcome::TakenUp {
            return outcome;
        }
        if self.is_start(valid_from) {
            self.world.timeline.start(Arc::clone(set));
        } else {
            self.world.timeline.change(Arc::clone(set), valid_from);
        }
        for index in 0..self.vehicles.len() as u32 {
            if let Some(vehicle) = &mut self.vehicles[index as usize] {
                vehicle.rules_changed(valid_from);
                self.touched.add(index);
            }
        }
        FenceOutcome::TakenUp
    }

    /// Events that the newest change of fences comes to, about, if it is in force
    /// and yet to be judged by: each visit to a fence that is another ends, and
    /// mostly another begins. There may be so many that a list which grows would
    /// be copied, time and again, through all caches.
    fn events_of_change(&self) -> usize {
        /// The exit, the visit, the enter, and what was decided besides.
        const OF_A_VISIT: usize = 4;
        let [.., before, next] = self.world.timeline.epochs() else { return 0 };
        if next.valid_from <= self.in_force || next.valid_from > self.now {
            return 0;
        }
        let others = before.others(next);
        let visits = self.vehicles.iter().flatten().map(|vehicle| vehicle.machine.visits.len());
        let ended = visits.sum::<usize>() * others / before.set.fences().len().max(1);
        ended * OF_A_VISIT
    }

    /// Whether fences taken up now are those that the shard starts with. That
    /// is asked for and never inferred from how many vehicles have called:
    /// all shards must judge by the same fences.
    fn is_start(&self, valid_from: TimeMs) -> bool {
        valid_from == TimeMs::MIN && self.index.is_empty() && self.world.timeline.is_pristine()
    }

    fn change_settings(&mut self, settings: &Settings) {
        if self.world.settings == *settings {
            return;
        }
        self.world.settings = settings.clone();
        // Those that stay silent are judged by them, too.
        self.touch_all();
        for index in 0..self.vehicles.len() as u32 {
            self.before_change(index);
            if let Some(vehicle) = &mut self.vehicles[index as usize] {
                self.sources.forget(vehicle, index);
                if !vehicle.liveness.offline {
                    self.sources.check(vehicle, index, vehicle.liveness.due(settings));
                }
            }
        }
        // Whoever waits longer than anyone would now must not keep others waiting.
        let due = self.now.plus(settings.reorder_delay_ms);
        self.waiting.iter_mut().for_each(|waiting| waiting.due = waiting.due.min(due));
    }

    fn end_input(&mut self, end: TimeMs) {
        self.world.end = self.world.end.max(Some(end));
        self.touch_all();
    }

    pub(crate) fn touch_all(&mut self) {
        for index in 0..self.vehicles.len() as u32 {
            if self.vehicles[index as usize].is_some() {
                self.touched.add(index);
            }
        }
    }
}

/// Whether an apply leaves something to record for its inputs alone.
fn is_recorded(inputs: &[Input], effects: &Effects) -> bool {
    archives(effects) || inputs.iter().any(|input| !matches!(input, Input::Pings(_)))
}

pub(crate) fn archives(effects: &Effects) -> bool {
    effects.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Archived { .. }))
}

/// Whether the vehicle in a slot that the index names has this id.
pub(crate) fn is_in(vehicles: &[Option<Vehicle>], slot: u32, id: &str) -> bool {
    vehicles[slot as usize].as_ref().is_some_and(|vehicle| vehicle.id == id)
}

/// The vehicle in a slot that the index names.
pub(crate) fn slot(vehicles: &mut [Option<Vehicle>], index: u32) -> &mut Vehicle {
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
/// places are sorted, and events moved that lie elsewhere, without room for all
/// of them a second time.
fn sort_events(events: &mut [FleetEvent]) {
    let mut order: Vec<Timed> = events.iter().enumerate().map(Timed::of).collect();
    // By one number first, which takes no branch: few events share their time.
    order.sort_unstable_by_key(|it| it.time_and_place);
    for same_time in order.chunk_by_mut(|a, b| a.time() == b.time()).filter(|it| it.len() > 1) {
        // When fences change all events may, and those of a vehicle are few.
        same_time.sort_by_key(|it| it.vehicle);
        for alike in same_time.chunk_by_mut(|a, b| a.vehicle == b.vehicle) {
            alike.sort_by(|it, other| {
                let (a, b) = (&events[it.place()], &events[other.place()]);
                let vehicles = a.vehicle_id.cmp(&b.vehicle_id);
                vehicles.then_with(|| order_key(a).cmp(&order_key(b)))
            });
        }
    }
    for first in 0..order.len() {
        // What belongs here stands there, and what belongs there elsewhere still,
        // until one belongs where the first one stood.
        let mut here = first;
        loop {
            let there = order[here].place();
            order[here].set_place(here);
            if there == first {
                break;
            }
            events.swap(here, there);
            here = there;
        }
    }
}

/// An event by its place among the others.
struct Timed {
    /// Its time above its place.
    time_and_place: i128,
    /// The first bytes of its vehicle's id.
    vehicle: u128,
}

impl Timed {
    fn of((place, event): (usize, &FleetEvent)) -> Self {
        Self {
            time_and_place: i128::from(event.event_time_ms) << 64 | place as i128,
            vehicle: id_prefix(&event.vehicle_id),
        }
    }

    fn time(&self) -> i64 {
        (self.time_and_place >> 64) as i64
    }

    fn place(&self) -> usize {
        self.time_and_place as usize
    }

    fn set_place(&mut self, place: usize) {
        self.time_and_place = i128::from(self.time()) << 64 | place as i128;
    }
}
