//! Where committed segments go. One trait, one file for each sink; each keeps
//! its own cursor, and a slow one stops nobody else.
//!
//! Knows nothing of detection: it writes what the journal holds.

pub mod fail_point;
mod sink;

pub use sink::{Flush, Sink, SinkError};
