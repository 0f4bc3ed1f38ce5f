//! When a request was received: by the wall clock, or by its own pings; and
//! the low mark that follows from it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use geofence::TimeMs;

use crate::intake::Entry;
use crate::source::low_mark::LowMark;
use crate::wall_clock::WallClock;

/// Gives receive times that never go back, whatever the clock behind does.
#[derive(Debug)]
pub struct ReceiveClock {
    source: ClockSource,
    /// The latest time given, milliseconds since the epoch.
    latest_ms: AtomicI64,
    low_mark: Mutex<LowMark>,
    started: Instant,
    /// When entries were last stamped, milliseconds after `started`.
    heard_ms: AtomicI64,
}

#[derive(Clone, Copy, Debug)]
enum ClockSource {
    Wall,
    Event,
}

impl ReceiveClock {
    /// The time at which a request was read, by the machine's clock.
    /// `not_before`: the latest receive time in the journal, so that a restart
    /// after the clock was set back does not go back either.
    #[must_use]
    pub fn wall(not_before: TimeMs) -> Self {
        Self::new(ClockSource::Wall, not_before)
    }

    /// The largest event time seen so far (`clock = "event"`), for old traces
    /// sent as if they were live: a ping is received when the newest ping so
    /// far was measured. `not_before` as for [`ReceiveClock::wall`].
    #[must_use]
    pub fn event(not_before: TimeMs) -> Self {
        Self::new(ClockSource::Event, not_before)
    }

    fn new(source: ClockSource, not_before: TimeMs) -> Self {
        Self {
            source,
            latest_ms: AtomicI64::new(not_before.0),
            low_mark: Mutex::default(),
            started: Instant::now(),
            heard_ms: AtomicI64::new(0),
        }
    }

    /// How long ago the last entries were stamped, or this clock was made.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        let silent_ms = self.elapsed_ms().saturating_sub(heard_ms);
        Duration::from_millis(silent_ms.unsigned_abs())
    }

    /// Whether any entries were stamped yet.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.heard_ms.load(Ordering::Relaxed) > 0
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The receive time of a request that was read just now, as far as it is
    /// known before its pings are.
    #[must_use]
    pub fn read(&self) -> TimeMs {
        match self.source {
            ClockSource::Wall => self.advance(WallClock::read().0),
            ClockSource::Event => TimeMs(self.latest_ms.load(Ordering::Relaxed)),
        }
    }

    /// Sets the receive times of a request's entries, in order, where these
    /// depend on the pings, and returns the source's low mark after them.
    pub fn stamp(&self, entries: &mut [Entry]) -> Option<TimeMs> {
        self.heard_ms.store(self.elapsed_ms().max(1), Ordering::Relaxed);
        let mut low_mark = self.low_mark.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            match self.source {
                ClockSource::Wall => {
                    low_mark.observe(self.elapsed_ms(), receive_time(entry));
                }
                ClockSource::Event => {
                    self.receive_by_event_time(entry);
                    let received = receive_time(entry);
                    low_mark.observe(received.0, received);
                }
            }
        }
        low_mark.get()
    }

    fn receive_by_event_time(&self, entry: &mut Entry) {
        match entry {
            Entry::Ping { ping, .. } => ping.receive_time = self.advance(ping.event_time.0),
            Entry::Rejected(letter) => letter.receive_time_ms = self.read().0,
        }
    }

    fn advance(&self, to_ms: i64) -> TimeMs {
        TimeMs(self.latest_ms.fetch_max(to_ms, Ordering::Relaxed).max(to_ms))
    }
}

fn receive_time(entry: &Entry) -> TimeMs {
    match entry {
        Entry::Ping { ping, .. } => ping.receive_time,
        Entry::Rejected(letter) => TimeMs(letter.receive_time_ms),
    }
}

#[cfg(test)]
mod tests {
    use geofence::{Identity, Ping, Position};
    use protos::journal::DeadLetter;

    use super::*;

    fn ping(event_ms: i64) -> Entry {
        let ping = Ping {
            vehicle_id: "v".into(),
            event_time: TimeMs(event_ms),
            receive_time: TimeMs(-1),
            position: Position { lat: 0, lon: 0 },
            identity: Identity(0),
            seq: 0,
            accuracy_m: None,
            speed_mps: None,
            heading_deg: None,
            ignition: None,
            engine_rpm: None,
        };
        Entry::Ping {
            ping,
            payload: bytes::Bytes::new(),
            message_id: String::new(),
            dropped: Default::default(),
        }
    }

    fn receive_ms(entry: &Entry) -> i64 {
        receive_time(entry).0
    }

    #[test]
    fn wall_time_never_goes_back_even_behind_the_journal() {
        let ahead = WallClock::read().0 + 3_600_000;
        assert_eq!(ReceiveClock::wall(TimeMs(ahead)).read(), TimeMs(ahead));
        let clock = ReceiveClock::wall(TimeMs(0));
        let first = clock.read();
        assert!(first.0 > 1_600_000_000_000 && clock.read() >= first);
        let mut entries = [ping(5)];
        clock.stamp(&mut entries);
        assert_eq!(receive_ms(&entries[0]), -1, "decoding has set it already");
    }

    #[test]
    fn event_time_is_the_running_maximum_over_all_requests() {
        let clock = ReceiveClock::event(TimeMs(100));
        let mut entries =
            [ping(90), ping(120), Entry::Rejected(DeadLetter::default()), ping(110), ping(121)];
        clock.stamp(&mut entries);
        assert_eq!(entries.each_ref().map(receive_ms), [100, 120, 120, 120, 121]);
        let mut later = [ping(50)];
        clock.stamp(&mut later);
        assert_eq!(receive_ms(&later[0]), 121);
    }
    #[test]
    fn the_low_mark_follows_the_receive_times() {
        let clock = ReceiveClock::event(TimeMs(0));
        // A message in each of 12 buckets of 10 s, and one that fills the last.
        let mut entries: Vec<Entry> = (1..=12).map(|bucket| ping(bucket * 10_000 + 5)).collect();
        assert_eq!(clock.stamp(&mut entries), None);
        assert_eq!(clock.stamp(&mut [ping(130_000)]), Some(TimeMs(10_005)));
        assert_eq!(clock.stamp(&mut [ping(20)]), Some(TimeMs(10_005)), "an old ping moves nothing");
    }
}
