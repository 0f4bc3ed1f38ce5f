//! One vehicle of a document: its newest position, what is stored of it, and
//! since when there is more to store.

use std::sync::Arc;
use std::time::Duration;

use geofence::LivePosition;
use tokio::time::Instant;

use super::demand::Demand;
use super::{FLOOR, HEARTBEAT, Pace};
use crate::firestore::change::Change;

#[derive(Debug)]
pub(super) struct Vehicle {
    newest: Arc<LivePosition>,
    /// When it came.
    arrived: Instant,
    /// How long after the one before; none before the second.
    gap: Option<Duration>,
    stored: Option<Stored>,
    /// There is something that no write has taken along yet.
    waiting: Option<Waiting>,
    /// There was, and a write under way has it.
    sent: Option<Waiting>,
}

/// What the document holds of the vehicle, as far as is known.
#[derive(Debug)]
struct Stored {
    position: Arc<LivePosition>,
    /// When the write that put it there began, or when it was read.
    at: Instant,
}

/// Changes that are not stored.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Segment of the first of them.
    seq: u64,
    /// When it came.
    since: Instant,
    /// From when on somebody would see a difference, if anybody would.
    visible: Option<Visible>,
}

#[derive(Clone, Copy, Debug)]
struct Visible {
    since: Instant,
    /// One of them is [`Change::Told`].
    told: bool,
}

/// What became of an offered position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It waits for its write.
    Waits,
    /// It took the place of one that waited.
    Replaces,
    /// The difference to what is stored is too small for a write of its own.
    Skipped,
    /// The store has a newer one, from another owner of the shard.
    Refused,
    /// A newer one came before it.
    Older,
}

impl Vehicle {
    pub(super) fn new(position: Arc<LivePosition>, now: Instant) -> Self {
        let mut waiting = Waiting { seq: position.seq, since: now, visible: None };
        waiting.sees(Change::Moved, now);
        Self {
            newest: position,
            arrived: now,
            gap: None,
            stored: None,
            waiting: Some(waiting),
            sent: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.newest.vehicle_id
    }

    /// Takes a position that a segment has committed.
    pub(super) fn offer(&mut self, position: Arc<LivePosition>, now: Instant) -> Offered {
        if position.seq < self.newest.seq {
            return Offered::Older;
        }
        self.newest = position;
        self.gap = Some(now.saturating_duration_since(self.arrived));
        self.arrived = now;
        if self.is_behind() {
            self.waiting = None;
            return Offered::Refused;
        }
        let change = self.change();
        let replaces = self.waiting.is_some_and(|waiting| waiting.visible.is_some());
        let first = Waiting { seq: self.newest.seq, since: now, visible: None };
        let waiting = self.waiting.get_or_insert(first);
        waiting.sees(change, now);
        match (replaces, waiting.visible) {
            (true, _) => Offered::Replaces,
            (false, Some(_)) => Offered::Waits,
            (false, None) => Offered::Skipped,
        }
    }

    /// The store is found to hold `position`, or nothing, of the vehicle.
    /// Whether what waited is refused for it.
    pub(super) fn found(&mut self, position: Option<LivePosition>, now: Instant) -> bool {
        self.stored = position.map(|it| Stored { position: Arc::new(it), at: now });
        if self.is_behind() {
            return self.waiting.take().is_some();
        }
        if self.stored.as_ref().is_some_and(|stored| *stored.position == *self.newest) {
            self.waiting = None;
        }
        self.look_again();
        false
    }

    /// The newest position, if it is to go along with a write that begins.
    pub(super) fn send(&mut self) -> Option<Arc<LivePosition>> {
        self.sent = Some(self.waiting.take()?);
        Some(Arc::clone(&self.newest))
    }

    /// The write that took `position` along, and began at `begun`, is done.
    pub(super) fn written(&mut self, position: Arc<LivePosition>, begun: Instant) {
        self.sent = None;
        self.stored = Some(Stored { position, at: begun });
        self.look_again();
    }

    /// The write that took something along was not done.
    pub(super) fn not_written(&mut self) {
        let Some(sent) = self.sent.take() else { return };
        let later = self.waiting.and_then(|waiting| waiting.visible);
        let visible = match (sent.visible, later) {
            (Some(sent), Some(later)) => Some(Visible { told: sent.told || later.told, ..sent }),
            (sent, later) => sent.or(later),
        };
        self.waiting = Some(Waiting { visible, ..sent });
        if self.is_behind() {
            self.waiting = None;
        }
    }

    /// What the vehicle asks of its document, the last write of which began
    /// at `begun`.
    pub(super) fn demand(&self, begun: Option<Instant>, pace: Pace) -> Demand {
        let of = |waiting: Waiting| Demand {
            due: None,
            visible_since: waiting.visible.map(|it| it.since),
            seq: Some(waiting.seq),
        };
        let sent = self.sent.map(of).unwrap_or_default();
        let Some(waiting) = self.waiting else { return sent };
        let due = Some(self.due(waiting, begun, pace));
        sent.and(Demand { due, ..of(waiting) })
    }

    /// Nothing of it waits or is under way, and what is stored is what this
    /// process put there, `before` or earlier.
    pub(super) fn is_settled_since(&self, before: Instant) -> bool {
        self.waiting.is_none()
            && self.sent.is_none()
            && !self.is_behind()
            && self.stored.as_ref().is_some_and(|stored| stored.at <= before)
    }

    /// What [`Vehicle::send`] would give.
    pub(super) fn waiting(&self) -> Option<&LivePosition> {
        self.waiting.is_some().then_some(&*self.newest)
    }

    fn due(&self, waiting: Waiting, begun: Option<Instant>, pace: Pace) -> Instant {
        let spaced = |since: Instant, gap: Duration| begun.map_or(since, |it| since.max(it + gap));
        match waiting.visible {
            _ if pace.closing => spaced(waiting.since, FLOOR),
            Some(visible) if visible.told => spaced(visible.since, FLOOR),
            Some(visible) => {
                let earliest = spaced(visible.since, pace.min_interval);
                self.awaits_next(earliest, visible.since + pace.patience).unwrap_or(earliest)
            }
            None => {
                let stored_at = self.stored.as_ref().map_or(waiting.since, |stored| stored.at);
                // With a long interval the heartbeat, too, keeps to it.
                spaced(waiting.since.max(stored_at + HEARTBEAT), pace.min_interval)
            }
        }
    }

    /// Until when to wait for the vehicle's next position, which then goes out
    /// as soon as it comes, rather than to write at `earliest` one that will
    /// be old by then and shown for a whole interval more: where the next is
    /// due nearer to that moment than the newest came. Never beyond `by`.
    fn awaits_next(&self, earliest: Instant, by: Instant) -> Option<Instant> {
        let gap = self.gap?;
        let age = earliest.checked_duration_since(self.arrived)?;
        let late = (self.arrived + gap).saturating_duration_since(earliest);
        // It may be half as late again before it is no longer waited for.
        let until = by.min(self.arrived + gap + gap / 2);
        (late <= age && until > earliest).then_some(until)
    }

    /// Judges what waits anew, against what is stored now.
    fn look_again(&mut self) {
        let change = self.change();
        if let Some(waiting) = &mut self.waiting {
            waiting.visible = None;
            waiting.sees(change, waiting.since);
        }
    }

    fn change(&self) -> Change {
        let between = |stored: &Stored| Change::between(&stored.position, &self.newest);
        self.stored.as_ref().map_or(Change::Moved, between)
    }

    fn is_behind(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.position.seq > self.newest.seq)
    }
}

impl Waiting {
    fn sees(&mut self, change: Change, now: Instant) {
        if change > Change::Minor {
            let visible = self.visible.get_or_insert(Visible { since: now, told: false });
            visible.told |= change == Change::Told;
        }
    }
}
