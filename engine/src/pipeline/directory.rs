//! The data directory and what is where in it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sinks::{archive, dead_letters, event_files, event_log};

use crate::exit::{Exit, WithExit as _};
use crate::journal::lock::{self, DataDirLock};
use crate::journal::{Store, create_dir_durably, sync_entry};

/// A data directory under this process's exclusive lock, and its layout.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: DataDirLock,
}

impl DataDir {
    /// The directory at `path`, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written (78), or another process holds it (75).
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create_dir_durably(path)
            .with_context(|| {
                format!(
                    "data_dir {}: the directory cannot be made; name another with --data-dir",
                    path.display()
                )
            })
            .exit_with(Exit::Config)?;
        sync_entry(path);
        Ok(Self { path: path.to_owned(), _lock: lock::acquire(path)? })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Root of the journal's object store, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn journal(&self) -> anyhow::Result<Store> {
        Ok(Store::local(&self.journal_path())?)
    }

    /// Whether that root is there.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.journal_path().exists()
    }

    fn journal_path(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Archived pings, by day.
    #[must_use]
    pub fn pings(&self) -> PathBuf {
        self.path.join("pings")
    }

    /// Events as Parquet, by day.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.path.join("events")
    }

    /// Every event operation, a file for each shard.
    #[must_use]
    pub fn event_log(&self) -> PathBuf {
        self.path.join("event_log")
    }

    /// Refused input, a file for each shard.
    #[must_use]
    pub fn dead_letters(&self) -> PathBuf {
        self.path.join("dead_letters")
    }

    /// Something that a worker has put out of `shard` here, if there is any.
    ///
    /// # Errors
    /// The directories cannot be read.
    pub fn output_of(&self, shard: u32) -> anyhow::Result<Option<PathBuf>> {
        let lines = [
            event_log::path(&self.event_log(), shard),
            dead_letters::path(&self.dead_letters(), shard),
        ];
        let written = |path: &PathBuf| path.metadata().is_ok_and(|file| file.len() > 0);
        if let Some(found) = lines.into_iter().find(written) {
            return Ok(Some(found));
        }
        match archive::published(&self.pings(), shard)? {
            None => Ok(event_files::published(&self.events(), shard)?),
            found => Ok(found),
        }
    }

    /// The newest position of every vehicle.
    #[must_use]
    pub fn positions(&self) -> PathBuf {
        self.path.join("positions.ndjson")
    }
}
