//! Opens a file whatever it is: the content decides, not the name.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::ParquetError;

use super::Rows;
use super::csv::CsvRows;
use super::error::FileError;
use super::ndjson::NdjsonRows;
use super::parquet::{ParquetProgress, ParquetRows};
use crate::decode::pieces::BYTE_ORDER_MARK;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const PARQUET: &[u8] = b"PAR1";
/// Of a file whose footer is encrypted.
const ENCRYPTED_PARQUET: &[u8] = b"PARE";
const UTF_16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];
/// Bytes read to tell what a file is.
const PREFIX_BYTES: u64 = 4096;

/// A file to replay.
#[derive(Clone, Debug)]
pub enum ReplayInput {
    /// A file on disk.
    File(PathBuf),
    /// A file's bytes.
    Memory {
        /// Name for messages and dead letters.
        name: String,
        /// Its content.
        bytes: Bytes,
    },
}

impl From<PathBuf> for ReplayInput {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// A file's name.
#[derive(Clone, Debug)]
pub(super) struct FileName {
    /// As it was given, for messages.
    pub(super) full: String,
    /// Without its directory: what dead letters carry, so that they are the
    /// same wherever the file lies.
    pub(super) short: String,
}

/// A stream of unpacked bytes.
pub(super) type Stream = Box<dyn Read + Send>;

/// An opened file: where its rows come from and how much of it was read.
pub(super) struct Opened {
    /// As it was given.
    pub(super) name: String,
    pub(super) rows: Box<dyn Rows>,
    /// Bytes of the file itself; 0 when not known.
    pub(super) bytes_total: u64,
    /// Bytes of the file itself read so far.
    pub(super) read: BytesRead,
}

/// Opens `input` and reads as much as shows that it can be replayed.
///
/// # Errors
/// See [`FileError`].
pub(super) fn open(input: ReplayInput, unpacked_max: u64) -> Result<Opened, FileError> {
    let name = name(&input);
    let full = name.full.clone();
    let failed = |source| FileError::Open { file: name.full.clone(), source };
    let (bytes_total, is_pipe) = match &input {
        ReplayInput::File(path) => {
            let found = std::fs::metadata(path).map_err(failed)?;
            (found.len(), !found.is_file())
        }
        ReplayInput::Memory { bytes, .. } => (bytes.len() as u64, false),
    };
    let read = BytesRead::default();
    // Opened once: a pipe cannot be read from its beginning again.
    let mut stream: Stream =
        Box::new(Counted { raw: raw(&input).map_err(failed)?, read: read.clone() });
    let (head, error) = prefix(&mut stream);
    if let Some(error) = error {
        return Err(failed(error));
    }
    let rows: Box<dyn Rows> = if head.starts_with(PARQUET) && !is_pipe {
        let progress = ParquetProgress { bytes_total, read: read.clone() };
        match input {
            ReplayInput::File(path) => {
                let file = File::open(path).map_err(failed)?;
                Box::new(ParquetRows::open(name, file, Some(progress))?)
            }
            ReplayInput::Memory { bytes, .. } => {
                Box::new(ParquetRows::open(name, bytes, Some(progress))?)
            }
        }
    } else {
        let gzip = head.starts_with(GZIP);
        let zstd = head.starts_with(ZSTD);
        let packed = Prefixed::new(head, None, stream);
        let unpacked: Stream = if gzip {
            Box::new(flate2::read::MultiGzDecoder::new(packed))
        } else if zstd {
            Box::new(zstd::stream::read::Decoder::new(packed).map_err(failed)?)
        } else {
            Box::new(packed)
        };
        open_unpacked(name, unpacked, unpacked_max)?
    };
    Ok(Opened { name: full, rows, bytes_total, read })
}

fn open_unpacked(
    name: FileName,
    mut stream: Stream,
    unpacked_max: u64,
) -> Result<Box<dyn Rows>, FileError> {
    let (mut head, error) = prefix(&mut stream);
    if let (true, Some(error)) = (head.is_empty(), &error) {
        let source = io::Error::new(error.kind(), error.to_string());
        return Err(FileError::Open { file: name.full, source });
    }
    if head.starts_with(PARQUET) {
        let bytes = whole(&name, Prefixed::new(head, error, stream), unpacked_max)?;
        return Ok(Box::new(ParquetRows::open(name, bytes, None)?));
    }
    if head.starts_with(ENCRYPTED_PARQUET) {
        let source = ParquetError::General("it is encrypted; write it without encryption".into());
        return Err(FileError::Parquet { file: name.full, source });
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    let no_text = no_text(&head);
    let stream: Stream = Box::new(Prefixed::new(head, error, stream));
    match first {
        None => Err(FileError::Empty { file: name.full }),
        Some(b'{') => Ok(Box::new(NdjsonRows::new(name, stream))),
        Some(b'[') => Err(FileError::Unrecognised {
            file: name.full,
            detail: "it begins with a JSON array; NDJSON has one object a line".to_owned(),
        }),
        Some(_) => match (CsvRows::open(name.clone(), stream), no_text) {
            (Ok(rows), _) => Ok(Box::new(rows)),
            (Err(_), Some(what)) => {
                Err(FileError::Unrecognised { file: name.full, detail: what.to_owned() })
            }
            (Err(error), None) => Err(error),
        },
    }
}

/// What a file is that begins with `head`, where its bytes show that it is no
/// UTF-8 text.
fn no_text(head: &[u8]) -> Option<&'static str> {
    let is_in_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    if UTF_16_MARKS.iter().any(|mark| head.starts_with(mark)) {
        Some("it is UTF-16 text; save it as UTF-8")
    } else if head.iter().all(is_in_text) {
        None
    } else {
        Some("it holds bytes that are in no text, as protobuf does")
    }
}

/// All of an unpacked Parquet file: its index is at its end.
fn whole(name: &FileName, stream: Prefixed, unpacked_max: u64) -> Result<Bytes, FileError> {
    let mut bytes = Vec::new();
    stream
        .take(unpacked_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| FileError::Open { file: name.full.clone(), source })?;
    if bytes.len() as u64 > unpacked_max {
        return Err(FileError::Unpacked { file: name.full.clone(), limit: unpacked_max });
    }
    Ok(bytes.into())
}

fn name(input: &ReplayInput) -> FileName {
    match input {
        ReplayInput::File(path) => FileName {
            full: path.display().to_string(),
            short: path
                .file_name()
                .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned()),
        },
        ReplayInput::Memory { name, .. } => FileName { full: name.clone(), short: name.clone() },
    }
}

fn raw(input: &ReplayInput) -> io::Result<Stream> {
    Ok(match input {
        ReplayInput::File(path) => Box::new(File::open(path)?),
        ReplayInput::Memory { bytes, .. } => Box::new(Cursor::new(bytes.clone())),
    })
}

/// The first bytes of a stream, and the error they ended with, if any.
fn prefix(stream: &mut Stream) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::new();
    let error = stream.take(PREFIX_BYTES).read_to_end(&mut head).err();
    (head, error)
}

/// A stream whose first bytes were read before. An error that ended them comes
/// after them, so that a stream cut short near its beginning still gives what
/// it has.
struct Prefixed {
    head: Cursor<Vec<u8>>,
    error: Option<io::Error>,
    rest: Stream,
}

impl Prefixed {
    fn new(head: Vec<u8>, error: Option<io::Error>, rest: Stream) -> Self {
        Self { head: Cursor::new(head), error, rest }
    }
}

impl Read for Prefixed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => match self.error.take() {
                Some(error) => Err(error),
                None => self.rest.read(buffer),
            },
            read => Ok(read),
        }
    }
}

/// Bytes read of a file so far, counted below its decompression.
#[derive(Clone, Debug, Default)]
pub(super) struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

struct Counted {
    raw: Stream,
    read: BytesRead,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        self.read.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
