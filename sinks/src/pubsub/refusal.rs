//! Messages that a topic refuses by themselves, and for good.
//!
//! Pub/Sub says no more than that a request is invalid, be it for one message
//! (a schema of the topic does not take it) or for all of them (the schema is
//! another's). So a topic that refuses one message after another is not taken
//! at its word for long: what it refuses then is kept until it takes one.

use std::sync::atomic::{AtomicUsize, Ordering};

use protos::journal::DeadLetter;
use tonic::{Code, Status};

use super::wire::PubsubMessage;

/// Messages that may be set aside before the topic has taken another.
pub(super) const IN_A_ROW_MAX: usize = 100;

/// A message that was set aside.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: PubsubMessage,
    /// Which topic, and what it says.
    pub(super) detail: String,
}

/// What becomes of a message that is set aside.
pub(super) type SetAside = fn(&Refusal) -> DeadLetter;

/// Whether `error` is about what is in the request. A topic that is gone, may
/// not be written to or has its key withdrawn says so with other codes.
pub(super) fn is_of_messages(error: &Status) -> bool {
    error.code() == Code::InvalidArgument
}

/// How many messages in a row a topic has refused.
#[derive(Debug)]
pub(super) struct Streak {
    refused: AtomicUsize,
    refused_max: usize,
}

impl Streak {
    /// For a sink that sets messages aside, or for one that has nowhere to set
    /// them.
    pub(super) fn new(sets_aside: bool) -> Self {
        let refused_max = if sets_aside { IN_A_ROW_MAX } else { 0 };
        Self { refused: AtomicUsize::new(0), refused_max }
    }

    /// The topic has taken messages.
    pub(super) fn end(&self) {
        self.refused.store(0, Ordering::Relaxed);
    }

    /// The topic refuses a message with `error`, which is set aside.
    ///
    /// # Errors
    /// It is not: too many were in a row, or none may be.
    pub(super) fn set_aside(&self, error: Status) -> Result<(), Status> {
        let more = |refused| (refused < self.refused_max).then_some(refused + 1);
        let counted = self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.map(drop).map_err(|refused| match refused {
            0 => error,
            _ => Status::new(
                error.code(),
                format!(
                    "{refused} messages in a row are set aside, and no more are until one is \
                     taken again: {}",
                    error.message()
                ),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid() -> Status {
        Status::invalid_argument("no such field")
    }

    #[test]
    fn so_many_in_a_row_are_set_aside_and_no_more_before_one_is_taken() {
        let streak = Streak::new(true);
        for _ in 0..2 {
            (0..IN_A_ROW_MAX).for_each(|_| streak.set_aside(invalid()).unwrap());
            let error = streak.set_aside(invalid()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            let said = "100 messages in a row are set aside, and no more are until one is taken \
                        again: no such field";
            assert_eq!(error.message(), said);
            streak.end();
        }
    }

    #[test]
    fn without_a_place_for_them_none_is() {
        let error = Streak::new(false).set_aside(invalid()).unwrap_err();
        assert_eq!(error.message(), "no such field");
    }
}
