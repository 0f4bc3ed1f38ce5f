//! The object store under the journal, with what `object_store` leaves open:
//! reading back after an uncertain create, syncing local directories, and
//! sweeping the staging files a killed writer leaves.
//!
//! A store with retries of its own has few of them left before it comes here:
//! the journal retries by itself, and only it can tell its own write from
//! another's. The local store has no retry to limit.

use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error as ObjectError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions,
};
use sinks::{Backoff, Held};

use super::error::JournalError;
use super::frame::FrameError;
use super::name;

/// Attempts of a read or of a create whose outcome has no deadline.
const ATTEMPTS: u32 = 5;

/// Where journals live: a local directory or a shared object store.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// Directory behind `objects`, when it is local: `object_store` can
    /// neither sync a directory again nor see staging files, and makes the
    /// directory anew when it is gone.
    root: Option<Arc<Held>>,
}

/// A local directory that cannot hold a journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path, or a part of it, is something else.
    #[error("{}: not a directory: name another data directory", path.display())]
    NotADirectory {
        /// The path in the way.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{}: on a read-only file system: mount it writable or name another", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// This user may not write there.
    #[error("{}: not writable by this user: change its owner or mode, or name another", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
    },
    /// No space is left.
    #[error("{}: no space left: free some and start again", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
    },
    /// Anything else the system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The object store refuses the directory.
    #[error("{}: {source}", path.display())]
    Objects {
        /// The directory.
        path: PathBuf,
        /// What the store said.
        source: ObjectError,
    },
}

impl StoreError {
    /// The process's exit code: 78 for what another configuration mends, 1
    /// otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotADirectory { .. } | Self::ReadOnly { .. } | Self::NotWritable { .. } => 78,
            Self::Full { .. } | Self::Io { .. } | Self::Objects { .. } => 1,
        }
    }

    pub(super) fn from_io(path: &FsPath, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory { path }
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::NotWritable { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}

/// What one attempt to create an object came to.
pub(super) enum Attempt {
    /// The object holds our bytes and is durable.
    Durable,
    /// The name holds other bytes.
    Taken(Bytes),
    /// The name is free: the attempt left nothing.
    Absent(ObjectError),
    /// Neither could be told; the same attempt may be made again.
    Unknown(ObjectError),
}

impl Store {
    /// The store in a local directory, created if absent; every write is
    /// synced. Blocks on the file system: call it while starting up.
    ///
    /// # Errors
    /// The directory cannot be created, or not written.
    pub fn local(root: &FsPath) -> Result<Self, StoreError> {
        create_dir_durably(root)?;
        probe_writable(root)?;
        let root = root.canonicalize().map_err(|source| StoreError::from_io(root, source))?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|source| StoreError::Objects { path: root.clone(), source })?
            .with_fsync(true);
        Ok(Self { objects: Arc::new(objects), root: Some(hold(root)?) })
    }

    /// The store in a local directory that exists, for reading: it is neither
    /// made nor tried, and whoever works in it is not disturbed.
    ///
    /// # Errors
    /// The directory is not there, or cannot be read.
    pub fn local_to_read(root: &FsPath) -> Result<Self, StoreError> {
        let root = root.canonicalize().map_err(|source| StoreError::from_io(root, source))?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|source| StoreError::Objects { path: root.clone(), source })?;
        Ok(Self { objects: Arc::new(objects), root: Some(hold(root)?) })
    }

    /// A store other processes may write too. See the module's note on the
    /// store's own retries.
    pub fn shared(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, root: None }
    }

    /// Puts a layer (faults, delays, counts) over the objects.
    #[must_use]
    pub fn layered(self, layer: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { objects: layer(self.objects), root: self.root }
    }

    /// The objects themselves.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Makes the directories of a shard and syncs them, so that no later
    /// write depends on a directory entry that a crash can take back. Removes
    /// the staging files a killed writer left. For the holder of the
    /// directory's lock only: the staging files of a live writer are in use.
    pub(super) async fn prepare_shard(&self, shard: u32) -> Result<(), JournalError> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        let dirs = [name::segments_dir(shard), name::packs_dir(shard), name::snapshots_dir(shard)];
        let swept = blocking(move || {
            for dir in &dirs {
                create_dir_durably(&root.path().join(dir.as_ref()))?;
            }
            // Directories made by an earlier process may not be synced yet.
            let shard_dir = root.path().join(name::shard_dir(shard).as_ref());
            for dir in [shard_dir.as_path(), root.path()] {
                sync_dir(dir).map_err(|source| StoreError::from_io(dir, source))?;
            }
            sweep_staging(&shard_dir)
        })
        .await?;
        if swept > 0 {
            tracing::info!(shard, files = swept, "removed staging files of a killed writer");
        }
        Ok(())
    }

    /// Removes left-over staging files of fence sets. To be called once while
    /// starting, by the holder of the directory's lock, before any shard is.
    pub(super) async fn sweep_fences(&self) -> Result<(), JournalError> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        let dir = root.path().join(name::fences_dir().as_ref());
        blocking(move || sweep_staging(&dir)).await?;
        Ok(())
    }

    /// The directory that the store was opened in, when it is local and its
    /// path leads elsewhere now: whatever is written there is not in this store.
    pub(super) async fn lost_root(&self) -> Option<PathBuf> {
        let root = self.root.clone()?;
        let looked = tokio::task::spawn_blocking(move || {
            (!root.is_in_place()).then(|| root.path().to_path_buf())
        });
        looked.await.expect("a look neither panics nor is cancelled")
    }

    /// One attempt to create `path` with `bytes`. After anything but success
    /// it reads the name back: the write may have been applied all the same.
    pub(super) async fn attempt_create(&self, path: &Path, bytes: &Bytes) -> Attempt {
        let options = PutOptions::from(PutMode::Create);
        let error = match self.objects.put_opts(path, bytes.clone().into(), options).await {
            Ok(_) => return Attempt::Durable,
            Err(error) => error,
        };
        match self.get(path).await {
            Ok(Some(found)) if found == *bytes => match self.sync_parent(path).await {
                Ok(()) => Attempt::Durable,
                Err(error) => Attempt::Unknown(error),
            },
            Ok(Some(found)) => Attempt::Taken(found),
            Ok(None) => Attempt::Absent(error),
            Err(error) => Attempt::Unknown(error),
        }
    }

    /// Creates `path`, in a bounded number of attempts. Returns the bytes
    /// that already stand there if they are others.
    pub(super) async fn create(
        &self,
        path: &Path,
        bytes: &Bytes,
    ) -> Result<Option<Bytes>, JournalError> {
        let mut backoff = Backoff::new();
        let mut attempt = 1;
        loop {
            let error = match self.attempt_create(path, bytes).await {
                Attempt::Durable => return Ok(None),
                Attempt::Taken(found) => return Ok(Some(found)),
                Attempt::Absent(error) | Attempt::Unknown(error) => error,
            };
            if attempt == ATTEMPTS {
                return Err(JournalError::store(path, error));
            }
            attempt += 1;
            backoff.pause().await;
        }
    }

    /// Writes `path` whether or not it exists: for objects that any writer
    /// would write alike.
    pub(super) async fn overwrite(&self, path: &Path, bytes: &Bytes) -> Result<(), JournalError> {
        self.steadily(path, || async {
            let options = PutOptions::from(PutMode::Overwrite);
            self.objects.put_opts(path, bytes.clone().into(), options).await.map(drop)
        })
        .await
    }

    /// The object, `None` if there is none; one attempt.
    async fn get(&self, path: &Path) -> Result<Option<Bytes>, ObjectError> {
        Ok(self.get_range(path, None).await?.map(|(bytes, _)| bytes))
    }

    /// A part of the object, with the length of the whole; one attempt.
    async fn get_range(
        &self,
        path: &Path,
        range: Option<GetRange>,
    ) -> Result<Option<(Bytes, u64)>, ObjectError> {
        let options = GetOptions { range, ..GetOptions::default() };
        let result = match self.objects.get_opts(path, options).await {
            Ok(result) => result,
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let whole = result.meta.size;
        Ok(Some((result.bytes().await?, whole)))
    }

    /// The object's bytes, `None` if there is none.
    pub(super) async fn read(&self, path: &Path) -> Result<Option<Bytes>, JournalError> {
        self.steadily(path, || self.get(path)).await
    }

    /// The object, or `range` of it, as `decode` understands its bytes and
    /// the length of the whole; `None` if there is none. What cannot be
    /// decoded is read again before it is called bad: a connection may be cut
    /// in the middle of a body.
    pub(super) async fn read_decoded<T>(
        &self,
        path: &Path,
        range: Option<GetRange>,
        decode: impl Fn(&Bytes, u64) -> Result<T, FrameError>,
    ) -> Result<Option<T>, JournalError> {
        let mut reads_left = 3;
        loop {
            let read = self.steadily(path, || self.get_range(path, range.clone())).await?;
            let Some((bytes, whole)) = read else { return Ok(None) };
            reads_left -= 1;
            match decode(&bytes, whole) {
                Ok(decoded) => return Ok(Some(decoded)),
                Err(fault) if reads_left == 0 => return Err(fault.into()),
                Err(_) => {}
            }
        }
    }

    /// Whether the object exists.
    pub(super) async fn exists(&self, path: &Path) -> Result<bool, JournalError> {
        self.steadily(path, || async {
            match self.objects.head(path).await {
                Ok(_) => Ok(true),
                Err(ObjectError::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Deletes the object; none is as good as deleted.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), JournalError> {
        self.steadily(path, || async {
            match self.objects.delete(path).await {
                Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The objects under `dir` whose names `parse` knows, in its order.
    pub(super) async fn list<K: Ord>(
        &self,
        dir: &Path,
        parse: impl Fn(&Path) -> Option<K>,
    ) -> Result<Vec<(K, ObjectMeta)>, JournalError> {
        let objects: Vec<ObjectMeta> =
            self.steadily(dir, || self.objects.list(Some(dir)).try_collect()).await?;
        let mut known: Vec<(K, ObjectMeta)> =
            objects.into_iter().filter_map(|meta| Some((parse(&meta.location)?, meta))).collect();
        known.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(known)
    }

    /// Makes an operation again, in a bounded number of attempts, while it
    /// fails.
    async fn steadily<T, F>(
        &self,
        path: &Path,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, ObjectError>>,
    {
        let mut backoff = Backoff::new();
        for _ in 1..ATTEMPTS {
            if let Ok(done) = operation().await {
                return Ok(done);
            }
            backoff.pause().await;
        }
        operation().await.map_err(|error| JournalError::store(path, error))
    }

    /// Syncs the directory of `path` once more: a create that failed may have
    /// made the entry and failed to sync it.
    async fn sync_parent(&self, path: &Path) -> Result<(), ObjectError> {
        let Some(root) = &self.root else { return Ok(()) };
        let file = root.path().join(path.as_ref());
        let synced = tokio::task::spawn_blocking(move || {
            sync_dir(file.parent().expect("every object lies in a directory of the store"))
        });
        synced
            .await?
            .map_err(|source| ObjectError::Generic { store: "local", source: Box::new(source) })
    }
}

/// Holds the directory of a store open, which exists.
fn hold(root: PathBuf) -> Result<Arc<Held>, StoreError> {
    let held = Held::open(root.clone()).map_err(|source| StoreError::from_io(&root, source))?;
    Ok(Arc::new(held))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, JournalError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.expect("file work neither panics nor is cancelled")?)
}

/// Creates a directory with its parents and syncs each entry made.
pub(crate) fn create_dir_durably(dir: &FsPath) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = parent_of(dir);
    create_dir_durably(parent)?;
    match std::fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(error) => return Err(StoreError::from_io(dir, error)),
    }
    sync_dir(parent).map_err(|source| StoreError::from_io(parent, source))
}

/// Syncs the entry of a directory that an earlier process may have made and not
/// lived to sync. One whose parent cannot be read was not made by one.
pub(crate) fn sync_entry(dir: &FsPath) {
    let _ = sync_dir(parent_of(dir));
}

fn parent_of(dir: &FsPath) -> &FsPath {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(FsPath::new("."))
}

/// Finds out now, rather than at the first commit, that nothing can be
/// written. The file is named like a staging file: no listing shows it.
fn probe_writable(dir: &FsPath) -> Result<(), StoreError> {
    let probe = dir.join(format!("writable#{}", std::process::id()));
    let written = std::fs::write(&probe, b"probe");
    // A disk without space takes the name, and none of the bytes.
    let removed = std::fs::remove_file(&probe);
    written.and(removed).map_err(|source| StoreError::from_io(dir, source))
}

fn sync_dir(dir: &FsPath) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Removes files under `dir` named like staging files; returns how many.
fn sweep_staging(dir: &FsPath) -> Result<u64, StoreError> {
    let fail = |source| StoreError::from_io(dir, source);
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(fail)?,
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            swept += sweep_staging(&entry.path())?;
        } else if is_staging(&entry.file_name().to_string_lossy()) {
            std::fs::remove_file(entry.path()).map_err(fail)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// `object_store` stages a write of `name` as `name#<digits>`, and neither
/// lists nor deletes such names.
fn is_staging(file_name: &str) -> bool {
    file_name.rsplit_once('#').is_some_and(|(_, digits)| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn staging_files_are_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::local(dir.path()).unwrap();
        store.prepare_shard(7).await.unwrap();
        let journal = dir.path().join("shard-7/journal");
        let kept = journal.join("00000000000000000001");
        let odd = journal.join("note#1a");
        for file in [&kept, &odd, &journal.join("00000000000000000002#1")] {
            std::fs::write(file, b"x").unwrap();
        }
        std::fs::write(dir.path().join("shard-7/genesis#12"), b"x").unwrap();
        store.prepare_shard(7).await.unwrap();
        assert!(kept.exists() && odd.exists());
        assert!(!journal.join("00000000000000000002#1").exists());
        assert!(!dir.path().join("shard-7/genesis#12").exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data");
        std::fs::write(&file, b"").unwrap();
        for path in [file.clone(), file.join("journal")] {
            let error = Store::local(&path).unwrap_err();
            assert!(matches!(error, StoreError::NotADirectory { .. }), "{error}");
            assert!(error.to_string().contains("data"), "{error}");
            assert_eq!(error.exit_code(), 78);
        }
    }

    #[test]
    fn what_the_system_refuses_is_told_apart() {
        let told = |kind: io::ErrorKind| StoreError::from_io(FsPath::new("d"), kind.into());
        assert!(matches!(told(io::ErrorKind::ReadOnlyFilesystem), StoreError::ReadOnly { .. }));
        assert!(matches!(told(io::ErrorKind::PermissionDenied), StoreError::NotWritable { .. }));
        assert!(matches!(told(io::ErrorKind::StorageFull), StoreError::Full { .. }));
        assert_eq!(told(io::ErrorKind::StorageFull).exit_code(), 1);
    }
}
