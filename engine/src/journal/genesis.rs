//! How a journal begins, and how it is known to have begun.
//!
//! Three creates found a journal: `founding`, `genesis`, the first segment;
//! then `founding` goes. A genesis without content is so told apart: with
//! `founding` beside it, nothing was ever durable; without, a journal was
//! lost, and that is never passed over.

use futures::future::join_all;
use protos::journal::Genesis;

use super::claim::OpenOptions;
use super::error::JournalError;
use super::frame::{self, FrameFault};
use super::name;
use super::store::Store;

const GENESIS_FORMAT: u32 = 1;

/// Reads the genesis, or creates it where no trace of a journal is.
pub(super) async fn read_or_create(
    store: &Store,
    options: &OpenOptions,
) -> Result<Genesis, JournalError> {
    let genesis = match read(store, options.shard).await? {
        Some(genesis) => genesis,
        None => create(store, options).await?,
    };
    refuse_other(&genesis, options.shard, options.shards)?;
    Ok(genesis)
}

/// Refuses another number of `shards` than that with which any of them was
/// founded, whoever owns it: a vehicle would have two of them. To be asked before
/// any is claimed, so that a start that is refused founds none.
///
/// # Errors
/// [`JournalError::ShardCount`], or the store fails.
pub async fn refuse_other_number(store: &Store, shards: u32) -> Result<(), JournalError> {
    let reads = (0..shards).map(|shard| read(store, shard));
    for (shard, genesis) in (0..).zip(join_all(reads).await) {
        match genesis {
            Ok(Some(genesis)) => refuse_other(&genesis, shard, shards)?,
            // A damaged one is its owner's matter.
            Ok(None) | Err(JournalError::BadObject(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether there is anything of the shard's journal, be it whole or not.
///
/// # Errors
/// The store fails.
pub async fn has_traces(store: &Store, shard: u32) -> Result<bool, JournalError> {
    // Mostly it is whole, and long.
    Ok(store.exists(&name::genesis(shard)).await?
        || !store.list(&name::shard_dir(shard), |path| Some(path.clone())).await?.is_empty())
}

fn refuse_other(genesis: &Genesis, shard: u32, configured: u32) -> Result<(), JournalError> {
    let recorded = genesis.shards;
    if recorded == configured {
        return Ok(());
    }
    Err(JournalError::ShardCount { shard, recorded, configured })
}

/// The genesis, `None` if there is none.
pub(super) async fn read(store: &Store, shard: u32) -> Result<Option<Genesis>, JournalError> {
    let path = name::genesis(shard);
    store
        .read_decoded(&path, None, |bytes, _| {
            let genesis = frame::decode_genesis(bytes, path.as_ref())?;
            match genesis.format {
                GENESIS_FORMAT => Ok(genesis),
                found => Err(FrameFault::NewerFormat { found }.of(path.as_ref())),
            }
        })
        .await
}

async fn create(store: &Store, options: &OpenOptions) -> Result<Genesis, JournalError> {
    let shard = options.shard;
    let (founding, path) = (name::founding(shard), name::genesis(shard));
    let traces = store.list(&name::shard_dir(shard), |path| Some(path.clone())).await?;
    if let Some((found, _)) = traces.into_iter().find(|(path, _)| *path != founding) {
        // Another worker may have founded it between our read and the list.
        let found = found.to_string();
        return read(store, shard).await?.ok_or(JournalError::LostGenesis { shard, found });
    }
    let genesis = Genesis {
        format: GENESIS_FORMAT,
        journal_id: uuid::Uuid::new_v4().to_string(),
        shards: options.shards,
        first_seq: options.first_seq,
        created_at_ms: options.created_at_ms,
    };
    let bytes = frame::encode_genesis(&genesis);
    // Another worker's `founding` serves as well as ours.
    store.create(&founding, &bytes).await?;
    match store.create(&path, &bytes).await? {
        None => Ok(genesis),
        Some(_) => read(store, shard)
            .await?
            .ok_or_else(|| JournalError::LostGenesis { shard, found: founding.to_string() }),
    }
}

/// Whether the journal's first segment may never have been durable.
pub(super) async fn is_founding(store: &Store, shard: u32) -> Result<bool, JournalError> {
    store.exists(&name::founding(shard)).await
}

/// The first segment is about to be moved away: what follows is a beginning
/// again.
pub(super) async fn found_again(
    store: &Store,
    genesis: &Genesis,
    shard: u32,
) -> Result<(), JournalError> {
    store.create(&name::founding(shard), &frame::encode_genesis(genesis)).await.map(drop)
}

/// The first segment is durable.
pub(super) async fn founded(store: &Store, shard: u32) -> Result<(), JournalError> {
    store.delete(&name::founding(shard)).await
}
