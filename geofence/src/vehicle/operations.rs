//! From what was emitted to what is decided now.

use protos::events::{FleetEvent, Id, Op};
use smallvec::SmallVec;

use super::Vehicle;
use crate::decided::{Body, Decided, Emission};
use crate::{OnSilence, Settings, TimeMs};

impl Vehicle {
    /// The operations that lead from what was emitted to what is decided now.
    /// `now` stands in for the receive time of the ping behind a retraction.
    /// What they amend goes to `amended` as it was told before. Returns whether
    /// anything was decided or put in question since the last call.
    #[inline]
    pub(crate) fn operations(
        &mut self,
        settings: &Settings,
        revision: u64,
        now: TimeMs,
        out: &mut Vec<FleetEvent>,
        amended: &mut Vec<Decided>,
    ) -> bool {
        let untold = std::mem::take(&mut self.untold);
        if untold {
            self.tell_untold(settings, revision, now, out, amended);
        }
        untold
    }

    /// Apart from what asks for it: of most pings nothing is to be told.
    fn tell_untold(
        &mut self,
        settings: &Settings,
        revision: u64,
        now: TimeMs,
        out: &mut Vec<FleetEvent>,
        amended: &mut Vec<Decided>,
    ) {
        // Mostly one or two: without an allocation.
        let mut asserted = SmallVec::<[usize; 8]>::new();
        for i in self.settled as usize..self.decided.len() + self.assumed.len() {
            let decided = self.standing_mut(i);
            if std::mem::replace(&mut decided.emitted, true) {
                continue;
            }
            let id = decided.body.id;
            let old = self.displaced.iter().position(|old| old.body.id == id);
            match old.map(|old| self.displaced.swap_remove(old)) {
                Some(old) if old.body == self.standing(i).body => {
                    // It stands as it was told, whenever it is decided again.
                    let standing = self.standing_mut(i);
                    (standing.observed, standing.late) = (old.observed, old.late);
                }
                Some(old) => {
                    out.push(self.emit(self.standing(i), Op::Amend, revision, Id::NONE));
                    amended.push(old);
                }
                None => asserted.push(i),
            }
        }
        self.settled = self.decided.len() as u32;

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
            let replaces = old.map_or(Id::NONE, |old| {
                replaced[old] = true;
                retracted[old].body.id
            });
            out.push(self.emit(decided, Op::Assert, revision, replaces));
        }
        for old in retracted.iter() {
            let old = Decided { observed: now, late: true, ..old.clone() };
            out.push(self.emit(&old, Op::Retract, revision, Id::NONE));
        }
    }

    /// The operation that tells at once of an event that no ping changes;
    /// `None` if it was told alike: a record may have had it before the core.
    pub(crate) fn tell(
        &mut self,
        body: &Body,
        observed: TimeMs,
        revision: u64,
        amended: &mut Vec<Decided>,
    ) -> Option<FleetEvent> {
        let old = self.displaced.iter().position(|old| old.body.id == body.id);
        let op = match old.map(|old| self.displaced.swap_remove(old)) {
            Some(old) if *old.body == *body => return None,
            Some(old) => {
                amended.push(old);
                Op::Amend
            }
            None => Op::Assert,
        };
        let (vehicle_id, late, replaces) = (&self.id, false, Id::NONE);
        Some(body.emit(Emission { op, revision, vehicle_id, observed, late, replaces }))
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

    fn emit(&self, decided: &Decided, op: Op, revision: u64, replaces: Id) -> FleetEvent {
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
    /// was `computed` for the same segment; `amended` has what that amends. The
    /// difference leaves as ordinary corrections when the vehicle is next
    /// touched.
    pub(crate) fn set_record(
        &mut self,
        computed: &[&FleetEvent],
        recorded: &[&FleetEvent],
        amended: &[Decided],
    ) {
        let differs = |event: &&FleetEvent, others: &[&FleetEvent]| !others.contains(event);
        let tells = |id: Id, events: &[&FleetEvent]| events.iter().any(|it| it.event_id == id);
        for event in computed.iter().filter(|event| differs(event, recorded)) {
            let Some(decided) = self.as_decided(event) else { continue };
            // What the sinks hold still, unless the record says otherwise.
            let held = match event.op() {
                Op::Retract => Some(decided.clone()),
                _ => amended.iter().find(|old| old.body.id == decided.body.id).cloned(),
            };
            if !tells(event.event_id, recorded) {
                self.displaced.extend(held.map(|held| Decided { emitted: true, ..held }));
            }
            if event.op() != Op::Retract && !self.unsay(decided.body.id) {
                // Decided and forgotten in one segment.
                self.decided.insert(0, decided);
            }
        }
        for event in recorded.iter().filter(|event| differs(event, computed)) {
            let Some(decided) = self.as_decided(event) else { continue };
            let stands = self.unsay(decided.body.id);
            self.displaced.retain(|old| old.body.id != decided.body.id);
            // Told before the window begins, it is final, and the core no longer
            // knows it: of a retraction, what it was; of an amend, nothing.
            let is_final = !stands && !tells(event.event_id, computed);
            match event.op() {
                Op::Retract if is_final => self.decided.insert(0, decided),
                Op::Amend if is_final => {}
                Op::Retract => {}
                Op::Assert | Op::Amend | Op::Unspecified => {
                    self.displaced.push(Decided { emitted: true, ..decided })
                }
            }
        }
        self.settled = 0;
        self.untold = true;
    }

    /// Takes it that no operation has told the event with this id. Returns
    /// whether it is among those that stand.
    fn unsay(&mut self, id: Id) -> bool {
        let mut found = false;
        let standing = self.decided.iter_mut().chain(&mut *self.assumed);
        for decided in standing.filter(|decided| decided.body.id == id) {
            decided.emitted = false;
            found = true;
        }
        found
    }

    /// Takes `dwells` for what follows from silence now. What was told of it
    /// before and no longer follows is put in question.
    pub(crate) fn set_assumed(&mut self, dwells: Vec<Decided>) {
        let told = std::mem::replace(&mut self.assumed, dwells.into());
        self.displaced.extend(told.into_iter().filter(|decided| decided.emitted));
        self.assumes = !self.assumed.is_empty();
        self.untold = true;
    }

    /// An event as the window's start would have decided it; `None` if it is
    /// none of ours.
    fn as_decided(&self, event: &FleetEvent) -> Option<Decided> {
        Some(Decided {
            at: self.checkpoints.first().at,
            observed: TimeMs(event.observed_at_ms),
            emitted: false,
            late: event.late,
            body: Box::new(Body::from_event(event.clone())?),
        })
    }
}
