//! The boundary between whatever brings pings in and the shards: queues that
//! are bounded in pings and in bytes, and answers that come back only after
//! the commit.
//!
//! A submission is split by vehicle, and either every shard concerned takes
//! its part or none does: room is reserved everywhere before anything is
//! sent. The room a delivery takes is given back when the shard drops it,
//! that is after the commit, so that the bounds hold for everything that is
//! not yet durable and not only for what waits to be picked up.
//!
//! Knows nothing of formats, sockets or the journal.

mod owned;
mod pause;
mod queue;
mod told;
mod verdict;

use std::sync::Arc;

use bytes::Bytes;
use geofence::admission::Dropped;
use geofence::{Ping, TimeMs};
use protos::journal::DeadLetter;
use tokio::sync::watch;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use pause::Paused;
use queue::{Front, Reservation};
use told::ToldMarks;

pub use owned::OwnedShards;
pub use pause::PauseReason;
pub use queue::{QueueLimits, Room, ShardQueue};
pub use verdict::{Ack, NoVerdict, PendingVerdicts, Rejection, Verdict};

/// One ping or reject, decoded and admitted, for one shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A ping that passed admission.
    Ping {
        /// What the core reads.
        ping: Ping,
        /// The ping as an encoded `VehiclePing` without the values that were
        /// dropped, for the journal.
        payload: Bytes,
        /// Its id at the source; empty when the source has none.
        message_id: String,
        /// Values that were taken for unknown.
        dropped: Dropped,
    },
    /// Input that was refused, whole.
    Rejected(DeadLetter),
}

impl Entry {
    /// Bytes this entry counts for in a queue: what it holds in memory,
    /// heap included, give or take the allocator's rounding.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let heap = match self {
            Self::Ping { ping, payload, message_id, .. } => {
                ping.vehicle_id.len() + payload.len() + message_id.len()
            }
            Self::Rejected(letter) => {
                letter.payload.len()
                    + letter.reason.len()
                    + letter.detail.len()
                    + letter.source.len()
                    + letter.source_message_id.len()
                    + letter.content_type.len()
            }
        };
        size_of::<Self>() + heap
    }

    /// When it was received, if it is a ping.
    fn receive_time(&self) -> Option<TimeMs> {
        match self {
            Self::Ping { ping, .. } => Some(ping.receive_time),
            Self::Rejected(_) => None,
        }
    }

    /// The place among `owned` of the shard that takes this entry: by vehicle,
    /// or for a reject, which is any shard's, by the hash of its message id.
    fn place(&self, owned: &OwnedShards) -> usize {
        match self {
            Self::Ping { ping, .. } => {
                let place = owned.place_of(&ping.vehicle_id);
                place.expect("sources refuse the pings of shards that are not owned")
            }
            Self::Rejected(letter) => owned.any_place(&letter.source_message_id),
        }
    }
}

/// The one of `shards` that owns the vehicle with this id.
#[must_use]
pub fn shard_of(vehicle_id: &str, shards: u32) -> u32 {
    (xxh3_64(vehicle_id.as_bytes()) % u64::from(shards)) as u32
}

/// What one source hands to one shard at one moment.
#[derive(Debug)]
pub struct Delivery {
    /// Which source.
    pub source: u32,
    /// The source's low mark: it believes to have handed over everything
    /// received before. `None` while it has none.
    pub low_mark: Option<TimeMs>,
    /// Whether the low mark bounds lateness (false where receive times say
    /// nothing of the sender's own backlog, such as HTTP).
    pub low_mark_bounds_lateness: bool,
    /// Trace context that some of the entries came with (a W3C `traceparent`).
    pub traceparent: Option<Arc<str>>,
    /// When it was handed over: the commit delay counts from then, so that it
    /// does not begin anew for what waits while the segment before it is
    /// written.
    pub since: Instant,
    /// In the order in which the source handed them over. Empty where none is
    /// for this shard and the low mark has moved: it alone tells of vehicles
    /// that are silent.
    pub entries: Vec<Entry>,
    /// Sum of [`Entry::bytes`].
    pub bytes: usize,
    /// Resolved by the shard once the entries are durable.
    pub ack: Ack,
    /// The room the entries take in the queue; to be dropped after the commit.
    pub room: Room,
}

impl Delivery {
    /// Receive time of the first ping.
    #[must_use]
    pub fn first_received(&self) -> Option<TimeMs> {
        self.entries.iter().find_map(Entry::receive_time)
    }

    /// How many entries there are before the first ping that was received after
    /// `last`.
    #[must_use]
    pub fn received_by(&self, last: TimeMs) -> usize {
        let is_after = |entry: &Entry| entry.receive_time().is_some_and(|time| time > last);
        self.entries.iter().position(is_after).unwrap_or(self.entries.len())
    }

    /// Keeps the first `count` entries and returns the others, with the ack
    /// and the room: both end with the last entry. `None` if nothing is left.
    #[must_use]
    pub fn split_off(&mut self, count: usize) -> Option<Self> {
        if count >= self.entries.len() {
            return None;
        }
        let entries = self.entries.split_off(count);
        let bytes = entries.iter().map(Entry::bytes).sum();
        self.bytes -= bytes;
        Some(Self {
            entries,
            bytes,
            ack: std::mem::take(&mut self.ack),
            room: std::mem::take(&mut self.room),
            traceparent: self.traceparent.clone(),
            ..*self
        })
    }
}

/// Why a submission was not taken. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// A queue has no room now; the same submission may fit a moment later.
    #[error("the queue of shard {shard} is full")]
    Full {
        /// The first shard that had no room.
        shard: u32,
    },
    /// The part of one shard is larger than its whole queue: it never fits,
    /// submit less at a time.
    #[error(
        "{pings} pings of {bytes} bytes for shard {shard} exceed its whole queue \
         ({} pings, {} bytes)", limits.max_pings, limits.max_bytes
    )]
    TooLarge {
        /// The shard whose part is too large.
        shard: u32,
        /// Entries for it.
        pings: usize,
        /// Their bytes.
        bytes: usize,
        /// What the queue holds at the most.
        limits: QueueLimits,
    },
    /// Intake is closed for now, or for good when draining.
    #[error("{0}")]
    Paused(PauseReason),
    /// The shard's task has ended: the process is going down.
    #[error("shard {shard} takes no more input")]
    Closed {
        /// Which shard.
        shard: u32,
    },
}

/// Clonable front of all shards of this process.
#[derive(Clone, Debug)]
pub struct Intake {
    owned: OwnedShards,
    /// By the place of the shard.
    fronts: Arc<[Front]>,
    limits: QueueLimits,
    paused: watch::Sender<Paused>,
    told: Arc<ToldMarks>,
}

impl Intake {
    /// An open intake in front of the queues of the `owned` shards, each with
    /// its own `limits`; the queues are in the order of the shards.
    ///
    /// # Panics
    /// If a limit is outside what [`QueueLimits`] states.
    #[must_use]
    pub fn new(owned: OwnedShards, limits: QueueLimits) -> (Self, Vec<ShardQueue>) {
        let queues = owned.numbers().iter().map(|&shard| queue::new(shard, limits));
        let (fronts, queues): (Vec<_>, Vec<_>) = queues.unzip();
        let paused = watch::Sender::new(Paused::default());
        let intake = Self { owned, fronts: fronts.into(), limits, paused, told: Arc::default() };
        (intake, queues)
    }

    /// The shards behind it. A ping of any other must not be submitted.
    #[must_use]
    pub fn owned(&self) -> &OwnedShards {
        &self.owned
    }

    /// Hands `entries` to their shards if every one of them has room now, and
    /// a low mark that has moved to every shard.
    ///
    /// # Errors
    /// See [`IntakeError`]; nothing was taken then.
    ///
    /// # Panics
    /// If a ping's shard is none of [`Intake::owned`].
    pub fn try_submit(
        &self,
        source: u32,
        low_mark: Option<TimeMs>,
        low_mark_bounds_lateness: bool,
        entries: Vec<Entry>,
    ) -> Result<PendingVerdicts, IntakeError> {
        if let Some(reason) = self.paused() {
            return Err(IntakeError::Paused(reason));
        }
        let parts = self.split(entries, self.told.is_news(source, low_mark))?;
        let mut reservations = Vec::with_capacity(parts.len());
        for part in &parts {
            let front = &self.fronts[part.place];
            reservations.push(front.try_reserve(part.entries.len(), part.bytes)?);
        }
        self.told.tell(source, low_mark);
        Ok(send_all(source, low_mark, low_mark_bounds_lateness, None, parts, reservations))
    }

    /// Hands `entries` to their shards, and a low mark that has moved to every
    /// shard, as soon as all of them have room and intake is open; dropping the future before that takes nothing. Entries
    /// of two calls that overlap may be taken in either order.
    ///
    /// # Errors
    /// [`IntakeError::TooLarge`], [`IntakeError::Closed`], or
    /// [`IntakeError::Paused`] when draining, which never ends; nothing was
    /// taken then.
    ///
    /// # Panics
    /// If a ping's shard is none of [`Intake::owned`].
    pub async fn submit(
        &self,
        source: u32,
        low_mark: Option<TimeMs>,
        low_mark_bounds_lateness: bool,
        entries: Vec<Entry>,
    ) -> Result<PendingVerdicts, IntakeError> {
        self.submit_traced(source, low_mark, low_mark_bounds_lateness, None, entries).await
    }

    /// [`Intake::submit`] of entries that came with a trace context.
    ///
    /// # Errors
    /// The same.
    ///
    /// # Panics
    /// The same.
    pub async fn submit_traced(
        &self,
        source: u32,
        low_mark: Option<TimeMs>,
        low_mark_bounds_lateness: bool,
        traceparent: Option<Arc<str>>,
        entries: Vec<Entry>,
    ) -> Result<PendingVerdicts, IntakeError> {
        let parts = self.split(entries, self.told.is_news(source, low_mark))?;
        loop {
            self.opened().await?;
            let mut reservations = Vec::with_capacity(parts.len());
            // In the order of shards, so that two submitters that wait never
            // hold what the other one needs.
            for part in &parts {
                let front = &self.fronts[part.place];
                reservations.push(front.reserve(part.entries.len(), part.bytes).await?);
            }
            // Closed while waiting for room: give it back and wait again.
            if self.paused().is_none() {
                self.told.tell(source, low_mark);
                return Ok(send_all(
                    source,
                    low_mark,
                    low_mark_bounds_lateness,
                    traceparent,
                    parts,
                    reservations,
                ));
            }
        }
    }

    /// Closes intake for `reason` until [`Intake::resume`] is called with the
    /// same reason; [`PauseReason::Draining`] is for good. What was taken
    /// before stays taken.
    pub fn pause(&self, reason: PauseReason) {
        self.paused.send_if_modified(|paused| paused.set(reason));
    }

    /// Withdraws `reason`; intake opens when none is left.
    pub fn resume(&self, reason: PauseReason) {
        self.paused.send_if_modified(|paused| paused.clear(reason));
    }

    /// The gravest reason for which intake is closed; `None` when it is open.
    #[must_use]
    pub fn paused(&self) -> Option<PauseReason> {
        self.paused.borrow().gravest()
    }

    /// Pings taken and not yet durable, over all shards of this process.
    #[must_use]
    pub fn pings_held(&self) -> usize {
        self.fronts.iter().map(|front| front.pings_held(&self.limits)).sum()
    }

    /// Bytes taken and not yet durable, over all shards of this process.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.fronts.iter().map(|front| front.bytes_held(&self.limits)).sum()
    }

    /// Waits until intake is open.
    async fn opened(&self) -> Result<(), IntakeError> {
        let mut paused = self.paused.subscribe();
        let state = paused
            .wait_for(|paused| matches!(paused.gravest(), None | Some(PauseReason::Draining)))
            .await
            .expect("this intake holds the sender");
        match state.gravest() {
            None => Ok(()),
            Some(reason) => Err(IntakeError::Paused(reason)),
        }
    }

    /// One part for each shard concerned, in the order of shards; with `to_all`
    /// for every shard.
    fn split(&self, entries: Vec<Entry>, to_all: bool) -> Result<Vec<Part>, IntakeError> {
        let mut parts = if self.owned.shards() == 1 {
            vec![Part::whole(entries)]
        } else {
            split_by_shard(entries, &self.owned)
        };
        parts.retain(|part| to_all || !part.entries.is_empty());
        for part in &parts {
            let (pings, bytes) = (part.entries.len(), part.bytes);
            if pings > self.limits.max_pings || bytes > self.limits.max_bytes {
                let (shard, limits) = (self.owned.numbers()[part.place], self.limits);
                return Err(IntakeError::TooLarge { shard, pings, bytes, limits });
            }
        }
        Ok(parts)
    }
}

/// The entries of one submission that one shard owns.
struct Part {
    /// The shard's, among those of this process.
    place: usize,
    entries: Vec<Entry>,
    /// Where each entry stood in the submission; `None` when this is all of it.
    indexes: Option<Vec<usize>>,
    bytes: usize,
}

impl Part {
    fn whole(entries: Vec<Entry>) -> Self {
        let bytes = entries.iter().map(Entry::bytes).sum();
        Self { place: 0, entries, indexes: None, bytes }
    }
}

fn split_by_shard(entries: Vec<Entry>, owned: &OwnedShards) -> Vec<Part> {
    let empty = |place| Part { place, entries: Vec::new(), indexes: Some(Vec::new()), bytes: 0 };
    let mut parts: Vec<Part> = (0..owned.numbers().len()).map(empty).collect();
    for (index, entry) in entries.into_iter().enumerate() {
        let part = &mut parts[entry.place(owned)];
        part.bytes += entry.bytes();
        part.entries.push(entry);
        part.indexes.get_or_insert_default().push(index);
    }
    parts
}

/// Cannot fail: every shard concerned has promised the room.
fn send_all(
    source: u32,
    low_mark: Option<TimeMs>,
    low_mark_bounds_lateness: bool,
    traceparent: Option<Arc<str>>,
    parts: Vec<Part>,
    reservations: Vec<Reservation>,
) -> PendingVerdicts {
    let mut pending = PendingVerdicts::default();
    let since = Instant::now();
    for (part, reservation) in parts.into_iter().zip(reservations) {
        let ack = match part.entries.len() {
            0 => Ack::none(),
            entries => pending.expect(reservation.shard(), entries, part.indexes),
        };
        reservation.send(|room| Delivery {
            source,
            low_mark,
            low_mark_bounds_lateness,
            traceparent: traceparent.clone(),
            since,
            entries: part.entries,
            bytes: part.bytes,
            ack,
            room,
        });
    }
    pending
}

#[cfg(test)]
mod tests;
