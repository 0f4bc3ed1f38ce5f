//! Reading an object back that was just written, a piece at a time: all of it would
//! be as large as what was written once more.

use bytes::Bytes;
use object_store::path::Path;

use super::error::JournalError;
use super::frame::FrameFault;
use super::store::Store;

/// So many bytes are read at once.
const PIECE_BYTES: usize = 8 << 20;

/// Reads `path` back and compares it with what was `written`, which holds something.
///
/// # Errors
/// The store fails, or the object is absent or another.
pub(super) async fn verify(
    store: &Store,
    path: &Path,
    written: &Bytes,
) -> Result<(), JournalError> {
    let expected = written.len() as u64;
    for start in (0..written.len()).step_by(PIECE_BYTES) {
        let piece = written.slice(start..written.len().min(start + PIECE_BYTES));
        let same = |found: &Bytes, actual: u64| {
            let fault = if actual != expected {
                FrameFault::Truncated { expected, actual }
            } else if *found == piece {
                return Ok(());
            } else {
                let (stored, computed) = (crc32c::crc32c(found), crc32c::crc32c(&piece));
                FrameFault::Checksum { stored, computed }
            };
            Err(fault.of(path.as_ref()))
        };
        let range = start as u64..(start + piece.len()) as u64;
        let read = store.read_decoded(path, Some(range.into()), same).await?;
        read.ok_or_else(|| JournalError::Absent { name: path.to_string() })?;
    }
    Ok(())
}
