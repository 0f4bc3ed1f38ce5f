//! The files of one range, one for each day its rows fall in.

use super::layout::Layout;
use super::part::{FinishedPart, OpenPart};
use super::{BUFFERED_BYTES_MAX, Columns, Kept, OPEN_DAYS_MAX, Rows};
use crate::SinkError;
use crate::day::Day;
use crate::schema::TableSchema;

/// Rows of other days after which a day's row group ends.
const ROWS_AWAY: u64 = 128 * 1024;

/// Files that take rows, and those of the same range that are complete.
pub(crate) struct Partitions<C> {
    layout: Layout,
    schema: &'static TableSchema,
    /// Least recently used first; the last one took the last row.
    open: Vec<OpenPart<C>>,
    finished: Vec<FinishedPart>,
    /// Rows taken so far.
    rows: u64,
    /// Numbers the temporary files of this process.
    serial: u64,
}

/// Which rows share a file depends on the rows alone, so that a range that is
/// written again has the same files.
impl<C: Columns> Rows<C> for Partitions<C> {
    fn place(&mut self, day: Day, _: impl FnOnce() -> usize) -> Result<(&mut C, Kept), SinkError> {
        if self.open.last().is_none_or(|part| part.day != day) {
            self.bring_to_end(day)?;
        }
        self.rows += 1;
        let part = self.open.last_mut().expect("brought there above");
        Ok((part.columns()?, Kept::Whole))
    }
}

impl<C: Columns> Partitions<C> {
    pub(super) fn new(layout: Layout, schema: &'static TableSchema) -> Self {
        Self { layout, schema, open: Vec::new(), finished: Vec::new(), rows: 0, serial: 0 }
    }

    fn bring_to_end(&mut self, day: Day) -> Result<(), SinkError> {
        if let Some(last) = self.open.last_mut() {
            last.left_at = self.rows;
        }
        if let Some(index) = self.open.iter().position(|part| part.day == day) {
            self.open[index..].rotate_left(1);
            return Ok(());
        }
        if self.open.len() == OPEN_DAYS_MAX {
            let oldest = self.open.remove(0).finish()?;
            self.finished.push(oldest);
        }
        self.serial += 1;
        let path = self.layout.temporary(day, self.serial);
        self.open.push(OpenPart::new(day, path, self.schema)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.finished.is_empty()
    }

    /// Bytes of all files, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let open = self.open.iter().map(OpenPart::bytes).sum::<u64>();
        open + self.finished.iter().map(FinishedPart::bytes).sum::<u64>()
    }

    /// Moves what is encoded to the files. A retry goes on where an error
    /// stopped it.
    pub(super) fn drain(&mut self) -> Result<(), SinkError> {
        self.bound_memory()?;
        self.finished.iter_mut().try_for_each(FinishedPart::sync)?;
        self.open.iter_mut().try_for_each(OpenPart::drain)
    }

    fn bound_memory(&mut self) -> Result<(), SinkError> {
        let mut buffered: usize = self.open.iter().map(OpenPart::buffered_bytes).sum();
        while buffered > BUFFERED_BYTES_MAX {
            let largest = self.open.iter_mut().max_by_key(|part| part.buffered_bytes());
            let Some(largest) = largest.filter(|part| part.buffered_bytes() > 0) else { break };
            buffered -= largest.buffered_bytes();
            largest.end_row_group()?;
        }
        // An open row group also holds an encoder and a compressor for each
        // column, which no figure shows. Days that rows have moved on from end
        // theirs, after as many rows as make it worth while.
        let Some((_, left)) = self.open.split_last_mut() else { return Ok(()) };
        for part in left.iter_mut().filter(|part| self.rows - part.left_at >= ROWS_AWAY) {
            part.end_row_group()?;
        }
        Ok(())
    }

    /// Ends every file, makes it durable under its temporary name and hands
    /// all over, in an order that depends on the rows alone. After an error
    /// nothing is lost: rows may follow, or another try.
    pub(super) fn close(&mut self) -> Result<Vec<FinishedPart>, SinkError> {
        while !self.open.is_empty() {
            let part = self.open.remove(0).finish()?;
            self.finished.push(part);
        }
        self.finished.iter_mut().try_for_each(FinishedPart::sync)?;
        Ok(std::mem::take(&mut self.finished))
    }
}
