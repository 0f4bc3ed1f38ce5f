//! The local directory under a store, told from whatever takes its place.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::store::StoreError;

/// A directory that is held open: as long as it is, its number is given to no
/// other, be it deleted.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    held: File,
}

impl Root {
    /// The directory at `path`, which exists.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        match File::open(&path) {
            Ok(held) => Ok(Self { path, held }),
            Err(source) => Err(StoreError::from_io(&path, source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the directory, as far as can be told:
    /// it may have been moved or deleted, or another file system mounted over
    /// it or from under it. Blocks.
    pub(super) fn is_in_place(&self) -> bool {
        match (fs::metadata(&self.path), self.held.metadata()) {
            (Ok(found), Ok(held)) => number(&found) == number(&held),
            (Err(error), _) => {
                !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            (Ok(_), Err(_)) => true,
        }
    }
}

fn number(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_told_from_one_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        fs::create_dir(&path).unwrap();
        let root = Root::open(path.clone()).unwrap();
        assert!(root.is_in_place());

        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        assert!(!root.is_in_place(), "moved");
        fs::create_dir(&path).unwrap();
        assert!(!root.is_in_place(), "another one");
        fs::remove_dir(&path).unwrap();
        fs::rename(dir.path().join("elsewhere"), &path).unwrap();
        assert!(root.is_in_place(), "back again");

        fs::remove_dir(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!root.is_in_place(), "made anew");
    }
}
