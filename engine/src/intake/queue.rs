//! One shard's queue: a channel, and the room in it counted in pings and in
//! bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};

use super::{Delivery, IntakeError};

/// What one shard's queue holds at the most, delivered but uncommitted input
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Pings and rejects, 1 to 2^28. The largest batch of a source must fit.
    pub max_pings: usize,
    /// Bytes ([`Entry::bytes`](super::Entry::bytes)), 1 to 2^32 − 1. The
    /// largest batch of a source must fit.
    pub max_bytes: usize,
}

/// Both ends of the queue of `shard`, with room for `limits`.
pub(super) fn new(shard: u32, limits: QueueLimits) -> (Front, ShardQueue) {
    assert!(
        (1..=1 << 28).contains(&limits.max_pings)
            && (1..=u32::MAX as usize).contains(&limits.max_bytes),
        "queue limits out of range: {limits:?}"
    );
    // A delivery with pings holds its room until after it was received, so of
    // those there are never more than pings allowed. One that only brings a
    // low mark comes once for each mark, and waits for a slot like any other.
    let (sender, receiver) = mpsc::channel(limits.max_pings);
    let front = Front {
        shard,
        pings: Arc::new(Semaphore::new(limits.max_pings)),
        bytes: Arc::new(Semaphore::new(limits.max_bytes)),
        sender,
    };
    (front, ShardQueue { receiver })
}

/// The submitters' end.
#[derive(Debug)]
pub(super) struct Front {
    shard: u32,
    pings: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    sender: mpsc::Sender<Delivery>,
}

impl Front {
    /// Room for one delivery, now or not at all.
    pub(super) fn try_reserve(
        &self,
        pings: usize,
        bytes: usize,
    ) -> Result<Reservation, IntakeError> {
        let shard = self.shard;
        let no_room = |error| match error {
            TryAcquireError::NoPermits => IntakeError::Full { shard },
            TryAcquireError::Closed => IntakeError::Closed { shard },
        };
        let pings =
            Arc::clone(&self.pings).try_acquire_many_owned(count(pings)).map_err(no_room)?;
        let bytes =
            Arc::clone(&self.bytes).try_acquire_many_owned(count(bytes)).map_err(no_room)?;
        let slot = self.sender.clone().try_reserve_owned().map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => IntakeError::Full { shard },
            mpsc::error::TrySendError::Closed(_) => IntakeError::Closed { shard },
        })?;
        Ok(Reservation { shard, slot, room: Room::new(pings, bytes) })
    }

    /// Room for one delivery, as soon as there is some.
    pub(super) async fn reserve(
        &self,
        pings: usize,
        bytes: usize,
    ) -> Result<Reservation, IntakeError> {
        let shard = self.shard;
        let closed = |_| IntakeError::Closed { shard };
        // A queue that ends while one waits for room says so here: no shard is
        // left to give any back.
        let room = async {
            let pings = Arc::clone(&self.pings).acquire_many_owned(count(pings)).await;
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(count(bytes)).await;
            let never_closed = "nobody closes the semaphores";
            Room::new(pings.expect(never_closed), bytes.expect(never_closed))
        };
        let room = tokio::select! {
            room = room => room,
            () = self.sender.closed() => return Err(IntakeError::Closed { shard }),
        };
        let slot = self.sender.clone().reserve_owned().await.map_err(closed)?;
        Ok(Reservation { shard, slot, room })
    }

    pub(super) fn pings_held(&self, limits: &QueueLimits) -> usize {
        limits.max_pings - self.pings.available_permits()
    }

    pub(super) fn bytes_held(&self, limits: &QueueLimits) -> usize {
        limits.max_bytes - self.bytes.available_permits()
    }
}

/// Semaphores count in `u32`; every amount was compared with the limits.
fn count(amount: usize) -> u32 {
    u32::try_from(amount).expect("no submission above the limits gets here")
}

/// Room and a slot in the channel, promised by the shard.
pub(super) struct Reservation {
    shard: u32,
    slot: mpsc::OwnedPermit<Delivery>,
    room: Room,
}

impl Reservation {
    /// Whose promise it is.
    pub(super) fn shard(&self) -> u32 {
        self.shard
    }

    /// Uses the promise.
    pub(super) fn send(self, delivery: impl FnOnce(Room) -> Delivery) {
        self.slot.send(delivery(self.room));
    }
}

/// The room a delivery takes, given back when dropped. The shard keeps it
/// until the delivery's entries are durable.
#[derive(Debug, Default)]
pub struct Room {
    _held: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Room {
    fn new(pings: OwnedSemaphorePermit, bytes: OwnedSemaphorePermit) -> Self {
        Self { _held: Some((pings, bytes)) }
    }
}

/// The shard's end of its queue. Dropping it closes the queue.
#[derive(Debug)]
pub struct ShardQueue {
    receiver: mpsc::Receiver<Delivery>,
}

impl ShardQueue {
    /// The next delivery; `None` when the queue was closed, or every front is
    /// gone, and nothing is left. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.receiver.recv().await
    }

    /// The next delivery if one waits.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        self.receiver.try_recv().ok()
    }

    /// Takes no further submission; what was taken is still received.
    pub fn close(&mut self) {
        self.receiver.close();
    }
}
