//! What is wrong with a schedule.

/// Why a value is no schedule: where in it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{place}`: {problem}")]
pub struct ScheduleError {
    /// Path from the property on, such as `schedule.week.mon`.
    pub place: String,
    /// What is there, and what is needed.
    pub problem: String,
}

impl ScheduleError {
    pub(super) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}
