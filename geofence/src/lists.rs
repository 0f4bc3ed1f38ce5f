//! Lists of which a vehicle mostly holds nothing, or one or two.

use std::ops::{Deref, DerefMut};

/// A list that is nearly always empty, and then one word: what is rare is paid
/// for by those that have it.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "a vector's own three words are what is saved")]
pub(crate) struct RareList<T>(Option<Box<Vec<T>>>);

impl<T> RareList<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    fn list(&mut self) -> &mut Vec<T> {
        self.0.get_or_insert_default()
    }

    pub(crate) fn push(&mut self, item: T) {
        let list = self.list();
        make_room(list, 1);
        list.push(item);
    }

    pub(crate) fn insert(&mut self, place: usize, item: T) {
        let list = self.list();
        make_room(list, 1);
        list.insert(place, item);
    }

    pub(crate) fn swap_remove(&mut self, place: usize) -> T {
        self.list().swap_remove(place)
    }

    pub(crate) fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        if let Some(list) = &mut self.0 {
            list.retain(is_kept);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Takes the items from `place` on away.
    pub(crate) fn split_off(&mut self, place: usize) -> Vec<T> {
        self.0.as_mut().map(|list| list.split_off(place)).unwrap_or_default()
    }

    /// Takes the first `count` away.
    pub(crate) fn drain_first(&mut self, count: usize) -> impl Iterator<Item = T> + '_ {
        self.0.iter_mut().flat_map(move |list| list.drain(..count))
    }
}

impl<T> Default for RareList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for RareList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map(|list| list.as_slice()).unwrap_or_default()
    }
}

impl<T> DerefMut for RareList<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_mut().map(|list| list.as_mut_slice()).unwrap_or_default()
    }
}

impl<T: PartialEq> PartialEq for RareList<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> From<Vec<T>> for RareList<T> {
    fn from(list: Vec<T>) -> Self {
        Self((!list.is_empty()).then(|| Box::new(list)))
    }
}

impl<T> FromIterator<T> for RareList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Vec::from_iter(items).into()
    }
}

impl<T> Extend<T> for RareList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> IntoIterator for RareList<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|list| *list).unwrap_or_default().into_iter()
    }
}

/// Makes room for so many more in a list of which most vehicles hold one or two:
/// a vector's own first push would make room for four.
pub(crate) fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(1 + list.len() / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_a_word_and_equal_to_one_that_was_emptied() {
        assert_eq!(size_of::<RareList<[u64; 20]>>(), size_of::<usize>());
        let mut list: RareList<u8> = [3, 1, 2].into_iter().collect();
        list.insert(1, 9);
        assert_eq!(*list, [3, 9, 1, 2]);
        assert_eq!(list.drain_first(2).collect::<Vec<_>>(), [3, 9]);
        assert_eq!(list.split_off(1), [2]);
        list.retain(|_| false);
        assert_eq!(list, RareList::from(Vec::new()));
        let mut empty = RareList::<u8>::new();
        assert_eq!(empty.drain_first(0).next(), None);
        assert!(empty.split_off(1).is_empty());
        assert_eq!(empty.into_iter().next(), None);
    }
}
