//! Fence sets as objects: written before the first segment that refers to
//! them, and deleted by [`FenceUse`] alone: what refers to one may lie anywhere in the
//! history of any shard, whoever owns it. Shared by all shards.

use bytes::Bytes;

use super::error::JournalError;
use super::fence_use::FenceUse;
use super::frame::{self, FrameFault, Kind};
use super::name;
use super::store::Store;

/// The fence sets of a store, by hash.
#[derive(Clone, Debug)]
pub struct FenceObjects {
    store: Store,
    uses: Option<FenceUse>,
}

impl FenceObjects {
    /// The fence sets of `store`.
    pub fn new(store: Store) -> Self {
        Self { store, uses: None }
    }

    /// The same, which announces what it stores where sets that nobody needs go.
    #[must_use]
    pub fn used(self, uses: Option<FenceUse>) -> Self {
        Self { uses, ..self }
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
    /// yet. It is there until [`Self::settled`] is called, and from then on as long as
    /// anything refers to it.
    ///
    /// # Errors
    /// The store fails, or holds another set under this hash.
    pub async fn put(&self, hash: &str, set: Bytes) -> Result<(), JournalError> {
        if let Some(uses) = &self.uses {
            uses.announce(hash).await;
        }
        let stored = self.store(hash, set).await;
        if stored.is_err() {
            self.settled(hash);
        }
        stored
    }

    /// See [`FenceUse::settled`].
    pub fn settled(&self, hash: &str) {
        if let Some(uses) = &self.uses {
            uses.settled(hash);
        }
    }

    async fn store(&self, hash: &str, set: Bytes) -> Result<(), JournalError> {
        let path = path_of(hash)?;
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
}

fn path_of(hash: &str) -> Result<object_store::path::Path, JournalError> {
    if !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(name::fence_set(hash));
    }
    let fault = FrameFault::Malformed("not a hash: letters and digits only".to_owned());
    Err(fault.of(format!("fences/{hash}")).into())
}
