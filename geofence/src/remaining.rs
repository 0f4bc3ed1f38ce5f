//! How many pings of a run are still to come of a vehicle: after its last one
//! it can be settled while its memory is at hand.

/// Pings to come by slot of the vehicle, as far as the hash of its id tells.
/// Vehicles of one hash count as one: none has had its last ping before all
/// have.
#[derive(Debug, Default)]
pub(crate) struct Remaining(Vec<u32>);

impl Remaining {
    /// Counts the pings of a run whose vehicles are probably in these slots, of
    /// `slots_max` at the most. Those counted before have all been counted off.
    pub(crate) fn count(&mut self, slots: &[Option<u32>], slots_max: usize) {
        self.0.resize(slots_max.max(self.0.len()), 0);
        for slot in slots.iter().flatten() {
            self.0[*slot as usize] += 1;
        }
    }

    /// Counts one of them off. Returns whether no other is to come of its
    /// vehicle; of a new vehicle that is not known.
    #[inline]
    pub(crate) fn is_last(&mut self, slot: Option<u32>) -> bool {
        slot.is_some_and(|slot| {
            let count = &mut self.0[slot as usize];
            *count -= 1;
            *count == 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ping_of_each_vehicle_known_is_told() {
        let mut remaining = Remaining::default();
        for (slots, last) in [
            ([Some(2), Some(0), None, Some(2)], [false, true, false, true]),
            ([Some(1), Some(1), Some(1), None], [false, false, true, false]),
        ] {
            remaining.count(&slots, 3);
            assert_eq!(slots.map(|slot| remaining.is_last(slot)), last);
        }
    }
}
