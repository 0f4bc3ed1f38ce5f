//! Waiting until whoever owned the shard is gone.

use std::time::Duration;

use protos::journal::Genesis;
use tokio::time::Instant;

use super::error::JournalError;
use super::name;
use super::store::Store;

/// Returns once the tail of the journal has not moved for `quiet` by this
/// process's own monotonic clock; looks every `poll`.
///
/// A tail that cannot be read counts as moving: nothing is known of it.
pub(super) async fn wait_until_quiet(
    store: &Store,
    shard: u32,
    genesis: &Genesis,
    quiet: Duration,
    poll: Duration,
) -> Result<(), JournalError> {
    let listed = store.list(&name::segments_dir(shard), name::parse_seq).await?;
    // Where to begin looking; from there on the names themselves are asked.
    let mut next = listed.last().map_or(genesis.first_seq, |(seq, _)| seq + 1);
    let mut still_since = Instant::now();
    let mut said = false;
    loop {
        match advance(store, shard, next).await {
            Ok(tail) if tail == next => {}
            Ok(tail) => {
                next = tail;
                still_since = Instant::now();
            }
            Err(error) => {
                tracing::warn!(shard, %error, "standby cannot read the journal");
                still_since = Instant::now();
            }
        }
        let still = still_since.elapsed();
        if still >= quiet {
            return Ok(());
        }
        if !said {
            said = true;
            tracing::info!(shard, next, ?quiet, "standing by until the journal stops moving");
        }
        tokio::time::sleep(poll.min(quiet - still)).await;
    }
}

/// The first seq from `next` on that does not exist.
async fn advance(store: &Store, shard: u32, mut next: u64) -> Result<u64, JournalError> {
    while store.exists(&name::segment(shard, next)).await? {
        next += 1;
    }
    Ok(next)
}
