//! Replays recorded pings from files, as fast as they can be read.
//!
//! Reads Parquet, CSV with a header, and NDJSON, each plain or compressed with
//! gzip or zstd; the content tells which, not the name. Columns and keys are
//! those of `VehiclePing`; unknown ones are ignored, with a warning where one is
//! nearly named right. The event time is `event_time` (a timestamp, or an RFC 3339 string) or `event_time_ms` or
//! `event_time_us` (whole numbers since 1970), one of them; likewise the
//! optional `receive_time`. Several files are one input.
//!
//! A ping arrives at its receive time, or at its event time where the file has
//! none; the order of arrival is by that time, ties in file order. It is
//! established in memory ([`ReplayOptions::sort_bytes_max`]): an input that
//! needs more must be sorted but for what half of that memory can mend, and a
//! row that comes later than that ends the replay with its number.
//!
//! A row that is no ping becomes a dead letter and the stream goes on. A file
//! that breaks off ends the replay with an error, after everything before the
//! break was handed over.

mod columns;
mod csv;
mod disturb;
mod error;
mod feed;
mod input;
mod ndjson;
mod parquet;
#[cfg(test)]
mod tests;
mod window;

pub use disturb::Disturbance;
pub use error::FileError;
pub use input::ReplayInput;

use std::collections::VecDeque;

use bytes::Bytes;
use geofence::TimeMs;
use prost::Message;
use protos::journal::DeadLetter;

use crate::decode::entry::Envelope;
use crate::decode::{ContentType, decode_part};
use crate::intake::Entry;
use crate::source::SourceBatch;
use crate::source::low_mark::LowMark;
use feed::Feed;
use input::{BytesRead, Opened};
use window::{Kind, Window};

/// Longest row of a text file that is read at all, bytes; one over
/// [`crate::decode::PING_BYTES_MAX`] is refused as a ping, but whole.
const ROW_BYTES_MAX: usize = 1 << 20;
/// Rows read from a file in one go.
const ROWS_PER_READ: usize = 8192;

/// How to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Delays and duplicates; none by default.
    pub disturbance: Disturbance,
    /// Accept position 0, 0; not by default.
    pub allow_null_island: bool,
    /// Memory in which rows are put into order, bytes; 4 GiB by default, which
    /// is about 60 million rows of a bare position. An input that needs more
    /// must be sorted. Also the largest size to which a compressed Parquet
    /// file may unpack.
    pub sort_bytes_max: u64,
    /// Most entries of a batch, at least 1; 2,000 by default.
    pub batch_entries_max: usize,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            disturbance: Disturbance::default(),
            allow_null_island: false,
            sort_bytes_max: 4 << 30,
            batch_entries_max: 2_000,
        }
    }
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Bytes of the files, compressed as they are; 0 for what is no file.
    pub bytes_total: u64,
    /// Of them, read; near enough for a progress bar.
    pub bytes_read: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Entries handed over, duplicates included.
    pub entries: u64,
}

/// Rows of one file.
trait Rows: Send {
    /// Feeds up to [`ROWS_PER_READ`] rows; false at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read further; every row before was fed.
    fn read(&mut self, feed: &mut Feed) -> Result<bool, FileError>;
}

/// Recorded pings on their way into the engine, in order of arrival.
pub struct FileReplay {
    files: VecDeque<Opened>,
    feed: Feed,
    low_mark: LowMark,
    /// What ends the replay once everything before is handed over.
    failure: Option<FileError>,
    /// Files after that.
    unread: Vec<String>,
    /// Arrival given to rows refused before the first time was read.
    unknown_arrival: TimeMs,
    options: ReplayOptions,
    bytes_total: u64,
    bytes_read: Vec<BytesRead>,
    entries: u64,
    /// Entries of the batch before.
    last_batch: usize,
}

impl FileReplay {
    /// Opens every input and checks what can be seen without reading its rows.
    ///
    /// # Errors
    /// The first input that cannot be replayed at all.
    pub fn open(
        inputs: impl IntoIterator<Item = impl Into<ReplayInput>>,
        options: ReplayOptions,
    ) -> Result<Self, FileError> {
        let files: VecDeque<Opened> = inputs
            .into_iter()
            .map(|input| input::open(input.into(), options.sort_bytes_max))
            .collect::<Result<_, _>>()?;
        let window = Window::new(options.sort_bytes_max);
        Ok(Self {
            feed: Feed::new(window, options.disturbance, options.allow_null_island),
            low_mark: LowMark::new(),
            failure: None,
            unread: Vec::new(),
            unknown_arrival: TimeMs(0),
            options,
            bytes_total: files.iter().map(|file| file.bytes_total).sum(),
            bytes_read: files.iter().map(|file| file.read.clone()).collect(),
            entries: 0,
            last_batch: 0,
            files,
        })
    }

    /// The next entries to arrive, all under one low mark; `None` at the end.
    /// An error is the last thing that comes, after every row read before it.
    /// The first call reads as much of the input as the sort memory holds.
    pub fn next_batch(&mut self) -> Option<Result<SourceBatch, FileError>> {
        if !self.fill() {
            return self.failure.take().map(Err);
        }
        // Most batches end where the low mark moves, so the last one's size is
        // the best guess at this one's.
        let mut entries = Vec::with_capacity(self.last_batch);
        let mut low_mark = None;
        while entries.len() < self.options.batch_entries_max.max(1)
            && let Some(arrival) = self.next_arrival()
        {
            // A row that opens the next batch is observed again then, which
            // changes nothing.
            let mark = self.low_mark.observe(arrival.0, arrival);
            if mark != low_mark && !entries.is_empty() {
                break;
            }
            low_mark = mark;
            let (kind, record) = self.feed.window.take().expect("the row whose arrival was seen");
            entries.push(self.entry(kind, record, arrival));
        }
        self.last_batch = entries.len();
        self.entries += entries.len() as u64;
        Some(Ok(SourceBatch { low_mark, entries }))
    }

    /// Names of the files that were not read at all, because one before them
    /// ended the replay.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Rows of the whole input, duplicates not counted; `None` until all of it
    /// has been read. An input that fits into the sort memory has been when
    /// the first batch comes.
    #[must_use]
    pub fn rows_total(&self) -> Option<u64> {
        self.files.is_empty().then(|| self.feed.rows())
    }

    /// How far the replay has come.
    #[must_use]
    pub fn progress(&self) -> ReplayProgress {
        ReplayProgress {
            bytes_total: self.bytes_total,
            bytes_read: self.bytes_read.iter().map(BytesRead::get).sum(),
            rows_read: self.feed.rows(),
            entries: self.entries,
        }
    }

    /// Makes rows ready to be taken; false at the end of the input.
    fn fill(&mut self) -> bool {
        while self.feed.window.next_arrival().is_none() {
            let ended = self.files.is_empty();
            while !self.feed.window.is_full()
                && let Some(file) = self.files.front_mut()
            {
                match file.rows.read(&mut self.feed) {
                    Ok(true) => {}
                    Ok(false) => drop(self.files.pop_front()),
                    Err(failure) => {
                        self.failure = Some(failure);
                        self.unread = self.files.drain(..).skip(1).map(|file| file.name).collect();
                    }
                }
            }
            self.feed.window.sort(self.files.is_empty());
            if let Some(known) = self.feed.window.first_known_arrival() {
                self.unknown_arrival = known;
            }
            if ended {
                break;
            }
        }
        self.feed.window.next_arrival().is_some()
    }

    fn next_arrival(&self) -> Option<TimeMs> {
        let arrival = self.feed.window.next_arrival()?;
        Some(if arrival == TimeMs::MIN { self.unknown_arrival } else { arrival })
    }

    fn entry(&mut self, kind: Kind, record: Bytes, receive_time: TimeMs) -> Entry {
        match kind {
            Kind::Ping => {
                let envelope = Envelope {
                    source: "replay",
                    message_id: "",
                    receive_time,
                    allow_null_island: self.options.allow_null_island,
                    owned: None,
                };
                envelope.entry(ContentType::Ping, decode_part(ContentType::Ping, record))
            }
            Kind::DeadLetter => {
                let letter = DeadLetter::decode(record).expect("encoded by the feed");
                Entry::Rejected(DeadLetter { receive_time_ms: receive_time.0, ..letter })
            }
        }
    }
}
