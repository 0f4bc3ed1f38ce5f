//! One write stream that a client created.

use std::io;
use std::time::SystemTime;

use super::proto::write_stream::Type;
use super::rows::log::{RowLog, Spill};

/// What the server holds of a stream. The default stream of a table is none
/// of these: it has neither offsets nor an end.
#[derive(Debug)]
pub(crate) struct WriteStream {
    pub(crate) kind: Type,
    pub(crate) created: SystemTime,
    /// When its rows became visible all at once; only of a pending stream.
    pub(crate) committed: Option<SystemTime>,
    pub(crate) finalized: bool,
    /// Rows appended: the offset of the next.
    pub(crate) rows: i64,
    /// Rows that are not visible yet; those before them are.
    pub(crate) hidden: RowLog,
}

impl WriteStream {
    pub(crate) fn new(kind: Type, created: SystemTime, spill: &Spill) -> Self {
        Self {
            kind,
            created,
            committed: None,
            finalized: false,
            rows: 0,
            hidden: RowLog::new(spill),
        }
    }

    /// Offset before which all rows are visible.
    pub(crate) fn visible_to(&self) -> i64 {
        self.rows - self.hidden.rows() as i64
    }

    /// Makes the rows before `offset` visible in `table`.
    pub(crate) fn reveal(&mut self, offset: i64, table: &mut RowLog) -> io::Result<()> {
        let rows = offset.saturating_sub(self.visible_to());
        self.hidden.move_front(u64::try_from(rows).unwrap_or(0), table)
    }
}
