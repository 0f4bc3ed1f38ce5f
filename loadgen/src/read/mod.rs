//! Reading back what the target made of the pings.

pub mod disk;
mod event;
mod fold;
mod latencies;
pub mod positions;
pub mod sse;
pub mod topic;

pub use event::{Event, EventReader, Op};
pub use fold::Fold;
pub use latencies::EventLatencies;
