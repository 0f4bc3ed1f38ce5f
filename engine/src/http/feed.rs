//! Committed events on their way to whoever watches: a bounded ring that
//! readers follow at their own pace. A reader that falls off its end is told
//! how many events it missed; no reader holds up the writer or another one.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protos::event_json::{self, Rendering};
use protos::events::FleetEvent;
use protos::journal::Segment;
use smol_str::SmolStr;
use tokio::sync::watch;

/// Names one event operation: where it stands in the journal. Written
/// `<shard>-<seq>-<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeedId {
    /// The shard.
    pub shard: u32,
    /// The segment.
    pub seq: u64,
    /// The operation within the segment.
    pub index: u32,
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard, self.seq, self.index)
    }
}

/// Not of the form `<shard>-<seq>-<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event id reads <shard>-<seq>-<index>, three numbers")]
pub struct FeedIdError;

impl FromStr for FeedId {
    type Err = FeedIdError;

    fn from_str(text: &str) -> Result<Self, FeedIdError> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(FeedIdError);
        let (shard, seq, index) = (part()?, part()?, part()?);
        let id = Self {
            shard: shard.parse().map_err(|_| FeedIdError)?,
            seq: seq.parse().map_err(|_| FeedIdError)?,
            index: index.parse().map_err(|_| FeedIdError)?,
        };
        if parts.next().is_some() { Err(FeedIdError) } else { Ok(id) }
    }
}

/// Room that most events find enough when they are rendered.
const JSON_BYTES: usize = 640;

/// An event operation as the feed hands it on.
#[derive(Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// Where it stands in the journal.
    pub id: FeedId,
    /// The event's kind, such as `geofence_enter`.
    pub kind: &'static str,
    /// Empty for events of a source.
    pub vehicle_id: SmolStr,
    /// Empty where no fence is concerned.
    pub fence_id: SmolStr,
    /// The whole event, a JSON object on one line.
    pub json: String,
}

impl FeedEvent {
    fn new(id: FeedId, event: &FleetEvent) -> Self {
        let mut json = Vec::with_capacity(JSON_BYTES);
        event_json::push_event(&mut json, event, Rendering::Full);
        Self {
            id,
            kind: event_json::kind(event),
            vehicle_id: event.vehicle_id.clone(),
            fence_id: event.fence_id.clone(),
            json: String::from_utf8(json).expect("strings in, JSON out"),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.vehicle_id.len() + self.fence_id.len() + self.json.len()
    }
}

/// What the ring keeps at the most; the oldest events go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLimits {
    /// Events. The newest one stays, whatever this and the next say.
    pub events_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
}

impl FeedLimits {
    /// For a feed without readers: keeps nothing, and renders nothing.
    pub const NONE: Self = Self { events_max: 0, bytes_max: 0 };
}

impl Default for FeedLimits {
    /// 20,000 events, 16 MiB.
    fn default() -> Self {
        Self { events_max: 20_000, bytes_max: 16 << 20 }
    }
}

/// Clonable handle on the ring: the shards' releases publish, readers
/// subscribe.
#[derive(Clone, Debug)]
pub struct EventFeed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    limits: FeedLimits,
    /// Number of the event that will be published next; wakes readers.
    end: watch::Sender<u64>,
}

/// Events are numbered in the order in which they were published, from 0.
#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<FeedEvent>>,
    bytes: usize,
    /// Number of the oldest event kept.
    start: u64,
}

impl EventFeed {
    /// An empty feed.
    #[must_use]
    pub fn new(limits: FeedLimits) -> Self {
        let end = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { ring: Mutex::default(), limits, end }) }
    }

    /// Hands on the events of a committed segment. Segments of one shard come
    /// in order, each once.
    pub fn publish(&self, segment: &Segment) {
        if segment.events.is_empty() || self.shared.limits == FeedLimits::NONE {
            return;
        }
        // Before the lock: readers wait for nothing but the pushes.
        let encoded: Vec<FeedEvent> = (0..)
            .zip(&segment.events)
            .map(|(index, event)| {
                FeedEvent::new(FeedId { shard: segment.shard, seq: segment.seq, index }, event)
            })
            .collect();
        let mut ring = self.ring();
        for event in encoded {
            ring.push(event, self.shared.limits);
        }
        // Under the lock, so that the end never goes back.
        self.shared.end.send_replace(ring.end());
    }

    /// Follows the feed from the next event on, or from the one after `after`.
    #[must_use]
    pub fn subscribe(&self, after: Option<FeedId>) -> Subscription {
        let ring = self.ring();
        let (next, gap) = match after {
            None => (ring.end(), false),
            Some(id) => match ring.number_of(id) {
                Some(number) => (number + 1, false),
                None => (ring.start, true),
            },
        };
        let end = self.shared.end.subscribe();
        Subscription { feed: self.clone(), next, gap, end }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Every change leaves the ring whole, a panic between them included.
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.start + self.events.len() as u64
    }

    fn push(&mut self, event: FeedEvent, limits: FeedLimits) {
        self.bytes += event.bytes();
        self.events.push_back(Arc::new(event));
        while self.events.len() > 1
            && (self.events.len() > limits.events_max || self.bytes > limits.bytes_max)
        {
            let oldest = self.events.pop_front().expect("more than one");
            self.bytes -= oldest.bytes();
            self.start += 1;
        }
    }

    /// Shards interleave, so the id is looked for, newest first: readers that
    /// come back were mostly here a moment ago.
    fn number_of(&self, id: FeedId) -> Option<u64> {
        let from_end = self.events.iter().rev().position(|event| event.id == id)?;
        Some(self.end() - 1 - from_end as u64)
    }
}

/// What a reader gets next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedItem {
    /// The event to resume after is not in the ring: an unknown number of
    /// events lies between it and what follows. First item, if at all.
    Gap,
    /// So many events were dropped before this reader came to them.
    Lagged(u64),
    /// The next event.
    Event(Arc<FeedEvent>),
}

/// One reader's place in the feed.
#[derive(Debug)]
pub struct Subscription {
    feed: EventFeed,
    next: u64,
    gap: bool,
    end: watch::Receiver<u64>,
}

impl Subscription {
    /// The next item, as soon as there is one. Cancel-safe.
    pub async fn next(&mut self) -> FeedItem {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            let next = self.next;
            let published = self.end.wait_for(|&end| end > next).await;
            published.expect("this subscription holds the feed");
        }
    }

    /// The next item if there is one now.
    pub fn take(&mut self) -> Option<FeedItem> {
        if std::mem::take(&mut self.gap) {
            return Some(FeedItem::Gap);
        }
        let ring = self.feed.ring();
        if self.next < ring.start {
            let missed = ring.start - self.next;
            self.next = ring.start;
            return Some(FeedItem::Lagged(missed));
        }
        let place = usize::try_from(self.next - ring.start).ok()?;
        let event = Arc::clone(ring.events.get(place)?);
        self.next += 1;
        Some(FeedItem::Event(event))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn feed(events_max: usize, bytes_max: usize) -> EventFeed {
        EventFeed::new(FeedLimits { events_max, bytes_max })
    }

    fn segment(shard: u32, seq: u64, vehicles: &[&str]) -> Segment {
        let event = |id: &&str| FleetEvent { vehicle_id: (*id).into(), ..FleetEvent::default() };
        Segment { shard, seq, events: vehicles.iter().map(event).collect(), ..Segment::default() }
    }

    fn seen(subscription: &mut Subscription) -> Vec<String> {
        std::iter::from_fn(|| subscription.take())
            .map(|item| match item {
                FeedItem::Gap => "gap".into(),
                FeedItem::Lagged(n) => format!("lagged {n}"),
                FeedItem::Event(event) => format!("{} {}", event.id, event.vehicle_id),
            })
            .collect()
    }

    #[test]
    fn a_new_reader_gets_what_comes_after_it() {
        let feed = feed(10, 1 << 20);
        feed.publish(&segment(0, 1, &["before"]));
        let mut reader = feed.subscribe(None);
        assert!(reader.next().now_or_never().is_none());
        feed.publish(&segment(0, 2, &["a", "b"]));
        feed.publish(&segment(1, 1, &["c"]));
        assert_eq!(seen(&mut reader), ["0-2-0 a", "0-2-1 b", "1-1-0 c"]);
    }

    #[test]
    fn a_reader_resumes_after_the_last_event_it_had_over_all_shards() {
        let feed = feed(10, 1 << 20);
        feed.publish(&segment(0, 1, &["a"]));
        feed.publish(&segment(1, 7, &["b", "c"]));
        feed.publish(&segment(0, 2, &["d"]));
        let after = |id: &str| seen(&mut feed.subscribe(Some(id.parse().unwrap())));
        assert_eq!(after("0-1-0"), ["1-7-0 b", "1-7-1 c", "0-2-0 d"]);
        assert_eq!(after("1-7-0"), ["1-7-1 c", "0-2-0 d"]);
        assert!(after("0-2-0").is_empty());
    }

    #[test]
    fn a_reader_that_cannot_resume_is_told_of_the_gap_and_gets_what_is_left() {
        let feed = feed(2, 1 << 20);
        let id = "0-1-0".parse().unwrap();
        assert_eq!(seen(&mut feed.subscribe(Some(id))), ["gap"], "after a restart");
        feed.publish(&segment(0, 1, &["a", "b", "c"]));
        assert_eq!(seen(&mut feed.subscribe(Some(id))), ["gap", "0-1-1 b", "0-1-2 c"]);
    }

    #[test]
    fn a_slow_reader_is_told_how_many_events_it_missed() {
        let feed = feed(3, 1 << 20);
        let mut slow = feed.subscribe(None);
        let mut quick = feed.subscribe(None);
        for seq in 1..=5 {
            feed.publish(&segment(0, seq, &["v"]));
            assert_eq!(seen(&mut quick).len(), 1);
        }
        assert_eq!(seen(&mut slow), ["lagged 2", "0-3-0 v", "0-4-0 v", "0-5-0 v"]);
        assert!(seen(&mut slow).is_empty());
    }

    #[test]
    fn the_ring_is_bounded_in_bytes_but_keeps_the_newest() {
        let event = FleetEvent { vehicle_id: "v".into(), ..FleetEvent::default() };
        let one = FeedEvent::new(FeedId { shard: 0, seq: 0, index: 0 }, &event);
        let feed = feed(100, 2 * one.bytes());
        let mut reader = feed.subscribe(None);
        feed.publish(&segment(0, 1, &["v", "v", "v"]));
        assert_eq!(seen(&mut reader), ["lagged 1", "0-1-1 v", "0-1-2 v"]);
        let large = "x".repeat(1_000);
        feed.publish(&segment(0, 2, &[&large]));
        assert_eq!(seen(&mut reader).len(), 1);
    }

    #[test]
    fn ids_are_read_back_and_anything_else_is_refused() {
        let id = FeedId { shard: 3, seq: u64::MAX, index: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "1", "1-2", "1-2-3-4", "a-b-c", "-1-2-3", "1-2-99999999999"] {
            assert_eq!(bad.parse::<FeedId>(), Err(FeedIdError), "{bad}");
        }
    }
}
