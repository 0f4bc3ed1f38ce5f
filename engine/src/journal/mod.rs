//! The journal: the one commit point of a shard.
//!
//! A commit creates one new, numbered, immutable object and is over when that
//! object is durable. Everything a restart needs follows from the objects:
//!
//! | object | what it holds |
//! |---|---|
//! | `shard-<n>/genesis` | identity of the journal, its first seq, the number of shards |
//! | `shard-<n>/founding` | there while the first segment is not yet durable |
//! | `shard-<n>/journal/<seq>` | one segment |
//! | `shard-<n>/packs/<first>-<last>` | old segments, joined byte for byte |
//! | `shard-<n>/snapshots/<seq>` | the state after `seq` |
//! | `shard-<n>/set-aside/…` | a bad tail, moved away on request |
//! | `fences/<hash>` | a fence set that snapshots and segments refer to |
//!
//! The way through: [`claim`] finds the newest valid snapshot; the caller
//! re-applies what [`Claim::next_segment`] hands over; [`Claim::fence`] takes
//! the ownership and gives the [`Journal`], whose [`Journal::commit`] is the
//! only way a segment comes into being. [`JournalReader`] serves consumers,
//! [`History`] those who look at a journal that is another's,
//! [`Snapshots`] and [`Retention`] keep the history short, and [`FenceUse`] the
//! fence sets few.
//!
//! Constraints kept throughout: names are created, never overwritten; a
//! segment's bytes are fixed before the first attempt; a listing is a hint and
//! never decides where the journal ends; nothing is deleted whose replacement
//! was not read back first. The store must be consistent after a create: an
//! object whose creation was confirmed is found by a read.
//!
//! Knows nothing of detection: a snapshot's core state is opaque bytes.

mod claim;
mod cloud_storage;
mod commit;
mod consumer;
pub mod disk;
mod error;
mod fence_objects;
mod fence_use;
pub mod frame;
mod genesis;
mod health;
mod history;
mod lineage;
pub mod lock;
mod name;
pub mod pack;
mod read_back;
mod reader;
mod recent;
mod retention;
mod set_aside;
mod snapshots;
mod standby;
mod store;
mod writer;

pub use claim::{Claim, Fenced, OpenOptions, Standby, claim};
pub use cloud_storage::{BucketError, BucketUrl};
pub use commit::CommitError;
pub use consumer::Consumer;
pub use error::JournalError;
pub use fence_objects::FenceObjects;
pub use fence_use::{ClaimedShard, FenceUse};
pub use frame::{FrameError, FrameFault};
pub use genesis::{has_traces, refuse_other_number};
pub use health::CommitHealth;
pub use history::History;
pub use lineage::LineageFault;
pub use reader::JournalReader;
pub use retention::{Retention, RetentionPolicy, Swept};
pub use set_aside::SetAside;
pub use snapshots::{Cadence, Kept, Snapshots};
pub use standby::await_quiet;
pub use store::{Store, StoreError};
pub(crate) use store::{create_dir_durably, sync_entry};
pub use writer::{Committed, Journal, WriterId};
