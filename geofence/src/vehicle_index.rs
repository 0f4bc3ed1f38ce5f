//! Which slot a vehicle's id has: a table of hashes. The ids themselves lie
//! with the vehicles, so that a look-up that comes with many others can first
//! ask for all the memory it will read (see [`VehicleIndex::candidate`]).

use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Ids by hash. Every method that takes `is` asks it whether a slot has the id.
#[derive(Debug)]
pub(crate) struct VehicleIndex {
    /// Differs from process to process, so that nobody can choose ids that
    /// collide. Nothing depends on it but time: the table is never iterated.
    seed: u64,
    /// Open addressing with linear probing; its size a power of two.
    table: Vec<Entry>,
    len: usize,
}

/// A place of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u32,
    /// Slot and one; 0 where the place is vacant.
    place: u32,
}

/// Places at the least.
const TABLE_MIN: usize = 64;

impl Default for VehicleIndex {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0_u64);
        Self { seed, table: vec![Entry::default(); TABLE_MIN], len: 0 }
    }
}

impl VehicleIndex {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn hash(&self, id: &str) -> u32 {
        xxh3_64_with_seed(id.as_bytes(), self.seed) as u32
    }

    /// The slot of the id with this hash.
    #[inline]
    pub(crate) fn get(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(hash).find(|slot| is(*slot))
    }

    /// The first slot that may have the id with this hash.
    #[inline]
    pub(crate) fn candidate(&self, hash: u32) -> Option<u32> {
        self.probe(hash).next()
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        let least = (self.len + more) * 3 / 2 + 1;
        if least > self.table.len() {
            self.resize(least.next_power_of_two());
        }
    }

    /// Adds an id that is not in the table.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        self.reserve(1);
        self.put(Entry { hash, place: slot + 1 });
        self.len += 1;
    }

    fn resize(&mut self, size: usize) {
        let before = std::mem::replace(&mut self.table, vec![Entry::default(); size]);
        for entry in before.into_iter().filter(|entry| entry.place > 0) {
            self.put(entry);
        }
    }

    /// Removes the id with this hash and slot, if it is in the table.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let mask = self.table.len() - 1;
        let mut hole = hash as usize & mask;
        loop {
            match self.table[hole].place {
                0 => return,
                place if place == slot + 1 => break,
                _ => hole = (hole + 1) & mask,
            }
        }
        self.len -= 1;
        // Whatever was pushed past the hole moves up (Knuth, *The Art of
        // Computer Programming* 3, §6.4, algorithm R).
        let mut at = hole;
        loop {
            self.table[hole].place = 0;
            loop {
                at = (at + 1) & mask;
                let entry = self.table[at];
                if entry.place == 0 {
                    return;
                }
                let home = entry.hash as usize & mask;
                if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                    break;
                }
            }
            self.table[hole] = self.table[at];
            hole = at;
        }
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.table.len() - 1;
        let mut place = entry.hash as usize & mask;
        while self.table[place].place > 0 {
            place = (place + 1) & mask;
        }
        self.table[place] = entry;
    }

    #[inline]
    fn probe(&self, hash: u32) -> impl Iterator<Item = u32> + '_ {
        let mask = self.table.len() - 1;
        let places = (hash as usize..).map(move |place| self.table[place & mask]);
        let row = places.take_while(|entry| entry.place > 0);
        row.filter(move |entry| entry.hash == hash).map(|entry| entry.place - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_table_of_few_hashes_finds_what_is_in_it() {
        let mut random = StdRng::seed_from_u64(3);
        let mut index = VehicleIndex::default();
        // Slot by id; an id's hash is its own, modulo something small.
        let mut model: BTreeMap<u32, u32> = BTreeMap::new();
        let mut ids = vec![u32::MAX; 1_000];
        for step in 0..20_000 {
            let id = random.random_range(0..600);
            let few: u32 = id % [1, 7, 1_000][step % 3_000 / 1_000];
            let hash = few.wrapping_mul(0x0100_0001);
            let hash = model.get(&id).map_or(hash, |_| ids[id as usize]);
            assert_eq!(index.get(hash, |slot| slot == id), model.get(&id).copied());
            if model.remove(&id).is_some() {
                index.remove(hash, id);
            } else if random.random_bool(0.6) {
                index.insert(hash, id);
                ids[id as usize] = hash;
                model.insert(id, id);
            }
            assert_eq!(index.len(), model.len());
        }
        assert!(
            model.iter().all(|(id, slot)| {
                index.get(ids[*id as usize], |slot| slot == *id) == Some(*slot)
            })
        );
    }
}
