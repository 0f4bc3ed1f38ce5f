//! An append-only file of JSON lines, each line exactly once.
//!
//! The cursor holds the file's length after fsync. A start cuts the file back
//! to it: what a killed process wrote behind its recorded cursor comes again.
//! A cursor is recorded before the first line is written, so lines without one
//! are of a sink that was switched off since, or of another journal: they stay.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, Segment};

use crate::blocking::Blocking;
use crate::disk::{create_directory, drain, io_error, parent, sync_directory, sync_error};
use crate::fail_point;
use crate::{Flush, Sink, SinkError};

/// Lines gather in memory up to here before they are written.
const UNSENT_BYTES_MAX: usize = 256 * 1024;

/// Turns segments into lines.
pub(crate) trait Lines: Send + 'static {
    /// Name of the sink.
    const NAME: &'static str;

    /// What has a line of its own.
    type Item;

    /// What of `segment` has lines, in their order.
    fn items(segment: &Segment) -> &[Self::Item];

    /// Appends the line of `item`, one of those of `segment`, with its line break.
    /// The same item gives the same bytes.
    fn append(&mut self, segment: &Segment, item: &Self::Item, out: &mut Vec<u8>);
}

/// The file of one shard in `directory`, whether it is there or not.
pub(crate) fn path(directory: &Path, shard: u32) -> PathBuf {
    directory.join(format!("shard-{shard}.ndjson"))
}

/// The sink.
pub(crate) struct NdjsonLog<L: Lines> {
    log: Blocking<Log<L>>,
    found_output: bool,
}

impl<L: Lines> NdjsonLog<L> {
    /// Opens the [`path`] at `cursor`; without one after
    /// the lines that are there. Blocks.
    pub(crate) fn open(
        lines: L,
        directory: &Path,
        shard: u32,
        cursor: Option<&Cursor>,
    ) -> Result<Self, SinkError> {
        let log = Log::open(lines, path(directory, shard), cursor)?;
        let found_output = cursor.is_none() && log.length > 0;
        Ok(Self { log: Blocking::new(log), found_output })
    }
}

#[async_trait]
impl<L: Lines> Sink for NdjsonLog<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn found_output(&self) -> Option<bool> {
        Some(self.found_output)
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        self.log.run(move |log| log.write(&segment)).await
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        self.log.run(Log::flush).await
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        Ok(None)
    }
}

struct Log<L> {
    lines: L,
    path: PathBuf,
    file: File,
    /// Lines taken and not yet written.
    unsent: Vec<u8>,
    /// Bytes in the file and in `unsent`.
    length: u64,
    /// Length known to be durable.
    durable_length: u64,
    /// The last segment whose lines were taken.
    taken: u64,
}

impl<L: Lines> Log<L> {
    fn open(lines: L, path: PathBuf, cursor: Option<&Cursor>) -> Result<Self, SinkError> {
        let directory = parent(&path);
        create_directory(directory)?;
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error(&path))?;
        let found = file.metadata().map_err(io_error(&path))?.len();
        let length = match cursor {
            Some(cursor) => recorded_length(&path, cursor)?,
            None => whole_lines(&file, found).map_err(io_error(&path))?,
        };
        if found < length {
            let contradiction = format!(
                "holds {found} bytes, but its cursor says that {length} were written; \
                 restore the file from a copy"
            );
            return Err(SinkError::Cursor { path: path.display().to_string(), contradiction });
        }
        if found > length {
            tracing::info!(path = %path.display(), from = found, to = length, "cutting back");
            file.set_len(length).map_err(io_error(&path))?;
        }
        file.seek(SeekFrom::Start(length)).map_err(io_error(&path))?;
        file.sync_all().map_err(sync_error(&path))?;
        sync_directory(directory)?;
        let taken = cursor.map_or(0, |cursor| cursor.through_seq);
        let unsent = Vec::new();
        Ok(Self { lines, path, file, unsent, length, durable_length: length, taken })
    }

    fn write(&mut self, segment: &Segment) -> Result<(), SinkError> {
        if segment.seq > self.taken {
            if self.unsent.len() >= UNSENT_BYTES_MAX {
                self.drain()?;
            }
            let mut sent = Ok(());
            for item in L::items(segment) {
                let before = self.unsent.len();
                self.lines.append(segment, item, &mut self.unsent);
                self.length += (self.unsent.len() - before) as u64;
                // While the processor still has them in its cache.
                if self.unsent.len() >= UNSENT_BYTES_MAX && sent.is_ok() {
                    sent = self.drain();
                }
            }
            self.taken = segment.seq;
            sent?;
        }
        if self.unsent.len() >= UNSENT_BYTES_MAX {
            self.drain()?;
        }
        fail_point::hit_in(L::NAME, "write");
        Ok(())
    }

    fn flush(&mut self) -> Result<Cursor, SinkError> {
        self.drain()?;
        if self.durable_length != self.length {
            self.file.sync_data().map_err(sync_error(&self.path))?;
            self.durable_length = self.length;
        }
        fail_point::hit_in(L::NAME, "flush");
        Ok(Cursor {
            sink: L::NAME.to_owned(),
            through_seq: self.taken,
            byte_length: Some(self.length),
            ..Cursor::default()
        })
    }

    fn drain(&mut self) -> Result<(), SinkError> {
        drain(&self.file, &mut self.unsent).map_err(io_error(&self.path))
    }
}

fn recorded_length(path: &Path, cursor: &Cursor) -> Result<u64, SinkError> {
    let Cursor { sink, through_seq, byte_length, .. } = cursor;
    byte_length.ok_or_else(|| SinkError::Cursor {
        path: path.display().to_string(),
        contradiction: format!(
            "the cursor of {sink} at segment {through_seq} says nothing of the file's length"
        ),
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

#[cfg(test)]
mod tests;
