//! The file that a start goes on in, cut back to what is recorded of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use protos::journal::Cursor;

use super::ending::Ending;
use super::file::LogFile;
use crate::SinkError;
use crate::disk::{io_error, parent, sync_directory, sync_error};

/// Opens the file at `path` where `cursor` says, and gives its length; without a
/// cursor after the lines that are there. Blocks.
///
/// # Errors
/// The file cannot be opened or cut back, or is not the one that `cursor` speaks of.
pub(super) fn open(path: PathBuf, cursor: Option<&Cursor>) -> Result<(LogFile, u64), SinkError> {
    let file = match cursor.and_then(Ending::recorded) {
        Some(ending) => open_recorded(path, ending)?,
        None => LogFile::open(path)?,
    };
    let path = file.path();
    let found = file.file().metadata().map_err(io_error(path))?.len();
    let length = match cursor {
        Some(cursor) => {
            let length = recorded_length(path, cursor)?;
            refuse_another(&file, found, length, cursor)?;
            length
        }
        None => whole_lines(file.file(), found).map_err(io_error(path))?,
    };
    if found > length {
        tracing::info!(path = %path.display(), from = found, to = length, "cutting back");
        file.file().set_len(length).map_err(io_error(path))?;
    }
    file.file().sync_all().map_err(sync_error(path))?;
    sync_directory(parent(path))?;
    Ok((file, length))
}

/// The file at `path`; where none is there, or an empty one, the one beside it that
/// ends like this: it was moved away, and no new one has begun yet.
fn open_recorded(path: PathBuf, ending: Ending) -> Result<LogFile, SinkError> {
    let is_there = fs::metadata(&path).is_ok_and(|found| found.len() > 0);
    if !is_there && let Some(moved) = find_beside(&path, ending)? {
        let (path_shown, moved_to) = (path.display(), moved.display());
        tracing::warn!(path = %path_shown, %moved_to, "a file was moved away: lines go on in it");
        return LogFile::open_moved(path, &moved);
    }
    LogFile::open(path)
}

/// The file in the directory of `path`, under another name, that ends like this.
fn find_beside(path: &Path, ending: Ending) -> Result<Option<PathBuf>, SinkError> {
    let directory = parent(path);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(io_error(directory))?,
    };
    let mut found: Option<(PathBuf, (u64, u64))> = None;
    for entry in entries {
        let entry = entry.map_err(io_error(directory))?;
        let candidate = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        // What this user may not read is none of ours.
        let Ok(file) = File::open(&candidate) else { continue };
        if !ending.is_in(&file).map_err(io_error(&candidate))? {
            continue;
        }
        let metadata = file.metadata().map_err(io_error(&candidate))?;
        let number = (metadata.dev(), metadata.ino());
        match &found {
            None => found = Some((candidate, number)),
            // Another name of the same.
            Some((_, other)) if *other == number => {}
            Some((other, _)) => {
                let (one, two) = (other.display(), candidate.display());
                let contradiction = format!(
                    "was moved away, and both {one} and {two} hold what was written to it: move one \
                     of them to another directory"
                );
                return Err(contradicts(path, contradiction));
            }
        }
    }
    Ok(found.map(|(candidate, _)| candidate))
}

/// Refuses a file of `found` bytes that `cursor`, at `length` bytes, does not speak of.
fn refuse_another(
    file: &LogFile,
    found: u64,
    length: u64,
    cursor: &Cursor,
) -> Result<(), SinkError> {
    let path = file.path();
    let holds = |ending: Ending| ending.is_in(file.file()).map_err(io_error(path));
    let contradiction = if found < length {
        format!(
            "holds {found} bytes, but its cursor says that {length} were written: put the file \
             back, or a copy; where there is none, start once without this sink, which then \
             begins anew"
        )
    } else if let Some(ending) = Ending::recorded(cursor)
        && !holds(ending)?
    {
        format!(
            "does not hold the {length} bytes that its cursor says were written, but others: an \
             older log, maybe. Move it away, and put the right one back, or a copy; where there is \
             none, start once without this sink, which then begins anew"
        )
    } else if let Some(former) = Ending::former(cursor)
        && holds(former)?
    {
        "is the log that was moved away, and it is recorded that a new one has begun since: move \
         it away again"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(contradicts(path, contradiction))
}

fn contradicts(path: &Path, contradiction: String) -> SinkError {
    SinkError::Cursor { path: path.display().to_string(), contradiction }
}

fn recorded_length(path: &Path, cursor: &Cursor) -> Result<u64, SinkError> {
    let Cursor { sink, through_seq, byte_length, .. } = cursor;
    byte_length.ok_or_else(|| {
        let contradiction = format!(
            "the cursor of {sink} at segment {through_seq} says nothing of the file's length"
        );
        contradicts(path, contradiction)
    })
}

/// Length of the whole lines in a file of `length` bytes.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut piece = [0; 4096];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let piece = &mut piece[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(last) = piece.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
