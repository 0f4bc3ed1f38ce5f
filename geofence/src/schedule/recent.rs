//! Answers that were asked for lately, for all who share them and ask again.

use std::borrow::Borrow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The `MAX` answers that were asked for last, the very last one first.
#[derive(Debug)]
pub(super) struct Recent<K, T, const MAX: usize>(Mutex<Vec<(K, Arc<T>)>>);

impl<K, T, const MAX: usize> Recent<K, T, MAX> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// What `make` answers to `key`, made now unless it is kept.
    pub(super) fn get<Q>(&self, key: &Q, make: impl FnOnce() -> T) -> Arc<T>
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + PartialEq + ?Sized,
    {
        if let Some(kept) = self.kept(key) {
            return kept;
        }
        // Made without the lock: two who ask at once both make it, and nobody waits.
        let made = Arc::new(make());
        let mut answers = self.lock();
        answers.retain(|(other, _)| other.borrow() != key);
        answers.insert(0, (key.to_owned(), Arc::clone(&made)));
        answers.truncate(MAX);
        made
    }

    fn kept<Q>(&self, key: &Q) -> Option<Arc<T>>
    where
        K: Borrow<Q>,
        Q: PartialEq + ?Sized,
    {
        let mut answers = self.lock();
        let place = answers.iter().position(|(other, _)| other.borrow() == key)?;
        answers[..=place].rotate_right(1);
        Some(Arc::clone(&answers[0].1))
    }

    /// Every step taken with the lock leaves answers that are whole.
    fn lock(&self) -> MutexGuard<'_, Vec<(K, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_what_was_not_asked_for_lately_is_made() {
        let recent = Recent::<i64, i64, 4>::new();
        let made = Cell::new(0);
        let ask = |number: i64| {
            let before = made.get();
            let answer = recent.get(&number, || {
                made.set(made.get() + 1);
                number * 10
            });
            assert_eq!(*answer, number * 10);
            made.get() > before
        };
        assert_eq!([1, 1, 2, 1, 3, 4].map(ask), [true, false, true, false, true, true]);
        // Of these four, 2 was asked for longest ago and goes.
        assert_eq!([5, 1, 3, 4, 5].map(ask), [true, false, false, false, false]);
        assert_eq!([2, 5, 1].map(ask), [true, false, true]);
        assert_eq!(recent.lock().len(), 4);
    }
}
