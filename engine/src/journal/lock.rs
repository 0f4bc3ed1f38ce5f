//! The exclusive lock on a data directory: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Holds the lock for as long as it lives; the system releases it when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works in the directory.
    #[error(
        "{}: held by {}: one process works in a data directory at a time", path.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    AlreadyLocked {
        /// The lock file.
        path: PathBuf,
        /// The holder, if it has written its id yet.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl LockError {
    /// The process's exit code: 75 while another process works there, 78 for
    /// a directory this user cannot write, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AlreadyLocked { .. } => 75,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::NotFound => 78,
                _ => 1,
            },
        }
    }
}

/// Takes the lock `<data_dir>/LOCK` of an existing directory, without
/// waiting, and writes this process's id into it.
///
/// # Errors
/// Another process holds it, or the file cannot be used.
pub fn acquire(data_dir: &Path) -> Result<DataDirLock, LockError> {
    let path = data_dir.join("LOCK");
    let fail = |source| LockError::Io { path: path.clone(), source };
    // Not truncated: until the lock is ours the content is the holder's.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LockError::AlreadyLocked { pid: read_pid(&mut file), path });
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    write_pid(&mut file).map_err(fail)?;
    Ok(DataDirLock { _file: file })
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = acquire(dir.path()).unwrap();
        let error = acquire(dir.path()).unwrap_err();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_missing_directory_is_a_matter_of_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let error = acquire(&dir.path().join("nowhere")).unwrap_err();
        assert_eq!(error.exit_code(), 78);
        assert!(error.to_string().contains("LOCK"), "{error}");
    }
}
