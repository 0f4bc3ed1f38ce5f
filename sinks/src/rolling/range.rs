//! The two steps of publishing a range, as a state machine over files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use protos::journal::{Cursor, Segment};
use tokio::time::Instant;

use super::layout::Layout;
use super::part::FinishedPart;
use super::{FileLimits, Partitions, Table};
use crate::day::Day;
use crate::disk::sync_directory;
use crate::fail_point;
use crate::{Flush, SinkError};

/// Everything of the sink but its threads. Segments lie, in order, in
/// published files (up to `through`), in the announced range, in the open one.
pub(super) struct Rolling<T: Table> {
    table: T,
    layout: Layout,
    limits: FileLimits,
    /// Rows of every segment up to here are in published files.
    through: u64,
    /// The last segment whose rows were taken.
    taken: u64,
    open: OpenRange,
    partitions: Partitions<T::Columns>,
    announced: Option<Announced>,
    /// The open range was announced before a crash and ends exactly here.
    again_through: Option<u64>,
    /// No segment follows: every range closes at once.
    last_call: bool,
}

/// What is known of the range that takes rows.
#[derive(Default)]
struct OpenRange {
    first: Option<u64>,
    since: Option<Instant>,
}

/// A range whose files are complete and wait for their names.
struct Announced {
    first: u64,
    last: u64,
    parts: Vec<FinishedPart>,
}

impl<T: Table> Rolling<T> {
    pub(super) fn open(
        table: T,
        directory: &Path,
        shard: u32,
        cursor: Option<&Cursor>,
        limits: FileLimits,
    ) -> Result<Self, SinkError> {
        let layout = Layout::create(directory, shard)?;
        layout.sweep_temporary()?;
        if let Some(cursor) = cursor {
            layout.set_aside_after(cursor.through_seq, cursor.pending_through_seq)?;
        }
        let through = cursor.map_or(0, |cursor| cursor.through_seq);
        Ok(Self {
            table,
            partitions: Partitions::new(layout.clone(), T::schema()),
            layout,
            limits,
            through,
            taken: through,
            open: OpenRange::default(),
            announced: None,
            again_through: cursor.and_then(|cursor| cursor.pending_through_seq),
            last_call: false,
        })
    }

    pub(super) fn write(&mut self, segment: &Segment, now: Instant) -> Result<(), SinkError> {
        if let Some(last) = self.again_through
            && segment.seq > last
        {
            // Whatever came of the range has come.
            self.taken = self.taken.max(last);
        }
        // What an earlier error left comes first, so that memory stays bounded
        // however long the disk is full.
        self.settle()?;
        if segment.seq > self.taken {
            self.take(segment, now)?;
            fail_point::hit_in(T::NAME, "write");
            self.settle()?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, flush: Flush, now: Instant) -> Result<Cursor, SinkError> {
        self.settle()?;
        self.last_call |= flush == Flush::Final;
        self.advance(now)?;
        Ok(self.cursor())
    }

    /// A cursor with this `pending_through_seq` stands in a committed segment.
    pub(super) fn recorded(
        &mut self,
        pending: Option<u64>,
        now: Instant,
    ) -> Result<Option<Cursor>, SinkError> {
        let Some(pending) = pending else { return Ok(None) };
        if self.again_through.is_none()
            && self.announced.as_ref().is_some_and(|range| range.last == pending)
        {
            fail_point::hit_in(T::NAME, "recorded");
            self.publish()?;
        }
        if self.through < pending {
            return Ok(None);
        }
        self.advance(now)?;
        Ok(Some(self.cursor()))
    }

    fn cursor(&self) -> Cursor {
        let announced = self.announced.as_ref().map(|range| range.last);
        Cursor {
            sink: T::NAME.to_owned(),
            through_seq: self.through,
            pending_through_seq: self.again_through.or(announced),
            ..Cursor::default()
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let old = |since: Instant| now.saturating_duration_since(since) >= self.limits.age_max;
        self.open.since.is_some_and(old) || self.partitions.bytes() >= self.limits.bytes_max
    }

    fn take(&mut self, segment: &Segment, now: Instant) -> Result<(), SinkError> {
        self.table.append(segment, &mut self.partitions)?;
        self.taken = segment.seq;
        self.open.first.get_or_insert(segment.seq);
        if !self.partitions.is_empty() {
            self.open.since.get_or_insert(now);
        }
        Ok(())
    }

    /// Moves rows to the disk, and publishes a range that a crash interrupted
    /// as soon as it is whole again.
    fn settle(&mut self) -> Result<(), SinkError> {
        self.partitions.drain()?;
        if let Some(last) = self.again_through
            && self.taken >= last
        {
            self.announce(last)?;
            self.publish()?;
            self.again_through = None;
        }
        Ok(())
    }

    /// Takes the next step that needs no record in the journal: passes segments
    /// without rows, announces the open range if it is to close.
    fn advance(&mut self, now: Instant) -> Result<(), SinkError> {
        if self.again_through.is_some() || self.announced.is_some() {
            return Ok(());
        }
        if self.partitions.is_empty() {
            self.through = self.taken;
            self.open = OpenRange::default();
        } else if self.last_call || self.is_due(now) {
            self.announce(self.taken)?;
        }
        Ok(())
    }

    fn announce(&mut self, last: u64) -> Result<(), SinkError> {
        if self.announced.is_none() {
            let parts = self.partitions.close()?;
            let first = std::mem::take(&mut self.open).first.unwrap_or(last);
            self.announced = Some(Announced { first, last, parts });
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), SinkError> {
        let Some(range) = &mut self.announced else { return Ok(()) };
        let mut names = HashSet::new();
        let mut parts_of_day = BTreeMap::<Day, u32>::new();
        for part in &mut range.parts {
            let number = parts_of_day.entry(part.day).or_default();
            let name = self.layout.published(part.day, range.first, range.last, *number);
            *number += 1;
            part.publish(&name)?;
            names.insert(name);
            fail_point::hit_in(T::NAME, "publish");
        }
        if self.again_through.is_some() {
            self.layout.remove_strays(range.first, range.last, &names)?;
        }
        let days: BTreeSet<Day> = range.parts.iter().map(|part| part.day).collect();
        for day in days {
            sync_directory(&self.layout.partition(day))?;
        }
        sync_directory(self.layout.root())?;
        self.through = range.last;
        self.announced = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
