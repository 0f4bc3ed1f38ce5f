//! Reading back what the target made of the pings.

mod archived;
pub mod bigquery;
mod dead_letters;
mod derived;
pub mod disk;
mod event;
pub mod event_files;
pub mod event_rows;
pub mod firestore;
mod fold;
pub mod follow;
mod latencies;
pub mod letters;
mod operation;
mod payload;
mod ping_rows;
pub mod positions;
pub mod row_count;
pub mod sse;
pub mod told;
pub mod topic;
pub mod waits;

pub use archived::Altered;
pub use dead_letters::{DeadLetters, Letter};
pub use event::{Event, EventReader, Op};
pub use fold::Fold;
pub use latencies::{EventLatencies, SincePing};
