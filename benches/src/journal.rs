//! A journal of one's own.

use engine::journal::{OpenOptions, Standby, WriterId};

/// How a worker of one shard opens its journal on a local disk.
#[must_use]
pub fn open_options() -> OpenOptions {
    OpenOptions {
        shard: 0,
        shards: 1,
        first_seq: 1,
        created_at_ms: 0,
        writer: WriterId::random(),
        standby: Standby::ExclusiveLock,
        set_aside_tail: false,
    }
}
