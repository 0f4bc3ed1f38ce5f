//! Sending on an exact schedule.
//!
//! An open loop: when a message is due does not depend on how the target
//! fares, and its latency counts from then. What a slow target cannot take waits
//! in queues of fixed size, and beyond them on the producer's side, as backlog
//! that is shown and counts in every latency.

mod batch;
pub mod file;
pub mod http;
mod progress;
pub mod pubsub;
mod queue;

pub use batch::{Batch, Item, Lanes, MESSAGES_MAX, produce};
pub use progress::{Progress, Second, Snapshot, Taken};
pub use queue::Queues;
