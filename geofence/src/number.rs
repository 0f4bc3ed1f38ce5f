//! Finite numbers that may be unknown, and times, without a word that says so:
//! state that every vehicle has is made of them.

use std::num::{NonZeroU32, NonZeroU64};

use crate::TimeMs;

/// A finite `f32`, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number32(NonZeroU32);

/// A finite `f64`, or none.
#[derive(Clone, Copy)]
pub(crate) struct Number64(NonZeroU64);

/// A time, or none; the end of time is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaybeTime(TimeMs);

impl MaybeTime {
    pub(crate) const NONE: Self = Self(TimeMs::MAX);

    pub(crate) fn get(self) -> Option<TimeMs> {
        (self != Self::NONE).then_some(self.0)
    }
}

impl From<Option<TimeMs>> for MaybeTime {
    fn from(time: Option<TimeMs>) -> Self {
        time.map_or(Self::NONE, Self)
    }
}

impl Number32 {
    /// The bits of a NaN but one, turned over: of no finite number.
    pub(crate) const NONE: Self = Self(NonZeroU32::MIN);

    pub(crate) fn get(self) -> Option<f32> {
        (self != Self::NONE).then(|| f32::from_bits(!self.0.get()))
    }
}

impl Number64 {
    /// The bits of a NaN but one, turned over: of no finite number.
    pub(crate) const NONE: Self = Self(NonZeroU64::MIN);

    pub(crate) fn get(self) -> Option<f64> {
        (self.0 != Self::NONE.0).then(|| f64::from_bits(!self.0.get()))
    }
}

/// As the numbers are: there are two zeros.
impl PartialEq for Number64 {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl From<Option<f32>> for Number32 {
    fn from(number: Option<f32>) -> Self {
        let bits = number.and_then(|number| NonZeroU32::new(!number.to_bits()));
        bits.map_or(Self::NONE, Self)
    }
}

impl From<Option<f64>> for Number64 {
    fn from(number: Option<f64>) -> Self {
        let bits = number.and_then(|number| NonZeroU64::new(!number.to_bits()));
        bits.map_or(Self::NONE, Self)
    }
}

impl Default for Number32 {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for Number32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

impl std::fmt::Debug for Number64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_what_it_was_made_of(number: Option<f64>, short: Option<f32>) {
            let finite = number.filter(|number| number.is_finite());
            let bits = |number: Option<f64>| number.map(f64::to_bits);
            prop_assert_eq!(bits(Number64::from(finite).get()), bits(finite));
            let finite = short.filter(|number| number.is_finite());
            let bits = |number: Option<f32>| number.map(f32::to_bits);
            prop_assert_eq!(bits(Number32::from(finite).get()), bits(finite));
        }
    }

    #[test]
    fn none_takes_no_room() {
        assert_eq!(size_of::<Number32>(), 4);
        assert_eq!(size_of::<Option<Number64>>(), 8);
        assert_eq!(Number64::from(Some(-f64::MAX)).get(), Some(-f64::MAX));
        assert_eq!(Number32::NONE.get(), None);
        assert_eq!(Number64::from(Some(-0.0)), Number64::from(Some(0.0)));
    }
}
