//! Waiting until whoever owned the shards is gone.

use std::time::Duration;

use tokio::time::Instant;

use super::error::JournalError;
use super::genesis;
use super::name;
use super::store::Store;

/// Returns once the journals of these `shards` have stood still together for
/// `quiet` by this process's own monotonic clock; looks every `poll`. Where
/// nobody has ever founded one of them, at once. Gives the tail of each, in their
/// order: the first seq of which there was no segment, 0 where nobody has founded
/// it.
///
/// One worker owns all of them: an idle shard is no sign that it is gone while
/// another one moves. Shards that are not named are others' matter. A tail that cannot be read counts as moving, and is
/// looked for anew: what happened meanwhile is not known. An owner that
/// commits nothing stands still like one that is gone, so `quiet` is at least
/// 5 s and ten commit delays, and longer than the owners' heartbeat if idle
/// ones are to keep their shards.
///
/// # Errors
/// The store fails at the first look.
pub async fn await_quiet(
    store: &Store,
    shards: &[u32],
    quiet: Duration,
    poll: Duration,
) -> Result<Vec<u64>, JournalError> {
    let looks = shards.iter().map(|&shard| Tail::find(store, shard));
    let mut tails = futures::future::try_join_all(looks).await?;
    if tails.iter().any(|tail| tail.next.is_some()) {
        wait(store, &mut tails, quiet, poll).await;
    }
    Ok(tails.iter().map(|tail| tail.next.unwrap_or(0)).collect())
}

async fn wait(store: &Store, tails: &mut [Tail], quiet: Duration, poll: Duration) {
    let mut still_since = Instant::now();
    let mut said = false;
    loop {
        if any_moves(tails.iter_mut().map(|tail| tail.look(store))).await {
            still_since = Instant::now();
        }
        if still_since.elapsed() >= quiet {
            if !any_moves(tails.iter_mut().map(|tail| tail.look_past(store))).await {
                return;
            }
            still_since = Instant::now();
        }
        let still = still_since.elapsed();
        if !said {
            said = true;
            let shards = tails.len();
            tracing::info!(shards, ?quiet, "standing by until the journal stops moving");
        }
        tokio::time::sleep(poll.min(quiet - still)).await;
    }
}

/// Whether any of these looks finds that its journal moves, or finds nothing out.
async fn any_moves(
    looks: impl Iterator<Item = impl Future<Output = Result<bool, JournalError>>>,
) -> bool {
    let mut moves = false;
    for moved in futures::future::join_all(looks).await {
        moves |= moved.unwrap_or_else(|error| {
            tracing::warn!(%error, "standby cannot read the journal");
            true
        });
    }
    moves
}

/// Where a shard's journal ends, as far as it was looked at.
struct Tail {
    shard: u32,
    /// The first seq that was not there; none before the journal is founded,
    /// or where it was lost sight of.
    next: Option<u64>,
}

impl Tail {
    /// Where to begin looking: the listing's end. From there on the names
    /// themselves are asked.
    async fn find(store: &Store, shard: u32) -> Result<Self, JournalError> {
        let next = match genesis::read(store, shard).await? {
            None => None,
            Some(genesis) => {
                let listed = store.list(&name::segments_dir(shard), name::parse_seq).await?;
                Some(listed.last().map_or(genesis.first_seq, |(seq, _)| seq + 1))
            }
        };
        Ok(Self { shard, next })
    }

    /// Whether the tail has moved since the last look. After an error it is
    /// found anew: while nothing could be read a live owner may have committed
    /// more than one look's worth, and deleted the very name that is next.
    async fn look(&mut self, store: &Store) -> Result<bool, JournalError> {
        let Some(before) = self.next.take() else {
            *self = Self::find(store, self.shard).await?;
            return Ok(self.next.is_some());
        };
        let mut next = before;
        while store.exists(&name::segment(self.shard, next)).await? {
            next += 1;
        }
        self.next = Some(next);
        Ok(next != before)
    }

    /// Whether the tail is past the name that is looked for: that may have come
    /// and, packed, gone between two looks.
    async fn look_past(&mut self, store: &Store) -> Result<bool, JournalError> {
        let found = Self::find(store, self.shard).await?;
        let is_past = found.next > self.next;
        if is_past {
            *self = found;
        }
        Ok(is_past)
    }
}
