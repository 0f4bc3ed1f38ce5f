//! What the sinks ask of a file system, with errors that name the path.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::SinkError;

/// Adds the path to an error.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SinkError + '_ {
    move |source| SinkError::Io { path: path.display().to_string(), source }
}

/// Adds the path to an error of fsync.
pub(crate) fn sync_error(path: &Path) -> impl FnOnce(io::Error) -> SinkError + '_ {
    move |source| SinkError::Sync { path: path.display().to_string(), source }
}

/// Writes all of `bytes` to `file` and takes away what was written: after an
/// error (a full disk) what is left can be tried again, and nothing is written
/// twice.
pub(crate) fn drain(mut file: &File, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    let result = loop {
        match bytes.get(written..) {
            None | Some([]) => break Ok(()),
            Some(rest) => match file.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            },
        }
    };
    bytes.drain(..written);
    result
}

/// Makes the names in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), SinkError> {
    let opened = File::open(directory).map_err(io_error(directory))?;
    opened.sync_all().map_err(sync_error(directory))
}

/// Creates `directory` and what leads to it.
pub(crate) fn create_directory(directory: &Path) -> Result<(), SinkError> {
    fs::create_dir_all(directory).map_err(io_error(directory))
}

/// The directory `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
