//! Disturbs the arrival of rows on purpose: delays and duplicates, from a
//! seed.
//!
//! Every choice is a hash of the seed and the row's number, so it is the same
//! on every machine, in every version, and whatever else is chosen.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Delays and duplicates of a replay's rows; the default leaves them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disturbance {
    /// Each row's arrival is delayed by 0 to this many milliseconds, every
    /// delay being equally likely, and its receive time with it.
    pub delay_ms_max: u32,
    /// Share of the rows that arrive a second time, 0 to 1. The copy arrives 0
    /// to `delay_ms_max` after the original.
    pub duplicates: f64,
    /// Chooses one of 2⁶⁴ disturbances.
    pub seed: u64,
}

/// The choices to be made for a row.
#[derive(Clone, Copy)]
enum Choice {
    Delay = 0,
    Duplicate = 1,
    DuplicateDelay = 2,
}

impl Disturbance {
    /// Delay of row `row`, milliseconds, 0 to `delay_ms_max`.
    pub(super) fn delay_ms(&self, row: u64) -> i64 {
        self.uniform_ms(row, Choice::Delay)
    }

    /// How long after the row its copy arrives, milliseconds, 0 to
    /// `delay_ms_max`; `None` for a row that arrives once.
    pub(super) fn duplicate_after_ms(&self, row: u64) -> Option<i64> {
        if self.duplicates <= 0.0 {
            return None;
        }
        // The upper 53 bits, which a float holds exactly.
        let drawn = (self.draw(row, Choice::Duplicate) >> 11) as f64 / (1_u64 << 53) as f64;
        (drawn < self.duplicates).then(|| self.uniform_ms(row, Choice::DuplicateDelay))
    }

    fn uniform_ms(&self, row: u64, choice: Choice) -> i64 {
        if self.delay_ms_max == 0 {
            return 0;
        }
        // A fraction of 2⁶⁴ scaled to the number of delays there are.
        let delays = u128::from(self.delay_ms_max) + 1;
        ((u128::from(self.draw(row, choice)) * delays) >> 64) as i64
    }

    fn draw(&self, row: u64, choice: Choice) -> u64 {
        let mut key = [0; 9];
        key[..8].copy_from_slice(&row.to_le_bytes());
        key[8] = choice as u8;
        xxh3_64_with_seed(&key, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTURBANCE: Disturbance =
        Disturbance { delay_ms_max: 600_000, duplicates: 0.05, seed: 7 };

    #[test]
    fn draws_are_the_same_on_every_machine() {
        let drawn: Vec<i64> = (0..4).map(|row| DISTURBANCE.delay_ms(row)).collect();
        assert_eq!(drawn, [119_263, 540_882, 246_942, 381_695]);
        let copies: Vec<u64> =
            (0..60).filter(|&row| DISTURBANCE.duplicate_after_ms(row).is_some()).collect();
        assert_eq!(copies, [20]);
    }

    #[test]
    fn delays_fill_their_range_evenly() {
        let mut tenths = [0; 10];
        for row in 0..100_000 {
            let delay = DISTURBANCE.delay_ms(row);
            assert!((0..=600_000).contains(&delay));
            tenths[(delay * 10 / 600_001) as usize] += 1;
        }
        assert!(tenths.iter().all(|&n| (9_500..10_500).contains(&n)), "{tenths:?}");
        let small = Disturbance { delay_ms_max: 1, ..DISTURBANCE };
        assert_eq!((0..100).map(|row| small.delay_ms(row)).max(), Some(1));
    }

    #[test]
    fn the_share_of_duplicates_is_met() {
        let copies = |share| {
            let disturbance = Disturbance { duplicates: share, ..DISTURBANCE };
            (0..100_000).filter(|&row| disturbance.duplicate_after_ms(row).is_some()).count()
        };
        assert_eq!((copies(0.0), copies(1.0)), (0, 100_000));
        assert!((4_700..5_300).contains(&copies(0.05)), "{}", copies(0.05));
    }

    #[test]
    fn another_seed_is_another_disturbance() {
        let other = Disturbance { seed: 8, ..DISTURBANCE };
        assert!((0..100).any(|row| other.delay_ms(row) != DISTURBANCE.delay_ms(row)));
        let still = Disturbance::default();
        assert!((0..100).all(|row| still.delay_ms(row) == 0));
        assert!((0..100).all(|row| still.duplicate_after_ms(row).is_none()));
    }
}
