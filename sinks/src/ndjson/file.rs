//! The file of a log, and whether it is where it will be looked for.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::disk::{create_directory, io_error, parent};
use crate::{Found, Held, SinkError};

/// A file that takes lines at its end, and its directory.
pub(super) struct LogFile {
    pub(super) held: Held,
    /// That another file system is mounted over it, or taken away, shows here.
    directory: Held,
}

/// Where the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// All of them where they will be looked for.
    Same,
    /// All of them in a file that was moved away. A new one may begin.
    Elsewhere,
    /// The file was deleted, or changed by somebody else, and a new one may begin
    /// in its place.
    Gone,
}

impl LogFile {
    /// The file at `path`, which is made where it is not there. Blocks.
    pub(super) fn open(path: PathBuf) -> Result<Self, SinkError> {
        create_directory(parent(&path))?;
        let file = to_append().create(true).open(&path).map_err(io_error(&path))?;
        Self::at(path, file)
    }

    /// The file that was at `path` and has the name `moved` now. Blocks.
    pub(super) fn open_moved(path: PathBuf, moved: &Path) -> Result<Self, SinkError> {
        let file = to_append().open(moved).map_err(io_error(moved))?;
        Self::at(path, file)
    }

    fn at(path: PathBuf, file: File) -> Result<Self, SinkError> {
        let directory = parent(&path).to_path_buf();
        let directory = Held::open(directory.clone()).map_err(io_error(&directory))?;
        Ok(Self { held: Held::new(path, file), directory })
    }

    pub(super) fn file(&self) -> &File {
        self.held.file()
    }

    pub(super) fn path(&self) -> &Path {
        self.held.path()
    }

    /// Where the lines are, of which `length` bytes were written. Blocks.
    ///
    /// # Errors
    /// Somebody has to put something right first, and the error says what.
    pub(super) fn place(&self, length: u64) -> Result<Place, SinkError> {
        let held = self.file().metadata().map_err(io_error(self.path()))?;
        let is_whole = held.nlink() > 0 && held.len() == length;
        // A new file may have taken its place only in the same directory.
        if !self.directory.is_in_place() {
            return Err(displaced(
                self.directory.path(),
                "no longer the directory that this process has opened: put it back".to_owned(),
            ));
        }
        let room = match self.held.look().map_err(io_error(self.path()))? {
            Found::Itself if is_whole => return Ok(Place::Same),
            Found::Nothing if is_whole => true,
            Found::Another(found) => found.is_file() && found.len() == 0,
            Found::Itself | Found::Nothing => false,
        };
        match (room, is_whole) {
            (true, true) => Ok(Place::Elsewhere),
            (true, false) => Ok(Place::Gone),
            (false, _) => {
                let what = self.contradiction(held.nlink(), held.len(), length);
                Err(displaced(self.path(), what))
            }
        }
    }

    /// What is wrong with a file of `links` names and `found` bytes, and what to
    /// do about it.
    fn contradiction(&self, links: u64, found: u64, length: u64) -> String {
        const ANEW: &str = "an empty file in its place has lines go on there, after the last that \
                            are recorded";
        if links == 0 {
            let (process, file) = (std::process::id(), self.file().as_raw_fd());
            format!(
                "was deleted under this process, which still has what it held as \
                 /proc/{process}/fd/{file}; {ANEW}"
            )
        } else if found == length {
            "is not the file that lines were written to: put that back, or an empty one".to_owned()
        } else {
            format!(
                "holds {found} bytes, and {length} were written: it was changed from outside. Move \
                 it away; {ANEW}"
            )
        }
    }
}

/// What is appended never lies behind a hole, should somebody cut the file.
fn to_append() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    options
}

fn displaced(path: &Path, what: String) -> SinkError {
    SinkError::Displaced { path: path.display().to_string(), what }
}
