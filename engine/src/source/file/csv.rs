//! Rows of CSV files: comma-separated, quoted as RFC 4180 has it, with a
//! header line.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::columns::{self, Column};
use super::error::FileError;
use super::feed::{Feed, Original};
use super::input::{FileName, Stream};
use super::{ROW_BYTES_MAX, ROWS_PER_READ, Rows};
use crate::decode::fields::PingFields;
use crate::decode::{DecodeError, check_size};

/// What a refused row is: it has no header of its own.
const CONTENT_TYPE: &str = "text/csv; header=absent";

pub(super) struct CsvRows {
    name: FileName,
    csv: csv::Reader<Recorder>,
    columns: Vec<Column>,
    /// Fields that a row has.
    width: usize,
    record: ByteRecord,
    rows: u64,
}

impl CsvRows {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no header of pings.
    pub(super) fn open(name: FileName, stream: Stream) -> Result<Self, FileError> {
        let mut csv = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            .buffer_capacity(1 << 16)
            .from_reader(Recorder::new(stream));
        let header = match csv.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(broken(&name, 0, &csv, error)),
        };
        let names: Option<Vec<&str>> =
            header.iter().map(|name| std::str::from_utf8(name).ok()).collect();
        let Some(names) = names else {
            return Err(FileError::Unrecognised {
                file: name.full,
                detail: "its first line is not UTF-8 text".to_owned(),
            });
        };
        let columns = columns::find(&name.full, &names)?;
        let width = names.len();
        Ok(Self { name, csv, columns, width, record: ByteRecord::new(), rows: 0 })
    }
}

impl Rows for CsvRows {
    fn read(&mut self, feed: &mut Feed) -> Result<bool, FileError> {
        for _ in 0..ROWS_PER_READ {
            let start = self.csv.position().byte();
            self.csv.get_mut().forget_before(start);
            match self.csv.read_byte_record(&mut self.record) {
                Ok(true) => self.rows += 1,
                Ok(false) => return Ok(false),
                Err(error) => return Err(broken(&self.name, self.rows, &self.csv, error)),
            }
            let text = self.csv.get_ref().recorded(start, self.csv.position().byte());
            let fields = check_size(text.len())
                .and_then(|()| read_fields(&self.record, &self.columns, self.width));
            feed.take(&self.name, self.rows, fields, || Original {
                bytes: without_line_ends(text).to_vec(),
                content_type: CONTENT_TYPE,
            })?;
        }
        Ok(true)
    }
}

fn read_fields<'a>(
    record: &'a ByteRecord,
    columns: &[Column],
    width: usize,
) -> Result<PingFields<'a>, DecodeError> {
    if record.len() != width {
        let breaks = record.iter().flatten().filter(|byte| **byte == b'\n').count();
        let lines = match breaks {
            0 => String::new(),
            breaks => format!(" in {} lines, as where nothing closes a quote", breaks + 1),
        };
        let found = record.len();
        return Err(DecodeError::Row(format!(
            "{found} values{lines}; the header names {width} columns"
        )));
    }
    let mut fields = PingFields::default();
    for column in columns {
        let value = std::str::from_utf8(&record[column.index])
            .map_err(|_| DecodeError::Row(format!("{} is not UTF-8", column.field.name())))?;
        fields.parse(column.field, value)?;
    }
    Ok(fields)
}

/// The parser takes the line feed of a CR LF for the beginning of the next row.
fn without_line_ends(text: &[u8]) -> &[u8] {
    let is_content = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let start = text.iter().position(is_content).unwrap_or(text.len());
    let end = text.iter().rposition(is_content).map_or(start, |last| last + 1);
    &text[start..end]
}

fn broken(name: &FileName, rows: u64, csv: &csv::Reader<Recorder>, error: csv::Error) -> FileError {
    if csv.get_ref().row_too_long {
        return FileError::RowTooLong {
            file: name.full.clone(),
            row: rows + 1,
            limit: ROW_BYTES_MAX,
        };
    }
    FileError::Broken {
        file: name.full.clone(),
        rows,
        offset: Some(csv.position().byte()),
        source: error.into(),
    }
}

/// Keeps the text of the row being read, which the parser takes apart; and
/// refuses to go on when a row has no end, which the parser would gather in
/// memory.
struct Recorder {
    stream: Stream,
    kept: Vec<u8>,
    /// Offset in the stream of the first byte kept.
    kept_from: u64,
    /// Bytes before this offset are not asked for any more.
    needed_from: u64,
    row_too_long: bool,
}

impl Recorder {
    /// Bytes no longer needed that are kept before they are moved out, so that
    /// moving costs less than reading.
    const SLACK: u64 = 1 << 18;

    fn new(stream: Stream) -> Self {
        Self { stream, kept: Vec::new(), kept_from: 0, needed_from: 0, row_too_long: false }
    }

    fn forget_before(&mut self, offset: u64) {
        self.needed_from = offset;
    }

    /// The bytes from `start` to `end`, of which none was forgotten.
    fn recorded(&self, start: u64, end: u64) -> &[u8] {
        &self.kept[(start - self.kept_from) as usize..(end - self.kept_from) as usize]
    }
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let unneeded = self.needed_from - self.kept_from;
        if unneeded > Self::SLACK {
            self.kept.drain(..unneeded as usize);
            self.kept_from = self.needed_from;
        }
        let of_row = self.kept_from + self.kept.len() as u64 - self.needed_from;
        if of_row > ROW_BYTES_MAX as u64 {
            self.row_too_long = true;
            return Err(io::Error::other("row too long"));
        }
        let read = self.stream.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
