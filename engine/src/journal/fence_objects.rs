//! Fence sets as objects: written before the first segment that refers to
//! them, kept while anything does. Shared by all shards.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::error::JournalError;
use super::frame::{self, FrameFault, Kind};
use super::name;
use super::store::Store;

/// The fence sets of a store, by hash. Clones share one memory.
#[derive(Clone, Debug)]
pub struct FenceObjects {
    store: Store,
    /// Put by this process: a segment that refers to them may be on its way.
    put: Arc<Mutex<BTreeSet<String>>>,
}

impl FenceObjects {
    /// The fence sets of `store`.
    pub fn new(store: Store) -> Self {
        Self { store, put: Arc::default() }
    }

    /// Removes what a killed writer left half written. For the holder of the
    /// data directory's lock, once, before shards are claimed; does nothing
    /// on a shared store.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub async fn sweep_staging(&self) -> Result<(), JournalError> {
        self.store.sweep_fences().await
    }

    /// Makes the fence set `hash` (letters and digits) durable, if it is not
    /// yet.
    ///
    /// # Errors
    /// The store fails, or holds another set under this hash.
    pub async fn put(&self, hash: &str, set: Bytes) -> Result<(), JournalError> {
        let path = path_of(hash)?;
        self.put.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.to_owned());
        let object = frame::encode(Kind::FenceSet, &set);
        let Some(found) = self.store.create(&path, &object).await? else { return Ok(()) };
        match frame::decode(Kind::FenceSet, &found, path.as_ref()) {
            Ok(standing) if standing != set => {
                return Err(JournalError::Differs {
                    name: path.to_string(),
                    other: "another fence set of the same hash".to_owned(),
                });
            }
            Ok(_) => {}
            // The hash names the content, so a damaged object can be mended.
            Err(error) => tracing::warn!(%error, "replacing a bad fence set"),
        }
        self.store.overwrite(&path, &object).await
    }

    /// The fence set `hash`.
    ///
    /// # Errors
    /// It is not there, or is damaged.
    pub async fn get(&self, hash: &str) -> Result<Bytes, JournalError> {
        let path = path_of(hash)?;
        let decode = |bytes: &Bytes, _| frame::decode(Kind::FenceSet, bytes, path.as_ref());
        self.store
            .read_decoded(&path, None, decode)
            .await?
            .ok_or_else(|| JournalError::Absent { name: path.to_string() })
    }

    /// Deletes the sets that `referenced` does not name, that are older than
    /// `keep` at `now_ms` (milliseconds since the Unix epoch), and that this
    /// process has not put. Returns how many.
    ///
    /// `referenced` names every set in a kept snapshot, or in a segment still
    /// in the journal, of every shard.
    ///
    /// # Errors
    /// The store fails; some may be deleted.
    pub async fn delete_unreferenced(
        &self,
        referenced: &BTreeSet<String>,
        keep: Duration,
        now_ms: i64,
    ) -> Result<u64, JournalError> {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let hash = |path: &object_store::path::Path| path.filename().map(str::to_owned);
        let mut deleted = 0;
        for (hash, meta) in self.store.list(&name::fences_dir(), hash).await? {
            let age_ms = now_ms.saturating_sub(meta.last_modified.timestamp_millis());
            let put_here = self.put.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash);
            if put_here || referenced.contains(&hash) || age_ms <= keep_ms {
                continue;
            }
            self.store.delete(&meta.location).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

fn path_of(hash: &str) -> Result<object_store::path::Path, JournalError> {
    if !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(name::fence_set(hash));
    }
    let fault = FrameFault::Malformed("not a hash: letters and digits only".to_owned());
    Err(fault.of(format!("fences/{hash}")).into())
}
