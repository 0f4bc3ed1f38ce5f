//! The machine as it stood after some of the window's fixes.

use std::collections::VecDeque;

use crate::TimeMs;
use crate::lists::RareList;
use crate::machine::{FRESH, Machine};
use crate::timeline::Timeline;

/// The machine as it stood right after the fix at `at`.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) at: TimeMs,
    /// `None` for the one before the first fix.
    machine: Option<Box<Machine>>,
}

impl Checkpoint {
    pub(crate) fn restore(at: TimeMs, machine: Machine) -> Self {
        Self { at, machine: (machine != FRESH).then(|| Box::new(machine)) }
    }

    /// Has all of the machine measured, as [`Machine::measure`] does.
    pub(super) fn measure(&mut self, timeline: &Timeline) {
        if let Some(machine) = &mut self.machine {
            machine.measure(timeline);
        }
    }

    pub(crate) fn machine(&self) -> &Machine {
        self.machine.as_deref().unwrap_or(&FRESH)
    }
}

/// The only checkpoint of a vehicle that has no other yet.
static BEFORE_THE_FIRST: Checkpoint = Checkpoint { at: TimeMs::MIN, machine: None };

/// Checkpoints in order of time, at least one; the first is the start of the
/// window.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// Empty while the one before the first fix is all there is.
    list: RareList<Checkpoint>,
    /// Time of the last, and of the second: what every ping asks for is at
    /// hand.
    last_at: TimeMs,
    second_at: TimeMs,
}

/// Machines that no checkpoint holds, to be used again.
#[derive(Debug, Default)]
pub(crate) struct SpareMachines(VecDeque<Box<Machine>>);

/// Spare machines kept at the most.
const SPARES_MAX: usize = 4_096;

impl SpareMachines {
    fn copy_of(&mut self, machine: &Machine) -> Box<Machine> {
        let spare = if machine.is_small() { self.0.pop_back() } else { None };
        match spare {
            Some(mut copy) => {
                Machine::clone_from(&mut copy, machine);
                copy
            }
            None => Box::new(machine.clone()),
        }
    }

    pub(super) fn keep(&mut self, machine: Box<Machine>) {
        if self.0.len() < SPARES_MAX && machine.is_small() {
            self.0.push_back(machine);
        }
    }
}

impl Checkpoints {
    /// Before the first fix.
    pub(super) fn new() -> Self {
        Self::of(RareList::new())
    }

    /// Those of a snapshot; `None` if there are none.
    pub(crate) fn restore(list: Vec<Checkpoint>) -> Option<Self> {
        let list = match list.as_slice() {
            [] => return None,
            [Checkpoint { at: TimeMs::MIN, machine: None }] => RareList::new(),
            _ => list.into(),
        };
        Some(Self::of(list))
    }

    fn of(list: RareList<Checkpoint>) -> Self {
        let mut checkpoints = Self { list, last_at: TimeMs::MIN, second_at: TimeMs::MAX };
        checkpoints.note();
        checkpoints
    }

    fn note(&mut self) {
        self.last_at = self.last().at;
        self.second_at = self.list.get(1).map_or(TimeMs::MAX, |second| second.at);
    }

    /// All of them, at least one.
    pub(crate) fn all(&self) -> &[Checkpoint] {
        if self.list.is_empty() { std::slice::from_ref(&BEFORE_THE_FIRST) } else { &self.list }
    }

    pub(crate) fn first(&self) -> &Checkpoint {
        &self.all()[0]
    }

    /// Time of the last one.
    pub(super) fn last_at(&self) -> TimeMs {
        self.last_at
    }

    pub(super) fn last(&self) -> &Checkpoint {
        self.list.last().unwrap_or(&BEFORE_THE_FIRST)
    }

    /// The one half way through the window.
    pub(super) fn middle(&self) -> &Checkpoint {
        let all = self.all();
        &all[all.len() / 2]
    }

    pub(super) fn is_one(&self) -> bool {
        self.list.len() <= 1
    }

    pub(super) fn push(&mut self, at: TimeMs, machine: &Machine, spares: &mut SpareMachines) {
        if self.list.is_empty() {
            self.list.push(BEFORE_THE_FIRST.clone());
        }
        self.list.push(Checkpoint { at, machine: Some(spares.copy_of(machine)) });
        self.note();
    }

    /// Takes those at `from` and after away, but for the first.
    pub(super) fn split_off(&mut self, from: TimeMs) -> Vec<Checkpoint> {
        let kept = self.list.partition_point(|checkpoint| checkpoint.at < from);
        let later = self.list.split_off(kept.max(1));
        self.note();
        later
    }

    pub(super) fn extend(&mut self, later: impl IntoIterator<Item = Checkpoint>) {
        self.list.extend(later);
        self.note();
    }

    /// Whether a later one before `hot_from` makes any dispensable.
    #[inline]
    pub(super) fn has_before(&self, hot_from: TimeMs) -> bool {
        self.second_at < hot_from
    }

    /// Forgets those that a later one before `hot_from` makes dispensable.
    pub(super) fn forget_before(&mut self, hot_from: TimeMs, spares: &mut SpareMachines) {
        let cold = self.list.iter().skip(1).take_while(|later| later.at < hot_from).count();
        for checkpoint in self.list.drain_first(cold) {
            if let Some(machine) = checkpoint.machine {
                spares.keep(machine);
            }
        }
        self.note();
    }
}
