//! An append-only file of JSON lines, each line exactly once.
//!
//! The cursor holds the file's length after fsync. A start cuts the file back
//! to it: what a killed process wrote behind its recorded cursor comes again.
//! A cursor is recorded before the first line is written, so lines without one
//! are of a sink that was switched off since, or of another journal: they stay.
//!
//! A cursor is given out only while the path leads to the file, whole. One that
//! was moved away is done with: a new one begins in its place, once a cursor
//! that says so is recorded. A start that comes before that finds the file beside
//! its place, by how it ends, and goes on as if the process had never died.

mod ending;
mod file;
mod start;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, Segment};

use self::ending::Ending;
use self::file::{LogFile, Place};
use crate::blocking::Blocking;
use crate::disk::{drain, io_error, parent, sync_directory, sync_error};
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

    async fn recorded(&mut self, cursor: &Cursor) -> Result<Option<Cursor>, SinkError> {
        let through = cursor.through_seq;
        self.log.run(move |log| log.recorded(through)).await.map(|()| None)
    }
}

struct Log<L> {
    lines: L,
    file: LogFile,
    /// Lines taken and not yet written.
    unsent: Vec<u8>,
    /// Bytes in the file and in `unsent`.
    length: u64,
    /// Length known to be durable.
    durable_length: u64,
    /// The last segment whose lines were taken.
    taken: u64,
    /// The last segment of which it is recorded that its lines were taken.
    recorded: u64,
    /// A new file begins with the next cursor that is recorded.
    begins_anew: bool,
    /// How the file ends that was moved away before this one. Counts while this one
    /// is empty, and cannot be told from it otherwise.
    former: Option<Ending>,
}

impl<L: Lines> Log<L> {
    fn open(lines: L, path: PathBuf, cursor: Option<&Cursor>) -> Result<Self, SinkError> {
        let (file, length) = start::open(path, cursor)?;
        let taken = cursor.map_or(0, |cursor| cursor.through_seq);
        Ok(Self {
            lines,
            file,
            unsent: Vec::new(),
            length,
            durable_length: length,
            taken,
            recorded: taken,
            begins_anew: false,
            former: cursor.and_then(Ending::former),
        })
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
            self.file.file().sync_data().map_err(sync_error(self.file.path()))?;
            self.durable_length = self.length;
        }
        fail_point::hit_in(L::NAME, "flush");
        match self.file.place(self.length)? {
            Place::Same => Ok(self.cursor(self.taken, self.length, self.ending()?)),
            Place::Elsewhere => {
                self.former = self.ending()?.or(self.former);
                Err(self.begin_anew(self.taken.max(self.recorded)))
            }
            Place::Gone => {
                self.former = None;
                Err(self.begin_anew(self.recorded))
            }
        }
    }

    fn ending(&self) -> Result<Option<Ending>, SinkError> {
        Ending::of(self.file.file(), self.length).map_err(io_error(self.file.path()))
    }

    /// Asks to have it recorded that a new file begins after segment `through`.
    fn begin_anew(&mut self, through: u64) -> SinkError {
        let (path, bytes) = (self.file.path().display(), self.length);
        tracing::warn!(%path, bytes, through, "a file was taken away: a new one begins");
        self.begins_anew = true;
        SinkError::Unrecorded(Box::new(self.cursor(through, 0, None).into()))
    }

    fn cursor(&self, through_seq: u64, length: u64, ending: Option<Ending>) -> Cursor {
        let former = self.former.filter(|_| length == 0);
        Cursor {
            sink: L::NAME.to_owned(),
            through_seq,
            byte_length: Some(length),
            ending: ending.map(Ending::checksum),
            former: former.map(Into::into),
            ..Cursor::default()
        }
    }

    /// A cursor at segment `through` is recorded.
    fn recorded(&mut self, through: u64) -> Result<(), SinkError> {
        // Unless it was put back meanwhile: then lines go on in it.
        if self.begins_anew && self.file.place(self.length)? != Place::Same {
            self.file = LogFile::open(self.file.path().to_path_buf())?;
            sync_directory(parent(self.file.path()))?;
            self.unsent.clear();
            (self.length, self.durable_length) = (0, 0);
            self.taken = through;
        }
        self.begins_anew = false;
        self.recorded = through;
        Ok(())
    }

    fn drain(&mut self) -> Result<(), SinkError> {
        drain(self.file.file(), &mut self.unsent).map_err(io_error(self.file.path()))
    }
}

#[cfg(test)]
mod tests;
