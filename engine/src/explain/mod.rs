//! Why there is an event, and why there is none, from the journal alone.
//!
//! Works after the fact and beside a running worker: it claims nothing, locks
//! nothing and writes nothing. The journal is read through to its end, and
//! what it holds of the vehicle is judged once more by the very machine that
//! detection runs ([`geofence::trace`]); the answer is the state as of the
//! last segment, with what was told of it before.

mod answer;
mod conclude;
mod event;
mod focus;
mod reading;
mod step;
mod text;
mod thresholds;
pub(crate) mod words;

use geofence::TimeMs;
use protos::events::{ID_DIGITS, Id};
use tokio_util::sync::CancellationToken;

use crate::journal::Store;

pub use answer::Explanation;

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The vehicle.
    pub vehicle: String,
    /// What of it.
    pub about: About,
}

/// What of a vehicle is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Why there is, or was, this event.
    Event {
        /// Its id.
        id: Id,
    },
    /// What happened, or did not, at a fence about some time.
    Fence {
        /// The fence's id.
        id: String,
        /// Event time.
        at: TimeMs,
    },
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked about is not in the journal.
    #[error("{message}")]
    NotFound {
        /// Stable, for programs.
        code: &'static str,
        /// What is not there, and what is.
        message: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the explanation was given up")]
    GivenUp,
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Unreadable(#[source] anyhow::Error),
}

/// Answers `question` from the journal in `store`, until `given_up`. The shard
/// `founded`, which tells how many there are, is one that must be there; the
/// vehicle may be of another.
///
/// Cost: the whole journal of the vehicle's shard, as far back as it is kept,
/// is read once; of it only what concerns the vehicle is held.
///
/// # Errors
/// See [`Failure`].
pub async fn explain(
    store: &Store,
    founded: u32,
    question: &Question,
    given_up: &CancellationToken,
) -> Result<Explanation, Failure> {
    let reading = reading::read(store, founded, question, given_up).await?;
    match &question.about {
        About::Event { id } => event::explain(&reading, *id),
        About::Fence { id, at } => focus::explain(&reading, id, *at),
    }
}

fn not_found(code: &'static str, message: String) -> Failure {
    Failure::NotFound { code, message }
}

/// Reads an event id: 32 hexadecimal digits.
///
/// # Errors
/// Says what is expected.
pub fn parse_event_id(text: &str) -> Result<Id, String> {
    match u128::from_str_radix(text, 16) {
        Ok(id) if text.len() == ID_DIGITS && !text.starts_with('+') => Ok(Id::new(id)),
        _ => Err("expected an event_id: 32 hexadecimal digits".into()),
    }
}

/// Reads a time: RFC 3339.
///
/// # Errors
/// Says what is expected.
pub fn parse_time(text: &str) -> Result<TimeMs, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| TimeMs(time.as_millisecond()))
        .map_err(|_| "expected an RFC 3339 time such as 2026-03-01T12:00:00Z".into())
}
