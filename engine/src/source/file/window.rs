//! Puts rows into arrival order in bounded memory.
//!
//! A row is its encoded record in an arena and a sort key of 16 bytes. When
//! the input fits, it is sorted whole. When it does not, the older half of
//! what is held is handed over and its place filled again: such an input must
//! be in order but for what the other half can mend, and a row that arrives
//! before one handed over is refused.

use std::collections::VecDeque;

use bytes::Bytes;
use geofence::TimeMs;

use super::error::TooLate;

/// Bytes of an arena chunk; a larger record has a chunk of its own.
const CHUNK_BYTES: usize = 1 << OFFSET_BITS;
const OFFSET_BITS: u32 = 20;
/// Length and kind in front of each record.
const HEADER_BYTES: usize = 4;
const DEAD_LETTER_BIT: u32 = 1 << 31;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An encoded `VehiclePing`.
    Ping,
    /// An encoded `DeadLetter`.
    DeadLetter,
}

/// Where a record lies: chunk number and offset in one, so that places rise
/// in the order in which records came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// Sorted by arrival, then by the order in which rows came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    arrival: TimeMs,
    place: Place,
}

/// A chunk and how many rows still refer to it: it is freed with the last one.
struct Chunk {
    bytes: Bytes,
    rows: u64,
}

/// Rows between the reader and the one who takes them in order.
pub(super) struct Window {
    bytes_max: u64,
    /// Full chunks, the first numbered `chunks_dropped`; `None` when freed.
    chunks: VecDeque<Option<Chunk>>,
    chunks_dropped: u64,
    open: Vec<u8>,
    open_rows: u64,
    chunk_bytes: u64,
    /// Rows sorted up to `ready`, of which `taken` have been taken.
    rows: Vec<Row>,
    taken: usize,
    ready: usize,
    handed_over: TimeMs,
}

impl Window {
    /// An empty window that asks to be emptied at `bytes_max` bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            chunks: VecDeque::new(),
            chunks_dropped: 0,
            open: Vec::new(),
            open_rows: 0,
            chunk_bytes: 0,
            rows: Vec::new(),
            taken: 0,
            ready: 0,
            handed_over: TimeMs::MIN,
        }
    }

    /// Stores a record without a row that refers to it: at least one
    /// [`Window::push`] must follow before the next record.
    pub(super) fn store(&mut self, kind: Kind, record: &[u8]) -> Place {
        let mut header = u32::try_from(record.len()).expect("readers cap a row far below 2 GiB");
        if kind == Kind::DeadLetter {
            header |= DEAD_LETTER_BIT;
        }
        let bytes = HEADER_BYTES + record.len();
        if self.open.len() + bytes > CHUNK_BYTES {
            self.close_chunk();
        }
        if self.open.capacity() == 0 {
            self.open = Vec::with_capacity(bytes.max(CHUNK_BYTES));
        }
        let chunk = self.chunks_dropped + self.chunks.len() as u64;
        let place = Place(chunk << OFFSET_BITS | self.open.len() as u64);
        self.open.extend_from_slice(&header.to_le_bytes());
        self.open.extend_from_slice(record);
        place
    }

    /// Adds a row for the last record stored, arriving at `arrival`.
    ///
    /// # Errors
    /// When a later row has been handed over.
    pub(super) fn push(&mut self, arrival: TimeMs, place: Place) -> Result<(), TooLate> {
        if arrival < self.handed_over {
            return Err(TooLate { arrival, handed_over: self.handed_over });
        }
        self.rows.push(Row { arrival, place });
        self.open_rows += 1;
        Ok(())
    }

    /// Bytes at which it asks to be emptied.
    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The earliest arrival that a row can still have.
    pub(super) fn earliest(&self) -> TimeMs {
        self.handed_over
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        let rows = (self.rows.len() - self.taken) * size_of::<Row>();
        self.chunk_bytes + self.open.len() as u64 + rows as u64
    }

    /// True when rows have to be handed over before more are stored.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// Puts the rows in order and makes them ready to be taken: all of them at
    /// the end of the input, else the older half.
    pub(super) fn sort(&mut self, end_of_input: bool) {
        self.close_chunk();
        self.rows.drain(..self.taken);
        self.taken = 0;
        // Fast on input that is in order, which is what files mostly are; in
        // place, where a stable sort would need half as much memory again.
        // Equal rows are copies of one record.
        self.rows.sort_unstable();
        self.ready = if end_of_input { self.rows.len() } else { self.rows.len().div_ceil(2) };
    }

    /// Arrival of the first row that has one of its own, if any is ready. Rows
    /// refused before the first time was read have [`TimeMs::MIN`].
    pub(super) fn first_known_arrival(&self) -> Option<TimeMs> {
        let ready = &self.rows[self.taken..self.ready];
        let unknown = ready.partition_point(|row| row.arrival == TimeMs::MIN);
        ready.get(unknown).map(|row| row.arrival)
    }

    /// Arrival of the row that [`Window::take`] would give.
    pub(super) fn next_arrival(&self) -> Option<TimeMs> {
        self.rows[..self.ready].get(self.taken).map(|row| row.arrival)
    }

    /// Takes the next row that is ready, in order.
    pub(super) fn take(&mut self) -> Option<(Kind, Bytes)> {
        let row = *self.rows[..self.ready].get(self.taken)?;
        self.taken += 1;
        self.handed_over = row.arrival;
        let number = (row.place.0 >> OFFSET_BITS) - self.chunks_dropped;
        let start = (row.place.0 & (CHUNK_BYTES as u64 - 1)) as usize;
        let slot = self.chunks.get_mut(number as usize).expect("a chunk outlives its rows");
        let chunk = slot.as_mut().expect("a chunk outlives its rows");
        let header = chunk.bytes[start..start + HEADER_BYTES].try_into().expect("4 bytes");
        let header = u32::from_le_bytes(header);
        let length = (header & !DEAD_LETTER_BIT) as usize;
        let kind = if header & DEAD_LETTER_BIT == 0 { Kind::Ping } else { Kind::DeadLetter };
        let begin = start + HEADER_BYTES;
        let record = chunk.bytes.slice(begin..begin + length);
        chunk.rows -= 1;
        if chunk.rows == 0 {
            self.chunk_bytes -= chunk.bytes.len() as u64;
            *slot = None;
            while self.chunks.front().is_some_and(Option::is_none) {
                self.chunks.pop_front();
                self.chunks_dropped += 1;
            }
        }
        Some((kind, record))
    }

    fn close_chunk(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.open));
        self.chunk_bytes += bytes.len() as u64;
        self.chunks.push_back(Some(Chunk { bytes, rows: self.open_rows }));
        self.open_rows = 0;
    }
}
