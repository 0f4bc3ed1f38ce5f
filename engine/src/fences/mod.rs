//! The fences of a running worker: where they come from, and how a change of
//! them reaches every shard.
//!
//! The configuration names a file or a directory ([`read`], [`watch`]); HTTP
//! edits single fences ([`Editor`]). Both end in one task, the [`Keeper`]:
//! it alone changes the set, one change at a time, in all shards or in none.
//! At start [`reconcile`] decides between what is configured and what the
//! journals say. Knows no geometry.

mod configured;
mod dated;
mod editor;
mod keeper;
mod reconcile;
#[cfg(test)]
pub(crate) mod testing;
mod watcher;

pub(crate) use configured::Files;
pub use configured::{Problem, read};
pub use editor::{Edit, EditError, Edited, Editor, Requests};
pub(crate) use keeper::ANSWERS_WITHIN;
pub use keeper::{Keeper, Taken};
pub use reconcile::{Plan, Standing, reconcile};
pub(crate) use watcher::{Target, watch_files};
pub use watcher::{Watched, watch};
