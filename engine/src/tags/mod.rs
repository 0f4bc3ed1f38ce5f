//! The tags of vehicles, which decide which fences concern them: where they
//! come from, and how they reach the shards.
//!
//! The configuration names a file ([`read`], [`watch`]); HTTP changes the tags
//! of single vehicles. Both go through a [`Tagger`]. A vehicle's tags are the
//! matter of its own shard alone; all shards only agree on that tags count.

mod configured;
mod tagger;
mod watcher;

pub(crate) use configured::read_tags;
pub use configured::{ConfiguredTags, read};
pub use tagger::{Tagged, Tagger, TaggerError};
pub use watcher::watch;
