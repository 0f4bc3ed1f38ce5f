//! A file or directory that is held open, told from whatever takes its place.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file or directory that is held open: as long as it is, its number is given
/// to no other, be it deleted.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    file: File,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// What is held.
    Itself,
    /// Another one: what is held was moved or deleted, or another file system
    /// mounted over it or from under it.
    Another(Metadata),
    /// Nothing: it was moved or deleted.
    Nothing,
}

impl Held {
    /// `file`, which was opened at `path`.
    #[must_use]
    pub fn new(path: PathBuf, file: File) -> Self {
        Self { path, file }
    }

    /// Opens what is at `path`, to read. Blocks.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        File::open(&path).map(|file| Self::new(path, file))
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is held.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What the path leads to now. Blocks.
    ///
    /// # Errors
    /// The system does not say.
    pub fn look(&self) -> io::Result<Found> {
        let held = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(found) if number(&found) == number(&held) => Ok(Found::Itself),
            Ok(found) => Ok(Found::Another(found)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Found::Nothing),
                _ => Err(error),
            },
        }
    }

    /// Whether the path still leads to it, as far as can be told. Blocks.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        matches!(self.look(), Ok(Found::Itself) | Err(_))
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
        let held = Held::open(path.clone()).unwrap();
        assert!(held.is_in_place());

        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        assert!(!held.is_in_place(), "moved");
        fs::create_dir(&path).unwrap();
        assert!(!held.is_in_place(), "another one");
        fs::remove_dir(&path).unwrap();
        fs::rename(dir.path().join("elsewhere"), &path).unwrap();
        assert!(held.is_in_place(), "back again");

        fs::remove_dir(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!held.is_in_place(), "made anew");
    }
}
