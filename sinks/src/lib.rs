//! Where committed segments go. One trait, one file for each sink; each keeps
//! its own cursor, and a slow one stops nobody else.
//!
//! Knows nothing of detection: it writes what the journal holds.

pub mod archive;
mod backoff;
pub mod bigquery;
mod blocking;
mod builders;
mod content_type;
mod day;
pub mod dead_letters;
mod disk;
pub mod event_files;
pub mod event_log;
pub mod fail_point;
pub mod firestore;
pub mod google;
mod held;
mod ndjson;
pub mod positions;
pub mod pubsub;
mod rolling;
pub mod schema;
mod sink;
#[cfg(test)]
mod testing;
mod wkt;

pub use backoff::Backoff;
pub use held::{Found, Held};
pub use rolling::FileLimits;
pub use sink::{Flush, Progress, Sink, SinkError};
