//! Records that no longer gather in memory, in a file: run after run of them,
//! each sorted by vehicle, written and read in large pieces.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use smol_str::SmolStr;

/// Runs are written in pieces of this size, bytes.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes that all runs together are read ahead by; each by no less and no more
/// than below.
const AHEAD_BYTES: usize = 32 << 20;
const AHEAD_BYTES_MIN: usize = 4 << 10;
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// Numbers the spill files of this process.
static SPILLS: AtomicU64 = AtomicU64::new(0);

/// A file without a name: it lives as long as it is open, whatever ends the
/// process.
pub(super) struct Spill {
    file: File,
    runs: Vec<Range<u64>>,
}

impl Spill {
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let number = SPILLS.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".fold-{number}"));
        let file = File::options().create_new(true).read(true).write(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { file, runs: Vec::new() })
    }

    /// Appends a run: vehicles in order, each with its records.
    pub(super) fn write<'a>(
        &mut self,
        vehicles: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> io::Result<()> {
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut end = start;
        let mut piece = Vec::new();
        for (vehicle, records) in vehicles {
            for part in [vehicle.as_bytes(), records] {
                piece.extend_from_slice(&(part.len() as u64).to_le_bytes());
                piece.extend_from_slice(part);
            }
            if piece.len() >= WRITE_BYTES {
                self.file.write_all_at(&piece, end)?;
                end += piece.len() as u64;
                piece.clear();
            }
        }
        self.file.write_all_at(&piece, end)?;
        self.runs.push(start..end + piece.len() as u64);
        Ok(())
    }

    pub(super) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Its runs, to be read in step with others, `runs` in all.
    pub(super) fn read(&self, runs: usize) -> impl Iterator<Item = Run<'_>> {
        let ahead = (AHEAD_BYTES / runs.max(1)).clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        self.runs.iter().map(move |run| {
            let rest = Section { file: &self.file, rest: run.clone() };
            Run(BufReader::with_capacity(ahead, rest))
        })
    }
}

/// A run that is being read.
pub(super) struct Run<'a>(BufReader<Section<'a>>);

impl Run<'_> {
    /// Goes on to the next vehicle, whose records then are next; `None` at the
    /// end.
    pub(super) fn next_vehicle(&mut self) -> io::Result<Option<SmolStr>> {
        if self.0.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut vehicle = Vec::new();
        self.append_next(&mut vehicle)?;
        SmolStr::from_utf8(&vehicle).map(Some).map_err(io::Error::other)
    }

    /// Appends the part that is next to `out`.
    pub(super) fn append_next(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut length = [0; 8];
        self.0.read_exact(&mut length)?;
        let start = out.len();
        out.resize(start + u64::from_le_bytes(length) as usize, 0);
        self.0.read_exact(&mut out[start..])
    }
}

/// A part of a file that others read other parts of.
struct Section<'a> {
    file: &'a File,
    rest: Range<u64>,
}

impl Read for Section<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min((self.rest.end - self.rest.start) as usize);
        let read = self.file.read_at(&mut out[..most], self.rest.start)?;
        self.rest.start += read as u64;
        Ok(read)
    }
}
