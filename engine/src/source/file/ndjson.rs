//! Rows of NDJSON files: one JSON object a line, keys as in messages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use serde::de::IgnoredAny;

use super::columns::warn_of_misnamed;
use super::error::FileError;
use super::feed::{Feed, Original};
use super::input::{FileName, Stream};
use super::{ROW_BYTES_MAX, ROWS_PER_READ, Rows};
use crate::decode::json::{Times, read_object};
use crate::decode::{ContentType, check_size};

pub(super) struct NdjsonRows {
    name: FileName,
    stream: BufReader<Stream>,
    line: Vec<u8>,
    /// Lines read, blank ones too: a row's number is its line's.
    lines: u64,
    bytes: u64,
    /// Whether the keys of a row were looked at.
    looked_at_keys: bool,
}

impl NdjsonRows {
    pub(super) fn new(name: FileName, stream: Stream) -> Self {
        let stream = BufReader::with_capacity(1 << 16, stream);
        Self { name, stream, line: Vec::new(), lines: 0, bytes: 0, looked_at_keys: false }
    }

    /// Reads the next line into `line`; false at the end.
    fn next_line(&mut self) -> Result<bool, FileError> {
        self.line.clear();
        let mut limited = (&mut self.stream).take(ROW_BYTES_MAX as u64 + 1);
        let read =
            limited.read_until(b'\n', &mut self.line).map_err(|error| FileError::Broken {
                file: self.name.full.clone(),
                rows: self.lines,
                offset: Some(self.bytes),
                source: error.into(),
            })?;
        if read > ROW_BYTES_MAX {
            return Err(FileError::RowTooLong {
                file: self.name.full.clone(),
                row: self.lines + 1,
                limit: ROW_BYTES_MAX,
            });
        }
        self.lines += u64::from(read > 0);
        self.bytes += read as u64;
        Ok(read > 0)
    }
}

impl Rows for NdjsonRows {
    fn read(&mut self, feed: &mut Feed) -> Result<bool, FileError> {
        for _ in 0..ROWS_PER_READ {
            if !self.next_line()? {
                return Ok(false);
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            self.looked_at_keys = self.looked_at_keys || look_at_keys(&self.name.full, line);
            let fields =
                check_size(line.len()).and_then(|()| read_object(line, Times::EventAndReceive));
            feed.take(&self.name, self.lines, fields, || Original {
                bytes: line.to_vec(),
                content_type: ContentType::Json.name(),
            })?;
        }
        Ok(true)
    }
}

/// Warns of keys of `line` that are nearly those of a ping; false where it is no
/// object. The other rows are taken to have the same.
fn look_at_keys(file: &str, line: &[u8]) -> bool {
    let Ok(object) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(line) else {
        return false;
    };
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    warn_of_misnamed(file, &keys);
    true
}
