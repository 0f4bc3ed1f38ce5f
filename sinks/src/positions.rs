//! Live positions: a view of the newest position of every vehicle, shared with
//! HTTP, the file that lets it survive a restart, and the way to whoever
//! writes positions elsewhere.
//!
//! Not a [`crate::Sink`]: positions read the core's state, not segments, and
//! hold back no deletion of the journal.

mod feed;
mod file;
mod json;
mod store;

pub use feed::PositionFeed;
pub use file::PositionFile;
pub use json::push_position;
pub use store::{Area, Listing, PositionStore};
