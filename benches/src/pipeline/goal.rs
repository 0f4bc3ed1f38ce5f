//! What a figure is to reach.

/// A limit of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// At most so much: seconds or bytes for each.
    AtMost(f64),
    /// The baseline's figure is at least so many times ours.
    Faster(f64),
    /// Ours is at most this share of the baseline's.
    Share(f64),
}

impl Goal {
    /// Whether `ours` beside `baseline` reaches it; a goal that needs a
    /// baseline is not reached without one.
    pub(super) fn is_reached(self, ours: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtMost(limit) => ours <= limit,
            Self::Faster(times) => ratio.is_some_and(|ratio| ratio >= times),
            Self::Share(share) => ratio.is_some_and(|ratio| 1.0 / ratio <= share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_baseline_over_ours() {
        assert!(Goal::AtMost(2.0).is_reached(2.0, None));
        assert!(!Goal::AtMost(2.0).is_reached(2.1, None));
        assert!(Goal::Faster(15.0).is_reached(1.0, Some(15.0)));
        assert!(!Goal::Faster(15.0).is_reached(1.0, None));
        assert!(Goal::Share(1.4).is_reached(1.4, Some(1.0 / 1.4)));
        assert!(!Goal::Share(0.65).is_reached(1.0, Some(1.5)));
    }
}
