//! Where the journals are, and how a former owner is known to be gone.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::info;

use super::directory::DataDir;
use crate::config::Config;
use crate::journal::{
    JournalError, RetentionPolicy, Standby, Store, await_quiet, has_traces, refuse_other_number,
};

/// A takeover waits for so many commit delays at the least: a live owner with
/// input commits within one.
const COMMIT_DELAYS: u32 = 10;
/// A standby looks so many times while it waits.
const LOOKS: u32 = 20;

/// The journals' place.
pub(super) struct Place {
    pub(super) store: Store,
    /// Where the journal of each shard that is to be owned stood still, on a store
    /// that others share.
    tails: Option<BTreeMap<u32, u64>>,
    pub(super) retention: RetentionPolicy,
}

impl Place {
    /// The place that `config` names. In Cloud Storage the shards that this
    /// process is to own are another's for as long as any of their journals
    /// moves: returns once all of them stand still.
    pub(super) async fn open(config: &Config, directory: &DataDir) -> anyhow::Result<Self> {
        let keep = config.journal.keep;
        let owned = config.owned_shards();
        let Some(url) = &config.journal.url else {
            for &shard in owned.numbers() {
                refuse_vanished(directory, shard).await?;
            }
            let store = directory.journal()?;
            refuse_other_number(&store, owned.shards()).await?;
            return Ok(Self { store, tails: None, retention: RetentionPolicy::local(keep) });
        };
        let store = Store::in_bucket(url).await?;
        info!(%url, "the journal is in Cloud Storage");
        let quiet = takeover_after(config);
        refuse_other_number(&store, owned.shards()).await?;
        let tails = await_quiet(&store, owned.numbers(), quiet, quiet / LOOKS).await?;
        let tails = Some(owned.numbers().iter().copied().zip(tails).collect());
        Ok(Self { store, tails, retention: RetentionPolicy::shared(keep) })
    }

    /// Whether the journals are on this machine, under its exclusive lock.
    pub(super) fn is_local(&self) -> bool {
        self.tails.is_none()
    }

    /// How the former owner of `shard`, which is to be owned, is known to be gone.
    pub(super) fn standby(&self, shard: u32) -> Standby {
        match &self.tails {
            None => Standby::ExclusiveLock,
            Some(tails) => Standby::Waited { tail: tails[&shard] },
        }
    }
}

/// Refuses to begin a journal where there is output of one: it is the journal
/// that is missing, and a new one would begin all state anew without a word.
async fn refuse_vanished(directory: &DataDir, shard: u32) -> anyhow::Result<()> {
    if directory.has_journal() && has_traces(&directory.journal()?, shard).await? {
        return Ok(());
    }
    match directory.output_of(shard)? {
        None => Ok(()),
        Some(found) => {
            Err(JournalError::Vanished { shard, found: found.display().to_string() }.into())
        }
    }
}

fn takeover_after(config: &Config) -> Duration {
    config.journal.takeover_after.max(COMMIT_DELAYS * config.commit.max_delay)
}
