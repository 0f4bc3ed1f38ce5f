//! Reading back what the target made of the pings.

mod event;
mod fold;

pub use event::{Event, EventReader, Op};
pub use fold::Fold;
