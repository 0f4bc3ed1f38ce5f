//! Which of a journal's shards this process owns.

use std::sync::Arc;

use super::shard_of;

/// Some or all shards of a journal, at least one. Clones share the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedShards {
    shards: u32,
    /// Rising.
    numbers: Arc<[u32]>,
}

impl OwnedShards {
    /// All of `shards`, which is at least 1.
    #[must_use]
    pub fn all(shards: u32) -> Self {
        Self::some(shards, 0..shards)
    }

    /// Of `shards` those with these numbers, each once, from 0 on.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn some(shards: u32, numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        assert!(!numbers.is_empty(), "a process owns a shard");
        numbers.sort_unstable();
        Self { shards, numbers: numbers.into() }
    }

    /// Their numbers, rising. A shard's place among them is where its part of
    /// everything stands that there is once for each owned shard.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// How many shards the journal has, whoever owns them.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// Whether no other process owns any.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.numbers.iter().copied().eq(0..self.shards)
    }

    /// The place of the shard that owns a vehicle.
    ///
    /// # Errors
    /// Its number, if it is not of this process.
    pub fn place_of(&self, vehicle_id: &str) -> Result<usize, u32> {
        let shard = shard_of(vehicle_id, self.shards);
        self.numbers.binary_search(&shard).map_err(|_| shard)
    }

    /// The place that something without a vehicle goes to: spread by `key`.
    pub(super) fn any_place(&self, key: &str) -> usize {
        let places = u32::try_from(self.numbers.len()).expect("no more than there are shards");
        shard_of(key, places) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vehicle_has_a_place_where_its_shard_is_owned() {
        let some = OwnedShards::some(4, [3, 1]);
        assert_eq!((some.numbers(), some.is_all()), (&[1, 3][..], false));
        for vehicle in (0..50).map(|n| format!("v{n}")) {
            let shard = shard_of(&vehicle, 4);
            let expected = match shard {
                1 => Ok(0),
                3 => Ok(1),
                other => Err(other),
            };
            assert_eq!(some.place_of(&vehicle), expected, "{vehicle}");
            assert_eq!(OwnedShards::all(4).place_of(&vehicle), Ok(shard as usize));
            assert!(some.any_place(&vehicle) < 2);
        }
        assert!(OwnedShards::all(4).is_all() && OwnedShards::some(2, [1, 0]).is_all());
    }
}
