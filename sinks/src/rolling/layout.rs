//! Names of a table's files: `dt=<day>/shard-<n>-<first>-<last>.parquet`, the
//! segments' numbers with 20 digits, so that a listing sorts by them.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::SinkError;
use crate::day::Day;
use crate::disk::{create_directory, io_error};

/// What is added to the name of a file that is set aside: readers of `*.parquet`
/// do not see it.
const ASIDE: &str = ".set-aside";

/// Where the files of one shard's table lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    shard: u32,
}

impl Layout {
    /// Creates the table's directory.
    pub(super) fn create(root: &Path, shard: u32) -> Result<Self, SinkError> {
        create_directory(root)?;
        Ok(Self::at(root, shard))
    }

    /// Looks at the table's directory, which need not be there.
    pub(super) fn at(root: &Path, shard: u32) -> Self {
        Self { root: root.to_owned(), shard }
    }

    /// The table's directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of one day's files.
    pub(super) fn partition(&self, day: Day) -> PathBuf {
        self.root.join(format!("dt={day}"))
    }

    /// A file in the making. The leading dot hides it from readers; `serial`
    /// tells it from the others of this process.
    pub(super) fn temporary(&self, day: Day, serial: u64) -> PathBuf {
        self.partition(day).join(format!("{}{serial}.tmp", self.temporary_prefix()))
    }

    /// A published file; `part` counts the files of the same day and range.
    pub(super) fn published(&self, day: Day, first: u64, last: u64, part: u32) -> PathBuf {
        let range = self.range_prefix(first, last);
        let name = match part {
            0 => format!("{range}.parquet"),
            part => format!("{range}-part-{part:04}.parquet"),
        };
        self.partition(day).join(name)
    }

    /// Removes what a killed process was still writing.
    pub(super) fn sweep_temporary(&self) -> Result<(), SinkError> {
        let prefix = self.temporary_prefix();
        self.remove_files(|path, name| {
            let temporary = name.starts_with(&prefix) && name.ends_with(".tmp");
            if temporary {
                tracing::info!(path = %path.display(), "removing an unfinished file");
            }
            temporary
        })
    }

    /// Sets published files aside that the cursor knows nothing of: segments after
    /// `through`, but for the range announced to end with `pending`. They are of
    /// a journal whose end is gone: what came before it comes again, and what was
    /// lost with it is in these files alone.
    pub(super) fn set_aside_after(
        &self,
        through: u64,
        pending: Option<u64>,
    ) -> Result<(), SinkError> {
        for path in self.files()? {
            let name = name_of(&path);
            let Some((first, last)) = self.range_of(name) else { continue };
            if first > through && Some(last) != pending {
                let aside = path.with_file_name(format!("{name}{ASIDE}"));
                fs::rename(&path, &aside).map_err(io_error(&path))?;
                tracing::warn!(path = %aside.display(), "set a file aside that the journal does not know of");
            }
        }
        Ok(())
    }

    /// First and last segment of a published file of this shard, by its name.
    fn range_of(&self, name: &str) -> Option<(u64, u64)> {
        let range = name.strip_suffix(".parquet")?.strip_prefix(&self.prefix())?;
        let mut numbers = range.splitn(3, '-').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }

    /// Removes published files of the range that are not in `kept`: a crash
    /// left them, and a newer version of the program divides the range into
    /// other parts.
    pub(super) fn remove_strays(
        &self,
        first: u64,
        last: u64,
        kept: &HashSet<PathBuf>,
    ) -> Result<(), SinkError> {
        let prefix = self.range_prefix(first, last);
        self.remove_files(|path, name| name.starts_with(&prefix) && !kept.contains(path))
    }

    fn temporary_prefix(&self) -> String {
        format!(".shard-{}-", self.shard)
    }

    /// What published files of the shard begin with.
    fn prefix(&self) -> String {
        format!("shard-{}-", self.shard)
    }

    fn range_prefix(&self, first: u64, last: u64) -> String {
        format!("{}{first:020}-{last:020}", self.prefix())
    }

    /// A published file of the shard, if there is any.
    pub(super) fn any_published(&self) -> Result<Option<PathBuf>, SinkError> {
        if !self.root.is_dir() {
            return Ok(None);
        }
        let prefix = self.prefix();
        Ok(self.files()?.into_iter().find(|path| name_of(path).starts_with(&prefix)))
    }

    fn remove_files(&self, unwanted: impl Fn(&Path, &str) -> bool) -> Result<(), SinkError> {
        for path in self.files()? {
            if unwanted(&path, name_of(&path)) {
                fs::remove_file(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// The files of all days, of whichever shard.
    fn files(&self) -> Result<Vec<PathBuf>, SinkError> {
        let mut files = Vec::new();
        for day in entries(&self.root)? {
            let directory = self.root.join(&day);
            if day.to_str().is_some_and(|day| day.starts_with("dt=")) && directory.is_dir() {
                files.extend(entries(&directory)?.into_iter().map(|file| directory.join(file)));
            }
        }
        Ok(files)
    }
}

/// Its name, empty where that is none of ours.
fn name_of(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn entries(directory: &Path) -> Result<Vec<OsString>, SinkError> {
    fs::read_dir(directory)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()
        })
        .map_err(io_error(directory))
}
