//! One vehicle: its clocks, its hot window, and what has been decided and
//! emitted from it (semantics §2 and §3).
//!
//! The window keeps every fix from the oldest checkpoint on; a checkpoint is
//! the machine right after some fix. A fix that arrives behind others takes
//! the vehicle back to the last checkpoint before it and judges again from
//! there; what differs from what was emitted leaves as corrections, at most
//! one operation per event and segment.

use protos::events::{FleetEvent, Op};

use crate::decided::{Body, Decided, Emission};
use crate::fix::Fix;
use crate::liveness::Liveness;
use crate::machine::{Judge, Machine, Scratch};
use crate::roster::Roster;
use crate::shown::Shown;
use crate::timeline::Timeline;
use crate::window::{Inserted, Window};
use crate::{OnSilence, Settings, TimeMs};

/// Fixes between two checkpoints at the most: the price of a late fix against
/// the memory of a vehicle.
const CHECKPOINT_FIXES: u32 = 32;
/// Fixes that a window holds at the most.
pub(crate) const WINDOW_FIXES_MAX: usize = 16_384;

/// The machine as it stood right after the fix at `at`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) at: TimeMs,
    pub(crate) machine: Machine,
}

/// Span of event time whose fixes changed after they were judged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stale {
    from: TimeMs,
    through: TimeMs,
}

/// State of one vehicle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vehicle {
    pub(crate) id: String,
    /// `M`: the largest event time accepted. [`TimeMs::MIN`] before the first.
    pub(crate) newest: TimeMs,
    /// `H`: start of the hot window; never goes back.
    pub(crate) hot_from: TimeMs,
    /// The source its newest ping came by; its first one before that.
    pub(crate) source: u32,
    pub(crate) window: Window,
    /// State after everything judged so far.
    pub(crate) machine: Machine,
    /// Event time of the last fix judged or timer fired.
    pub(crate) judged: TimeMs,
    /// In order of time; the first is the start of the window.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// Fixes judged since the last checkpoint.
    pub(crate) since_checkpoint: u32,
    /// Events decided since the first checkpoint, in order of decision.
    pub(crate) decided: Vec<Decided>,
    /// How many of `decided` have been emitted or need not be.
    pub(crate) settled: usize,
    /// Dwell events that rest on silence alone, by the machine as it stands:
    /// no window's start or checkpoint knows of them.
    pub(crate) assumed: Vec<Decided>,
    /// Emitted events that judging again has put in question.
    pub(crate) displaced: Vec<Decided>,
    stale: Option<Stale>,
    pub(crate) liveness: Liveness,
    pub(crate) shown: Shown,
}

/// What vehicles are judged by, besides their own fixes.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) timeline: &'a Timeline,
    pub(crate) roster: &'a Roster,
    /// The largest event time of the whole input, once that is over.
    pub(crate) end: Option<TimeMs>,
    /// `valid_from` of the newest fence set in force by now.
    pub(crate) in_force: TimeMs,
}

impl<'a> Rules<'a> {
    /// The rules as they stand at receive time `now`.
    pub(crate) fn at(
        now: TimeMs,
        settings: &'a Settings,
        timeline: &'a Timeline,
        roster: &'a Roster,
        end: Option<TimeMs>,
    ) -> Self {
        let known = end.map_or(now, |end| end.max(now));
        let in_force = timeline.epoch(timeline.number_at(known)).valid_from;
        Self { settings, timeline, roster, end, in_force }
    }
}

impl<'a> Rules<'a> {
    /// What the vehicle with this id is judged by.
    pub(crate) fn judge(self, vehicle_id: &'a str) -> Judge<'a> {
        Judge {
            vehicle_id,
            settings: self.settings,
            timeline: self.timeline,
            tags: self.roster.of(vehicle_id),
            ended: self.end.is_some(),
        }
    }
}

/// Where a ping falls among its vehicle's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lateness {
    OnTime,
    Late,
    TooLate,
}

impl Vehicle {
    pub(crate) fn new(id: String, source: u32, liveness: Liveness) -> Self {
        Self {
            id,
            newest: TimeMs::MIN,
            hot_from: TimeMs::MIN,
            source,
            window: Window::default(),
            machine: Machine::default(),
            judged: TimeMs::MIN,
            checkpoints: vec![Checkpoint { at: TimeMs::MIN, machine: Machine::default() }],
            since_checkpoint: 0,
            decided: Vec::new(),
            settled: 0,
            assumed: Vec::new(),
            displaced: Vec::new(),
            stale: None,
            liveness,
            shown: Shown::default(),
        }
    }

    /// Where a ping with event time `t` falls: `H ≤ t` counts, `t < W` is
    /// late. `hot_from` is the `H` that holds for this ping.
    pub(crate) fn lateness(&self, t: TimeMs, hot_from: TimeMs, settings: &Settings) -> Lateness {
        if t < hot_from {
            Lateness::TooLate
        } else if t < self.newest.plus(-settings.reorder_delay_ms) {
            Lateness::Late
        } else {
            Lateness::OnTime
        }
    }

    /// `H` as `bound` would have it: the smaller of `M` and the source's low
    /// mark, if that bounds lateness, less the hot lateness.
    pub(crate) fn hot_from(&self, bound: Bound, t: TimeMs, settings: &Settings) -> TimeMs {
        let newest = self.newest.max(t);
        let mark = match bound {
            Bound::LowMark(Some(mark)) => newest.min(mark),
            Bound::LowMark(None) => TimeMs::MIN,
            Bound::Newest => newest,
        };
        self.hot_from.max(mark.plus(-settings.hot_lateness_ms))
    }

    /// Takes `fix` into the window and moves the clocks.
    pub(crate) fn insert(&mut self, fix: Fix, hot_from: TimeMs) -> Inserted {
        let inserted = self.window.insert(fix);
        if inserted == Inserted::Duplicate {
            return inserted;
        }
        self.newest = self.newest.max(fix.t);
        self.hot_from = hot_from;
        if fix.t <= self.judged && inserted != Inserted::Superseded {
            let stale = self.stale.get_or_insert(Stale { from: fix.t, through: fix.t });
            stale.from = stale.from.min(fix.t);
            stale.through = stale.through.max(fix.t);
        }
        inserted
    }

    /// `W`: the event time up to which the vehicle's pings are believed to be
    /// complete.
    pub(crate) fn watermark(&self, rules: Rules<'_>) -> TimeMs {
        let own = self.newest.plus(-rules.settings.reorder_delay_ms);
        rules.end.map_or(own, |end| own.max(end))
    }

    /// Judges the fixes up to `through`, and again what has changed behind
    /// them. A fence set in force decides without waiting for earlier pings.
    pub(crate) fn judge(&mut self, rules: Rules<'_>, through: TimeMs, scratch: &mut Scratch) {
        if let Some(stale) = self.stale.take() {
            self.judge_again(stale, rules, scratch);
        }
        let id = std::mem::take(&mut self.id);
        let judge = rules.judge(&id);
        // Tags are never dated ahead: the newest are in force.
        let in_force =
            judge.tags.newest_from().map_or(rules.in_force, |from| from.max(rules.in_force));
        for fix in self.window.winners(self.judged, through.max(in_force)) {
            self.machine.step(judge, fix, scratch);
            self.judged = fix.t;
            self.since_checkpoint += 1;
            let last = self.checkpoints.last().map_or(TimeMs::MIN, |checkpoint| checkpoint.at);
            let span = if last == TimeMs::MIN { 0 } else { fix.t.since(last) };
            if self.since_checkpoint >= CHECKPOINT_FIXES || span >= rules.settings.hot_lateness_ms {
                let machine = self.machine.clone();
                self.checkpoints.push(Checkpoint { at: fix.t, machine });
                self.since_checkpoint = 0;
            }
        }
        if self.machine.last.is_some() {
            self.judged = self.judged.max(in_force);
        }
        let gaps = self.gaps_known(rules);
        if self.machine.run_timers(judge, self.judged, gaps, scratch) {
            // A fix that yet comes to fill the gap is behind what was judged.
            self.judged = self.judged.max(gaps);
        }
        self.id = id;
        self.take_decided(scratch, false);
    }

    /// The event time up to which gaps are known: the watermark, but not past
    /// a fix that still waits to be judged.
    fn gaps_known(&self, rules: Rules<'_>) -> TimeMs {
        let watermark = self.watermark(rules);
        let waiting = self.window.winners(self.judged, TimeMs(i64::MAX)).next();
        waiting.map_or(watermark, |fix| watermark.min(fix.t.plus(-1)))
    }

    /// Whether the next judgement goes back over what was judged.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Has what was judged from `valid_from` on judged again, since other
    /// fences or tags hold from then on.
    pub(crate) fn rules_changed(&mut self, valid_from: TimeMs) {
        if valid_from <= self.judged {
            let stale = self.stale.get_or_insert(Stale { from: valid_from, through: self.judged });
            stale.from = stale.from.min(valid_from);
            stale.through = self.judged;
        }
    }

    /// Judges again from the last checkpoint before what changed, until the
    /// machine meets a later checkpoint's state or everything is done.
    fn judge_again(&mut self, stale: Stale, rules: Rules<'_>, scratch: &mut Scratch) {
        let kept = self.checkpoints.partition_point(|checkpoint| checkpoint.at < stale.from);
        let later = self.checkpoints.split_off(kept.max(1));
        let base = self.checkpoints.last().expect("a vehicle keeps its first checkpoint").clone();
        let head = std::mem::replace(&mut self.machine, base.machine);
        let first_again = self.decided.partition_point(|decided| decided.at <= base.at);
        let mut questioned = self.decided.split_off(first_again);
        self.settled = self.settled.min(first_again);
        self.since_checkpoint = 0;

        let id = std::mem::take(&mut self.id);
        let judge = rules.judge(&id);
        let refused = scratch.refused;
        let mut met = None;
        let mut expected = later.iter().enumerate().peekable();
        for fix in self.window.winners(base.at, self.judged) {
            self.machine.step(judge, fix, scratch);
            self.since_checkpoint += 1;
            let stood = expected.next_if(|(_, later)| later.at == fix.t);
            if let Some((i, checkpoint)) = stood
                && fix.t >= stale.through
                && checkpoint.machine == self.machine
            {
                met = Some(i);
                break;
            }
            // Late fixes fill the space between: a window that grows backwards
            // needs new checkpoints as much as one that grows forwards.
            if stood.is_some() || self.since_checkpoint >= CHECKPOINT_FIXES {
                let machine = self.machine.clone();
                self.checkpoints.push(Checkpoint { at: fix.t, machine });
                self.since_checkpoint = 0;
            }
        }
        if met.is_none() {
            let gaps = self.gaps_known(rules);
            if self.machine.run_timers(judge, self.judged, gaps, scratch) {
                self.judged = self.judged.max(gaps);
            }
        }
        self.id = id;
        // Refusals count once, when a fix is first judged in its place.
        scratch.refused = refused;

        self.take_decided(scratch, true);
        if let Some(i) = met {
            // From here on everything is as it was.
            let at = later[i].at;
            self.machine = head;
            self.checkpoints.extend(later.into_iter().skip(i));
            self.since_checkpoint =
                self.window.winners(self.last_checkpoint(), self.judged).count() as u32;
            let same_from = questioned.partition_point(|decided| decided.at <= at);
            self.decided.extend(questioned.drain(same_from..));
        }
        self.displaced.extend(questioned.into_iter().filter(|decided| decided.emitted));
    }

    fn last_checkpoint(&self) -> TimeMs {
        self.checkpoints.last().map_or(TimeMs::MIN, |checkpoint| checkpoint.at)
    }

    /// Files what the machine has decided. Times of decision never go back,
    /// so that the list can be cut at a checkpoint.
    fn take_decided(&mut self, scratch: &mut Scratch, late: bool) {
        let mut at = self.decided.last().map_or(TimeMs::MIN, |decided| decided.at);
        for mut decided in scratch.decided.drain(..) {
            at = at.max(decided.at);
            decided.at = at;
            decided.late = late;
            self.judged = self.judged.max(at);
            self.decided.push(decided);
        }
    }

    /// The operations that lead from what was emitted to what is decided now.
    /// `now` stands in for the receive time of the ping behind a retraction.
    pub(crate) fn operations(
        &mut self,
        settings: &Settings,
        revision: u64,
        now: TimeMs,
        out: &mut Vec<FleetEvent>,
    ) {
        let all_said = self.settled == self.decided.len()
            && self.assumed.iter().all(|assumed| assumed.emitted);
        if self.displaced.is_empty() && all_said {
            return;
        }
        let mut asserted = Vec::new();
        for i in self.settled..self.decided.len() + self.assumed.len() {
            let decided = self.standing_mut(i);
            if std::mem::replace(&mut decided.emitted, true) {
                continue;
            }
            let id = decided.body.id;
            let old = self.displaced.iter().position(|old| old.body.id == id);
            match old.map(|old| self.displaced.swap_remove(old)) {
                Some(old) if old.body == self.standing(i).body => {}
                Some(_) => out.push(self.emit(self.standing(i), Op::Amend, revision, None)),
                None => asserted.push(i),
            }
        }
        self.settled = self.decided.len();

        let mut retracted = std::mem::take(&mut self.displaced);
        if settings.on_silence == OnSilence::Assume {
            // Whether a dwell was assumed last or decided must not show in
            // what replaces it.
            retracted.sort_unstable_by_key(|old| (old.body.time, old.body.id));
        }
        let mut replaced = vec![false; retracted.len()];
        for i in asserted {
            let decided = self.standing(i);
            let old = (0..retracted.len())
                .find(|&old| !replaced[old] && retracted[old].body.same_subject(&decided.body));
            let replaces = old.map(|old| {
                replaced[old] = true;
                retracted[old].body.id
            });
            out.push(self.emit(decided, Op::Assert, revision, replaces));
        }
        for old in &retracted {
            let old = Decided { observed: now, late: true, ..old.clone() };
            out.push(self.emit(&old, Op::Retract, revision, None));
        }
    }

    /// One of the events that stand: those decided, then those assumed.
    fn standing(&self, i: usize) -> &Decided {
        self.decided.get(i).unwrap_or_else(|| &self.assumed[i - self.decided.len()])
    }

    fn standing_mut(&mut self, i: usize) -> &mut Decided {
        match i.checked_sub(self.decided.len()) {
            None => &mut self.decided[i],
            Some(i) => &mut self.assumed[i],
        }
    }

    fn emit(&self, decided: &Decided, op: Op, revision: u64, replaces: Option<u128>) -> FleetEvent {
        decided.body.emit(Emission {
            op,
            revision,
            vehicle_id: &self.id,
            observed: decided.observed,
            late: decided.late,
            replaces,
        })
    }

    /// Takes what has been asserted from `recorded` where it differs from what
    /// was `computed` for the same segment. The difference leaves as ordinary
    /// corrections when the vehicle is next touched.
    pub(crate) fn set_record(&mut self, computed: &[&FleetEvent], recorded: &[&FleetEvent]) {
        let differs = |event: &&FleetEvent, others: &[&FleetEvent]| !others.contains(event);
        for event in computed.iter().filter(|event| differs(event, recorded)) {
            let Some(decided) = self.as_decided(event) else { continue };
            if event.op() == Op::Retract {
                // The sinks still hold it, unless the record says otherwise.
                if recorded.iter().all(|other| other.event_id != event.event_id) {
                    self.displaced.push(Decided { emitted: true, ..decided });
                }
            } else if !self.unsay(decided.body.id) {
                // Decided and forgotten in one segment.
                self.decided.insert(0, decided);
            }
        }
        for event in recorded.iter().filter(|event| differs(event, computed)) {
            let Some(decided) = self.as_decided(event) else { continue };
            self.unsay(decided.body.id);
            self.displaced.retain(|old| old.body.id != decided.body.id);
            if event.op() != Op::Retract {
                self.displaced.push(Decided { emitted: true, ..decided });
            }
        }
        self.settled = 0;
    }

    /// Takes it that no operation has told the event with this id. Returns
    /// whether it is among those that stand.
    fn unsay(&mut self, id: u128) -> bool {
        let mut found = false;
        let standing = self.decided.iter_mut().chain(&mut self.assumed);
        for decided in standing.filter(|decided| decided.body.id == id) {
            decided.emitted = false;
            found = true;
        }
        found
    }

    /// An event as the window's start would have decided it; `None` if it is
    /// none of ours.
    fn as_decided(&self, event: &FleetEvent) -> Option<Decided> {
        Some(Decided {
            at: self.checkpoints[0].at,
            observed: TimeMs(event.observed_at_ms),
            emitted: false,
            late: event.late,
            body: Body::from_event(event.clone())?,
        })
    }

    /// Forgets what no ping that still counts can change.
    pub(crate) fn forget_cold(&mut self) {
        let cold = self
            .checkpoints
            .iter()
            .skip(1)
            .take_while(|checkpoint| checkpoint.at < self.hot_from)
            .count();
        if cold > 0 {
            self.checkpoints.drain(..cold);
            let start = self.checkpoints[0].at;
            self.window.forget_through(start);
            let final_count =
                self.decided[..self.settled].partition_point(|decided| decided.at <= start);
            self.decided.drain(..final_count);
            self.settled -= final_count;
        }
    }

    /// Moves the window's start up to halve it, for want of memory. Returns
    /// how many fixes gave way; 0 only if none was judged.
    pub(crate) fn give_way(&mut self) -> usize {
        let before = self.window.len();
        if self.checkpoints.len() == 1 && self.checkpoints[0].at < self.judged {
            // Few fixes judged, or many of one time.
            let machine = self.machine.clone();
            self.checkpoints.push(Checkpoint { at: self.judged, machine });
            self.since_checkpoint = 0;
        }
        let middle = self.checkpoints[self.checkpoints.len() / 2].at;
        self.hot_from = self.hot_from.max(middle.plus(1));
        self.forget_cold();
        before - self.window.len()
    }

    /// The first fence epoch that this vehicle may still be judged by; `None`
    /// before its first fix.
    pub(crate) fn oldest_epoch(&self, timeline: &Timeline) -> Option<u32> {
        let base = &self.checkpoints[0].machine;
        if let Some(last) = base.last {
            // A change since the last fix lies on the step to the next one.
            return Some(timeline.number_at(last.t).min(base.epoch));
        }
        let first = self.window.fixes().first()?;
        Some(timeline.number_at(first.t.min(self.hot_from)))
    }

    /// The earliest event time at which the vehicle may still be judged by its
    /// tags; `None` before its first fix.
    pub(crate) fn tags_needed_from(&self) -> Option<TimeMs> {
        let base = &self.checkpoints[0].machine;
        match base.last {
            Some(last) => Some(base.assigned.map_or(last.t, |from| from.min(last.t))),
            None => Some(self.window.fixes().first()?.t.min(self.hot_from)),
        }
    }
}

/// What bounds the lateness of a vehicle's pings besides its own newest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Nothing: the source's receive times say nothing of its backlog.
    Newest,
    /// The source's low mark; without one nothing is too late.
    LowMark(Option<TimeMs>),
}
