//! What tells a log from others: its length, and the last bytes before it. A copy has
//! them too, and after a restore from a backup the number of its inode is another.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use protos::journal::{Cursor, FormerFile};
use xxhash_rust::xxh3::xxh3_64;

/// So many bytes are looked at: more than the last line of an event has, and of any
/// dead letter what it says of its place in the journal.
const LOOKED_AT_MAX: u64 = 4096;

/// How a file ends, or did when it was that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    length: u64,
    checksum: u64,
}

impl Ending {
    /// Of the first `length` bytes of `file`; `None` of none. Blocks.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn of(file: &File, length: u64) -> io::Result<Option<Self>> {
        if length == 0 {
            return Ok(None);
        }
        let looked_at = length.min(LOOKED_AT_MAX);
        let mut last = vec![0; looked_at as usize];
        file.read_exact_at(&mut last, length - looked_at)?;
        Ok(Some(Self { length, checksum: xxh3_64(&last) }))
    }

    /// As `cursor` has it; `None` where an older engine wrote it, and of an empty file.
    pub(super) fn recorded(cursor: &Cursor) -> Option<Self> {
        let (length, checksum) = (cursor.byte_length?, cursor.ending?);
        Some(Self { length, checksum })
    }

    /// Of the file before the one of `cursor`.
    pub(super) fn former(cursor: &Cursor) -> Option<Self> {
        let FormerFile { byte_length: length, ending: checksum } = cursor.former?;
        Some(Self { length, checksum })
    }

    pub(super) fn checksum(self) -> u64 {
        self.checksum
    }

    /// Whether `file` is this one, or a copy, be it that more follows. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn is_in(self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.length && Self::of(file, self.length)? == Some(self))
    }
}

impl From<Ending> for FormerFile {
    fn from(Ending { length, checksum }: Ending) -> Self {
        Self { byte_length: length, ending: checksum }
    }
}
