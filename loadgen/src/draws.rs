//! Random numbers that are the same on every machine and in every version.
//!
//! A draw is a function of a key and a counter (SplitMix64: Steele, Lea and
//! Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), so a
//! vehicle's draws cost it four bytes of state, and those of one vehicle do not
//! depend on how many others there are or on who is asked first.

/// 2^64 divided by the golden ratio, odd: SplitMix64's increment.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's finaliser: every bit of the result depends on every bit of
/// `value`.
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The key of one stream of draws. `purpose` keeps streams apart that concern
/// the same thing, `id` says which thing.
#[must_use]
pub fn key(seed: u64, purpose: &str, id: u64) -> u64 {
    let purpose = purpose.bytes().fold(seed, |hash, byte| mix(hash ^ u64::from(byte)));
    mix(purpose.wrapping_add(mix(id.wrapping_add(GOLDEN))))
}

/// A stream of draws, from its first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    key: u64,
    drawn: u32,
}

impl Draws {
    /// The stream with this [`key`].
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self { key, drawn: 0 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        mix(self.key.wrapping_add(u64::from(self.drawn).wrapping_mul(GOLDEN)))
    }

    /// A number below `n`, which is above 0. Biased by less than `n` / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64 + 1) as i64
    }

    /// A number in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `true` for this share of the draws.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Two independent standard normal numbers (Box and Muller, 1958), with
    /// `libm`'s functions, which are the same everywhere.
    pub fn normal_pair(&mut self) -> (f64, f64) {
        // 1 − u lies in (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.unit());
        (radius * cos, radius * sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_draws_are_those_of_splitmix64() {
        // Published test values of the generator, seed 1234567.
        let mut draws = Draws::new(1_234_567);
        assert_eq!(draws.bits(), 6_457_827_717_110_365_317);
        assert_eq!(draws.bits(), 3_203_168_211_198_807_973);
        assert_eq!(draws.bits(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_id() {
        let base = key(1, "route", 1);
        assert_eq!(base, key(1, "route", 1));
        for other in [key(2, "route", 1), key(1, "noise", 1), key(1, "route", 2)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut draws = Draws::new(7);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..50_000 {
            let (a, b) = draws.normal_pair();
            sum += a + b;
            squares += a * a + b * b;
        }
        assert!((sum / 1e5).abs() < 0.02, "{sum}");
        assert!((squares / 1e5 - 1.0).abs() < 0.02, "{squares}");
    }

    #[test]
    fn whole_numbers_stay_in_their_range_and_reach_both_ends() {
        let mut draws = Draws::new(3);
        let drawn: Vec<i64> = (0..1_000).map(|_| draws.within(-2, 2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
    }
}
