//! Events folded by their id: the highest revision wins, a retract hides.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::{Event, Op};
use crate::truth::Kind;

/// All events so far.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    newest: HashMap<u128, Event>,
    operations: u64,
    /// By kind; `None` for kinds that the truth does not know.
    corrections: BTreeMap<Option<Kind>, u64>,
    repeated: u64,
    contradicted: u64,
}

impl Fold {
    /// Takes an operation. Returns whether it was one that had not been seen.
    pub fn take(&mut self, event: Event) -> bool {
        match self.newest.entry(event.id) {
            Entry::Occupied(newest) if newest.get().revision == event.revision => {
                self.repeated += 1;
                self.contradicted += u64::from(*newest.get() != event);
                return false;
            }
            Entry::Occupied(mut newest) => {
                if newest.get().revision < event.revision {
                    newest.insert(event);
                }
            }
            Entry::Vacant(free) => {
                free.insert(event);
            }
        }
        self.operations += 1;
        if event.op != Op::Assert {
            *self.corrections.entry(event.kind).or_default() += 1;
        }
        true
    }

    /// The events that hold, in no order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.newest.values().filter(|event| event.op != Op::Retract)
    }

    /// Operations, but for [`Self::repeated`] ones.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Amends and retracts among them.
    #[must_use]
    pub fn corrections(&self) -> u64 {
        self.corrections.values().sum()
    }

    /// The same by kind; kinds without any, or that the truth does not know, are
    /// left out.
    pub fn corrections_by_kind(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.corrections.iter().filter_map(|(kind, &count)| Some(((*kind)?, count)))
    }

    /// Operations that came again, with the newest revision of their event:
    /// delivery is at least once.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Of those, the ones that said something else than at first: whoever folds
    /// cannot know which holds.
    #[must_use]
    pub fn contradicted(&self) -> u64 {
        self.contradicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u128, revision: u64, op: Op) -> Event {
        Event {
            id,
            op,
            revision,
            kind: Some(Kind::Enter),
            vehicle: None,
            fence: None,
            t_ms: 0,
            interval_ms: None,
            threshold_ms: 0,
            late: false,
        }
    }

    #[test]
    fn the_highest_revision_wins_in_any_order_and_repeats_are_counted() {
        let operations =
            [event(1, 5, Op::Assert), event(1, 7, Op::Retract), event(2, 6, Op::Assert)];
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            let mut fold = Fold::default();
            for index in order {
                assert!(fold.take(operations[index]));
            }
            let held: Vec<u128> = fold.events().map(|event| event.id).collect();
            assert_eq!(held, [2]);
            assert_eq!((fold.corrections(), fold.operations()), (1, 3));
            assert_eq!(fold.corrections_by_kind().collect::<Vec<_>>(), [(Kind::Enter, 1)]);
        }
    }

    #[test]
    fn a_revision_that_comes_again_and_says_something_else_is_counted() {
        let mut fold = Fold::default();
        let (first, newer) = (event(1, 5, Op::Assert), event(1, 6, Op::Amend));
        fold.take(first);
        assert!(!fold.take(Event { t_ms: 1, ..first }));
        assert_eq!((fold.repeated(), fold.contradicted()), (1, 1));
        fold.take(newer);
        fold.take(newer);
        assert!(!fold.take(Event { op: Op::Retract, ..newer }));
        assert_eq!((fold.operations(), fold.repeated(), fold.contradicted()), (2, 3, 2));
        // What was first said holds.
        assert_eq!(fold.events().collect::<Vec<_>>(), [&newer]);
    }

    #[test]
    fn an_event_may_return() {
        let mut fold = Fold::default();
        for (revision, op) in [(1, Op::Assert), (2, Op::Retract), (3, Op::Assert)] {
            fold.take(event(9, revision, op));
        }
        fold.take(event(9, 3, Op::Assert));
        assert_eq!((fold.events().count(), fold.repeated()), (1, 1));
    }
}
