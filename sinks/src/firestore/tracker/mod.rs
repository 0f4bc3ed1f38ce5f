//! When which document is read and written: the pacing of semantics §10 and
//! the guard against a stale owner, without IO and without a clock.
//!
//! The tracker is told what shards commit, what time it is and what became of
//! requests; it says what to request. It holds one position of each vehicle
//! that waits and one that is stored, so that it grows with the vehicles and
//! with nothing else, however long the store is away. Each document has one
//! timer; finding the next due one costs a logarithm.

mod demand;
mod document;
mod vehicle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use geofence::LivePosition;
use prost_types::Timestamp;
use tokio::time::Instant;

use super::layout::Layout;
use document::{Document, Keys};
use vehicle::Offered;

pub(super) use document::Guard;

/// No document is written more often, whatever happens: what Firestore
/// sustains.
pub(super) const FLOOR: Duration = Duration::from_secs(1);
/// A position that changes too little to be written by itself is written this
/// long after the last one.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(60);
/// A document that nobody has asked about for so long is forgotten; should it
/// be asked about again, it is read again.
const IDLE: Duration = Duration::from_secs(3600);
/// A document that the store refuses for good is left alone for this long.
const SET_ASIDE: Duration = Duration::from_secs(60);

/// Of the longest delay this much is left for the write itself.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// How often a document may be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two writes, but for a change of status or fences.
    min_interval: Duration,
    /// For so long at the most a visible move waits, its interval over, for
    /// the next position of a vehicle that is about to report.
    patience: Duration,
    /// The end is near: everything goes out as soon as [`FLOOR`] allows.
    closing: bool,
}

impl Pace {
    /// At most one write in `min_interval`, and none later than `max_delay`
    /// after its position.
    pub(super) fn new(min_interval: Duration, max_delay: Duration) -> Self {
        let min_interval = min_interval.max(FLOOR);
        let patience = max_delay.saturating_sub(WRITE_MAX).max(min_interval);
        Self { min_interval, patience, closing: false }
    }
}

/// The documents of a shard that are of interest.
#[derive(Debug)]
pub(super) struct Tracker {
    layout: Layout,
    shard: u32,
    pace: Pace,
    /// What is taken for granted of a document that is new to this process.
    first_guard: Guard,
    documents: HashMap<Arc<str>, Document>,
    /// When to do something about which document.
    timers: BTreeSet<(Instant, Arc<str>)>,
    /// Since when which document lacks a visible change.
    visible: BTreeSet<(Instant, Arc<str>)>,
    /// First segment of which each document lacks something.
    unwritten: BTreeSet<(u64, Arc<str>)>,
    /// The newest segment that offered anything.
    newest: u64,
    counts: Counts,
}

/// Positions by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored.
    pub written: u64,
    /// Too much like the stored one to be written by itself.
    pub skipped: u64,
    /// A newer one took its place before its turn came.
    pub conflated: u64,
    /// The store had one of a later segment.
    pub refused: u64,
    /// The store would not have it, ever.
    pub failed: u64,
}

/// What may be requested now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Documents to read.
    pub(super) reads: usize,
    /// Documents to write.
    pub(super) writes: usize,
    /// Bytes of them in a request; one document may exceed it.
    pub(super) bytes: usize,
}

/// What is to be requested.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Ids of documents.
    pub(super) reads: Vec<Arc<str>>,
    pub(super) writes: Vec<Write>,
}

/// A document with what is to be written of it.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) id: Arc<str>,
    pub(super) guard: Guard,
    pub(super) positions: Vec<Arc<LivePosition>>,
}

/// What became of a [`Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Stored, at this time.
    Done(Option<Timestamp>),
    /// The document is not what the guard says: somebody else wrote it.
    Conflict,
    /// Not stored, or not known to be; to be tried again after a pause of its
    /// own if one is given.
    Again(Option<Duration>),
    /// Refused for good.
    Never,
}

/// What became of a read.
#[derive(Clone, Debug)]
pub(super) enum Read {
    /// There is no such document.
    Missing,
    /// What it holds, and when it was last written.
    Found(Timestamp, Vec<LivePosition>),
    /// Nothing was learnt.
    Again,
    /// It can never be read, nor written.
    Never,
}

impl Tracker {
    /// Of `shard`, everything up to segment `through` being stored.
    pub(super) fn new(layout: Layout, shard: u32, pace: Pace, through: u64) -> Self {
        Self {
            layout,
            shard,
            pace,
            first_guard: Guard::Unread,
            documents: HashMap::new(),
            timers: BTreeSet::new(),
            visible: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            newest: through,
            counts: Counts::default(),
        }
    }

    /// The collection was found to be empty: documents that are new to this
    /// process need not be read first. One that is there after all fails its
    /// write's condition, and is read then.
    pub(super) fn expect_none(&mut self) {
        self.first_guard = Guard::Missing;
    }

    /// A segment has committed `position`.
    pub(super) fn offer(&mut self, position: Arc<LivePosition>, now: Instant) {
        self.newest = self.newest.max(position.seq);
        let id = self.layout.document_id(self.shard, &position.vehicle_id);
        let id = self.known(&id, now);
        let pace = self.pace;
        let offered = self.update(&id, |document| {
            document.touch(now);
            document.offer(position, now, pace)
        });
        match offered {
            Some(Offered::Skipped) => self.counts.skipped += 1,
            Some(Offered::Replaces) => self.counts.conflated += 1,
            Some(Offered::Refused) => self.counts.refused += 1,
            Some(Offered::Waits | Offered::Older) | None => {}
        }
    }

    /// Takes what is due, the longest overdue first, as far as there is room.
    pub(super) fn take(&mut self, now: Instant, room: Room) -> Due {
        let mut due = Due::default();
        let mut bytes = 0;
        while let Some((at, id)) = self.timers.first().cloned()
            && at <= now
        {
            let document = &self.documents[&id];
            if document.is_idle() {
                self.file(&id, document.keys(), Keys::default());
                self.documents.remove(&id);
                continue;
            }
            if document.guard == Guard::Unread {
                if due.reads.len() == room.reads {
                    break;
                }
                self.update(&id, |document| document.busy = true);
                due.reads.push(id);
                continue;
            }
            bytes += document.bytes_waiting();
            let full = bytes > room.bytes && !due.writes.is_empty();
            if due.writes.len() == room.writes || full {
                break;
            }
            let (guard, pace) = (document.guard, self.pace);
            let positions = self.update(&id, |document| document.send(now, pace));
            due.writes.push(Write { id, guard, positions: positions.unwrap_or_default() });
        }
        due
    }

    /// `write`, which [`Tracker::take`] gave out, has ended.
    pub(super) fn written(&mut self, write: Write, written: Written, now: Instant) {
        let Write { id, positions, .. } = write;
        let pace = self.pace;
        let count = positions.len() as u64;
        match written {
            Written::Done(_) => self.counts.written += count,
            Written::Never => self.counts.failed += count,
            Written::Conflict | Written::Again(_) => {}
        }
        self.update(&id, |document| {
            document.busy = false;
            document.touch(now);
            match written {
                Written::Done(at) => document.written(positions, at),
                Written::Conflict => {
                    document.guard = Guard::Unread;
                    document.failed(None, now);
                }
                Written::Again(pause) => document.failed(pause, now),
                Written::Never => document.set_aside(positions, now),
            }
            document.ask(pace);
        });
    }

    /// The read of `id`, which [`Tracker::take`] gave out, has ended.
    pub(super) fn read(&mut self, id: &Arc<str>, read: Read, now: Instant) {
        let pace = self.pace;
        let (mut refused, mut failed) = (0, 0);
        self.update(id, |document| {
            document.busy = false;
            match read {
                Read::Missing => refused = document.found(Guard::Missing, vec![], now),
                Read::Found(at, stored) => refused = document.found(Guard::At(at), stored, now),
                Read::Again => {}
                Read::Never => {
                    let positions = document.send(now, pace);
                    failed = positions.len() as u64;
                    document.busy = false;
                    document.set_aside(positions, now);
                }
            }
            document.ask(pace);
        });
        self.counts.refused += refused;
        self.counts.failed += failed;
    }

    /// From here on nothing waits for its interval.
    pub(super) fn close(&mut self) {
        self.pace.closing = true;
        let pace = self.pace;
        let ids: Vec<Arc<str>> = self.unwritten.iter().map(|(_, id)| Arc::clone(id)).collect();
        for id in ids {
            self.update(&id, |document| document.ask(pace));
        }
    }

    /// When something will be due; may be in the past.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Since when the longest waiting visible change waits.
    pub(super) fn visible_since(&self) -> Option<Instant> {
        self.visible.first().map(|(since, _)| *since)
    }

    /// Documents of which something waits or is being written.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Documents kept in mind.
    pub(super) fn documents(&self) -> usize {
        self.documents.len()
    }

    /// The last segment of which, with all before it, everything is stored.
    pub(super) fn through(&self) -> u64 {
        self.unwritten.first().map_or(self.newest, |(seq, _)| seq.saturating_sub(1))
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Failures of a document since its last success.
    pub(super) fn failures(&self, id: &str) -> u32 {
        self.documents.get(id).map_or(0, Document::failures)
    }

    /// The one copy of a document's id.
    fn known(&mut self, id: &str, now: Instant) -> Arc<str> {
        if let Some((id, _)) = self.documents.get_key_value(id) {
            return Arc::clone(id);
        }
        let id: Arc<str> = id.into();
        self.documents.insert(Arc::clone(&id), Document::new(self.first_guard, now));
        id
    }

    /// Changes a document and files it anew.
    fn update<T>(&mut self, id: &Arc<str>, change: impl FnOnce(&mut Document) -> T) -> Option<T> {
        let document = self.documents.get_mut(id)?;
        let before = document.keys();
        let result = change(document);
        let after = document.keys();
        self.file(id, before, after);
        Some(result)
    }

    fn file(&mut self, id: &Arc<str>, before: Keys, after: Keys) {
        refile(&mut self.timers, id, before.timer, after.timer);
        refile(&mut self.visible, id, before.visible_since, after.visible_since);
        refile(&mut self.unwritten, id, before.seq, after.seq);
    }
}

fn refile<K: Ord>(
    set: &mut BTreeSet<(K, Arc<str>)>,
    id: &Arc<str>,
    before: Option<K>,
    after: Option<K>,
) {
    if before == after {
        return;
    }
    if let Some(key) = before {
        set.remove(&(key, Arc::clone(id)));
    }
    if let Some(key) = after {
        set.insert((key, Arc::clone(id)));
    }
}

#[cfg(test)]
mod tests;
