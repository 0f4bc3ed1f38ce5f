//! One vehicle's way through a journal: what arrived, what of it counts, and
//! by which rules.
//!
//! A trail takes a journal's record for granted: which pings were on time,
//! late or too late is as recorded, never judged anew. From these pings, the
//! fences and the settings it has the machine take its steps in order of
//! event time, as the convergence law (semantics §3) says the final events
//! follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use protos::events::FleetEvent;

use super::{Moment, Step, Thresholds};
use crate::fix::Fix;
use crate::liveness::Liveness;
use crate::machine::trace::{Move, Wanted, thresholds, untold};
use crate::machine::{Judge, Machine, Scratch};
use crate::state::of_one_vehicle;
use crate::vehicle::Vehicle;
use crate::window::SpareChunks;
use crate::world::Rules;
use crate::{
    Detector, Disposition, Fence, FenceHistory, FenceSet, Identity, Input, Ping, PingRun, Settings,
    StateError, TimeMs,
};

/// How often detection looks for vehicles to forget, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// One vehicle's way through a journal.
pub struct Trail {
    vehicle_id: String,
    /// A shard without vehicles, which keeps fences, settings and sources.
    rules: Detector,
    vehicle: Option<Vehicle>,
    /// The vehicle as it was each time it was forgotten, oldest first.
    forgotten: Vec<Vehicle>,
    arrivals: Vec<Arrival>,
    /// Every setting there was, in order; the last one holds.
    settings: Vec<Settings>,
    /// Which of them held when a ping arrived, where that is not the first.
    settings_of: BTreeMap<Identity, usize>,
}

/// A ping of the vehicle as the journal records it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The ping.
    pub ping: Ping,
    /// What became of it.
    pub disposition: Disposition,
    /// The segment that holds it.
    pub seq: u64,
    /// The largest event time of the vehicle before it; `None` for the first.
    pub newest: Option<TimeMs>,
    /// Start of the hot window that its time was compared with; `None` where
    /// there was none yet, or the ping was not compared.
    pub hot_from: Option<TimeMs>,
}

/// An event that follows from the pings, and when it was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Event time of the ping or timer that decided it.
    pub at: TimeMs,
    /// The event. How it was learnt is not said: `op`, `revision` and `late`
    /// mean nothing.
    pub event: FleetEvent,
}

impl Trail {
    /// A trail from the beginning of a journal; `settings` are those of an
    /// empty one.
    #[must_use]
    pub fn new(vehicle_id: &str, settings: Settings) -> Self {
        Self {
            vehicle_id: vehicle_id.to_owned(),
            rules: all_kept(Detector::new(settings.clone())),
            vehicle: None,
            forgotten: Vec::new(),
            arrivals: Vec::new(),
            settings: vec![settings],
            settings_of: BTreeMap::new(),
        }
    }

    /// A trail from a snapshot on. `fences` finds a fence set by its hash.
    /// Holds no more of the state than this vehicle's.
    ///
    /// # Errors
    /// As for [`Detector::decode_state`].
    pub fn from_state(
        state: &Bytes,
        vehicle_id: &str,
        fences: impl FnMut(&str) -> Option<Arc<FenceSet>>,
    ) -> Result<Self, StateError> {
        let mut rules = Detector::decode_state(of_one_vehicle(state, vehicle_id)?, fences)?;
        let vehicle = rules.slot_of(vehicle_id).and_then(|index| {
            rules.index.remove(rules.index.hash(vehicle_id), index);
            let mut vehicle = rules.vehicles[index as usize].take()?;
            rules.free.push(index);
            rules.sources.forget(&mut vehicle, index);
            Some(vehicle)
        });
        let settings = vec![rules.settings().clone()];
        let rules = all_kept(rules);
        Ok(Self { rules, vehicle, settings, ..Self::new(vehicle_id, Settings::default()) })
    }

    /// The same with the vehicle unknown: by the fences and settings of a
    /// later snapshot, for a journal whose beginning is gone.
    #[must_use]
    pub fn without_past(self) -> Self {
        Self { vehicle: None, ..self }
    }

    /// Takes what one segment holds. Of the pings only this vehicle's count;
    /// `dispositions` are theirs, in order, as recorded.
    pub fn take(&mut self, inputs: &[Input], dispositions: &[Disposition], now: TimeMs, seq: u64) {
        // What was announced comes into force by the clock.
        self.rules.now = self.rules.now.max(now);
        let mut dispositions = dispositions.iter().copied();
        for input in inputs {
            let Input::Pings(run) = input else {
                self.rules.apply(std::slice::from_ref(input), now, seq);
                if self.settings.last() != Some(self.rules.settings()) {
                    self.settings.push(self.rules.settings().clone());
                }
                continue;
            };
            // Of a segment that was recorded, each mark counts that could conclude
            // anything of this vehicle.
            self.rules.sources.recorded(run);
            for ping in &run.pings {
                if ping.vehicle_id == self.vehicle_id {
                    let disposition = dispositions.next().unwrap_or(Disposition::Unspecified);
                    self.arrive(run, ping, disposition, now, seq);
                }
            }
        }
    }

    fn arrive(
        &mut self,
        run: &PingRun,
        ping: &Ping,
        disposition: Disposition,
        now: TimeMs,
        seq: u64,
    ) {
        let settings = self.rules.settings();
        let hour = TimeMs(now.0.div_euclid(HOUR_MS).saturating_mul(HOUR_MS));
        let is_over =
            |vehicle: &mut Vehicle| vehicle.liveness.seen.plus(settings.forget_after_ms) < hour;
        self.forgotten.extend(self.vehicle.take_if(is_over));
        let vehicle = self.vehicle.get_or_insert_with(|| {
            let liveness = Liveness::new(ping.receive_time, ping.identity, now);
            Vehicle::new(self.vehicle_id.as_str().into(), run.source, liveness)
        });
        vehicle.liveness.seen = now;
        let newest = vehicle.newest;
        let is_newest = ping.event_time >= newest;
        let source = if is_newest { run.source } else { vehicle.source };
        let bound = self.rules.sources.bound(source, run);
        let hot_from = vehicle.hot_from(bound, ping.event_time, settings);
        let mut compared = true;
        match disposition {
            Disposition::OnTime | Disposition::Late | Disposition::Superseded => {
                vehicle.insert(&Fix::new(ping), hot_from, &mut SpareChunks::default());
                if is_newest {
                    vehicle.source = source;
                }
                let number = self.settings.len() - 1;
                if number > 0 {
                    self.settings_of.insert(ping.identity, number);
                }
            }
            Disposition::TooLate => vehicle.hot_from = hot_from,
            Disposition::Future
            | Disposition::Ancient
            | Disposition::RolloverSuspected
            | Disposition::Unspecified => compared = false,
        }
        self.rules.sources.archived(run);
        self.arrivals.push(Arrival {
            ping: ping.clone(),
            disposition,
            seq,
            newest: (newest > TimeMs::MIN).then_some(newest),
            hot_from: (compared && hot_from > TimeMs::MIN).then_some(hot_from),
        });
    }

    /// The same with the vehicle as it was known at `t`: it may have been
    /// forgotten since, and have begun anew. After all segments.
    #[must_use]
    pub fn at(mut self, t: TimeMs) -> Self {
        let mut lives = std::mem::take(&mut self.forgotten);
        lives.extend(self.vehicle);
        let has_begun =
            |vehicle: &Vehicle| vehicle.window.fixes().next().is_some_and(|fix| fix.t <= t);
        let life = lives.iter().rposition(has_begun).unwrap_or(0);
        self.vehicle = lives.into_iter().nth(life);
        self
    }

    /// The vehicle's pings in order of arrival, as far as segments were taken.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Event times of the pings that take part, rising.
    #[must_use]
    pub fn times(&self) -> Vec<TimeMs> {
        self.fixes().map(|fix| fix.t).collect()
    }

    /// Before this event time nothing is known of the vehicle; `None` if it is
    /// known from its first ping on.
    #[must_use]
    pub fn known_from(&self) -> Option<TimeMs> {
        let at = self.vehicle.as_ref()?.checkpoints.first().at;
        (at > TimeMs::MIN).then_some(at)
    }

    /// Start of the vehicle's hot window: what is before it is final.
    #[must_use]
    pub fn hot_from(&self) -> Option<TimeMs> {
        let hot_from = self.vehicle.as_ref()?.hot_from;
        (hot_from > TimeMs::MIN).then_some(hot_from)
    }

    /// The event time up to which the vehicle's pings are believed complete.
    /// Pings after it may still wait for their reorder delay.
    #[must_use]
    pub fn watermark(&self) -> Option<TimeMs> {
        Some(self.vehicle.as_ref()?.watermark(self.rules_now()))
    }

    /// Whether the input is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.rules.world.end.is_some()
    }

    /// The fence sets, oldest first.
    #[must_use]
    pub fn fences(&self) -> FenceHistory {
        self.rules.fence_history()
    }

    /// The settings that judged a ping at `t`, or would have.
    #[must_use]
    pub fn settings_at(&self, t: TimeMs) -> &Settings {
        let by_then = self.fixes().take_while(|fix| fix.t <= t);
        let by_then = by_then.map(|fix| self.settings_number(&fix)).max();
        let first = || self.fixes().next().map(|fix| self.settings_number(&fix));
        &self.settings[by_then.or_else(first).unwrap_or(0)]
    }

    /// The fence with this id as it was at `t`; `None` if there was none.
    #[must_use]
    pub fn fence_at(&self, fence: &str, t: TimeMs) -> Option<&Fence> {
        let timeline = &self.rules.world.timeline;
        let set = &timeline.epoch(timeline.number_at(t)).set;
        set.position_of(fence).map(|index| &set.fences()[index as usize])
    }

    /// The vehicle's tags at `t`, sorted.
    #[must_use]
    pub fn tags_at(&self, t: TimeMs) -> &[String] {
        self.rules.world.roster.of(&self.vehicle_id).named(t)
    }

    /// What the rules compare with at `t`, by the version of `fence` then.
    #[must_use]
    pub fn thresholds(&self, fence: Option<&str>, t: TimeMs) -> Thresholds {
        let timeline = &self.rules.world.timeline;
        let set = &timeline.epoch(timeline.number_at(t)).set;
        let index = fence.and_then(|id| set.position_of(id));
        thresholds(self.settings_at(t), index.map(|index| &set.fences()[index as usize]))
    }

    /// Every event that follows from the pings, of any fence and of none, in
    /// order of decision; last, what silence alone says.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.walk(|moved, machine, judge, scratch| {
            moved.make(machine, judge, scratch);
            let decided = scratch.decided.drain(..).map(|decided| Decision {
                at: decided.at,
                event: untold(&decided, &self.vehicle_id),
            });
            decisions.extend(decided);
        });
        decisions
    }

    /// The steps at `fence`, or of no fence, whose event time lies in
    /// `from..=through`. Turns and silence that come to nothing there are left
    /// out.
    #[must_use]
    pub fn steps(&self, fence: Option<&str>, from: TimeMs, through: TimeMs) -> Vec<Step> {
        let mut steps = Vec::new();
        self.walk(|moved, machine, judge, scratch| {
            if !(from..=through).contains(&moved.time()) {
                moved.make(machine, judge, scratch);
                scratch.decided.clear();
                return;
            }
            let step = moved.trace(machine, judge, fence, scratch);
            if self.concerns(&step, fence) {
                steps.push(step);
            }
        });
        steps
    }

    /// Whether a step may mean something at the wanted fence.
    fn concerns(&self, step: &Step, wanted: Wanted<'_>) -> bool {
        let version = |t| {
            let epoch = self.rules.world.timeline.epoch(self.rules.world.timeline.number_at(t));
            epoch.set.position_of(wanted?).map(|index| epoch.version(index))
        };
        let always = match step.moment {
            Moment::Ping(_) => true,
            Moment::Turn { at, .. } => version(at) != version(at.plus(-1)),
            Moment::Silence { .. } => wanted.is_none(),
        };
        let came_to = !step.events.is_empty() || !step.refusals.is_empty();
        always || came_to || step.before != step.after
    }

    /// Goes through everything that moves the vehicle's machine, in order.
    fn walk(&self, mut go: impl FnMut(Move<'_>, &mut Machine, &Judge<'_>, &mut Scratch)) {
        let Some(vehicle) = &self.vehicle else { return };
        let rules = self.rules_now();
        let mut machine = vehicle.checkpoints.first().machine().clone();
        let mut scratch = Scratch::default();
        let mut number = 0;
        let judge = |number: usize, ended| Judge {
            vehicle_id: &self.vehicle_id,
            settings: &self.settings[number],
            timeline: &self.rules.world.timeline,
            tags: self.rules.world.roster.of(&self.vehicle_id),
            ended,
        };
        for fix in self.fixes() {
            // A ping is judged again with every earlier one that comes after it.
            number = number.max(self.settings_number(&fix));
            let judge = &judge(number, false);
            while let Some(turn) = machine.next_turn(judge, fix.t) {
                go(turn, &mut machine, judge, &mut scratch);
            }
            go(Move::Fix(&fix), &mut machine, judge, &mut scratch);
        }
        let judge = &judge(number, rules.world.end.is_some());
        let tags = judge.tags.newest_from().unwrap_or(TimeMs::MIN);
        while let Some(turn) = machine.next_turn(judge, rules.in_force.max(tags)) {
            go(turn, &mut machine, judge, &mut scratch);
        }
        let watermark = vehicle.watermark(rules);
        while machine.wakes_by(watermark)
            && let Some(turn) = machine.next_turn(judge, watermark)
        {
            go(turn, &mut machine, judge, &mut scratch);
        }
        go(Move::Silence(watermark), &mut machine, judge, &mut scratch);

        let mark = self.rules.sources.silence_mark(vehicle.source).max(rules.world.end);
        let judge = &rules.judge(&self.vehicle_id);
        for dwell in machine.assumed(judge, mark, false, self.rules.now) {
            go(Move::Assumed(&dwell), &mut machine, judge, &mut scratch);
        }
    }

    /// The fixes that stand for their time, from the start of what is known.
    fn fixes(&self) -> impl Iterator<Item = Fix> + '_ {
        self.vehicle
            .iter()
            .flat_map(|vehicle| vehicle.window.winners(vehicle.checkpoints.first().at, TimeMs::MAX))
    }

    fn settings_number(&self, fix: &Fix) -> usize {
        self.settings_of.get(&fix.identity).copied().unwrap_or(0)
    }

    fn rules_now(&self) -> Rules<'_> {
        self.rules.world.rules(self.rules.now)
    }
}

/// A shard that forgets no tags or fences: without the vehicle it would not
/// know which of them still judge.
fn all_kept(mut rules: Detector) -> Detector {
    rules.forgotten_at = TimeMs::MAX;
    rules
}
