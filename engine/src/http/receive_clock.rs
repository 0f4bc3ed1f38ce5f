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
    /// depend on the pings, and hands them over with the source's low mark
    /// after them. Entries that are not taken move neither: they may be sent
    /// again, or never.
    ///
    /// # Errors
    /// Those of `hand_over`.
    pub fn stamp<T, E>(
        &self,
        mut entries: Vec<Entry>,
        hand_over: impl FnOnce(Vec<Entry>, Option<TimeMs>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.heard_ms.store(self.elapsed_ms().max(1), Ordering::Relaxed);
        // Held until they are taken: two requests are taken as they are stamped.
        let mut standing = self.low_mark.lock().unwrap_or_else(PoisonError::into_inner);
        let mut low_mark = standing.clone();
        let mut latest = TimeMs(self.latest_ms.load(Ordering::Relaxed));
        for entry in &mut entries {
            match self.source {
                ClockSource::Wall => {
                    low_mark.observe(self.elapsed_ms(), receive_time(entry));
                }
                ClockSource::Event => {
                    latest = receive_by_event_time(entry, latest);
                    low_mark.observe(latest.0, latest);
                }
            }
        }
        let taken = hand_over(entries, low_mark.get())?;
        *standing = low_mark;
        self.advance(latest.0);
        Ok(taken)
    }

    fn advance(&self, to_ms: i64) -> TimeMs {
        TimeMs(self.latest_ms.fetch_max(to_ms, Ordering::Relaxed).max(to_ms))
    }
}

/// Receives an entry when the newest ping so far was measured, `latest` before
/// it; returns when that is.
fn receive_by_event_time(entry: &mut Entry, latest: TimeMs) -> TimeMs {
    match entry {
        Entry::Ping { ping, .. } => {
            ping.receive_time = latest.max(ping.event_time);
            ping.receive_time
        }
        Entry::Rejected(letter) => {
            letter.receive_time_ms = latest.0;
            latest
        }
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

    /// Entries as they are handed over, by their receive times, and the low mark.
    fn stamp(clock: &ReceiveClock, entries: Vec<Entry>) -> (Vec<i64>, Option<TimeMs>) {
        let stamped = clock.stamp(entries, |entries, low_mark| {
            Ok::<_, ()>((entries.iter().map(|entry| receive_time(entry).0).collect(), low_mark))
        });
        stamped.expect("taken")
    }

    #[test]
    fn wall_time_never_goes_back_even_behind_the_journal() {
        let ahead = WallClock::read().0 + 3_600_000;
        assert_eq!(ReceiveClock::wall(TimeMs(ahead)).read(), TimeMs(ahead));
        let clock = ReceiveClock::wall(TimeMs(0));
        let first = clock.read();
        assert!(first.0 > 1_600_000_000_000 && clock.read() >= first);
        assert_eq!(stamp(&clock, vec![ping(5)]).0, [-1], "decoding has set it already");
    }

    #[test]
    fn event_time_is_the_running_maximum_over_all_requests() {
        let clock = ReceiveClock::event(TimeMs(100));
        let entries =
            vec![ping(90), ping(120), Entry::Rejected(DeadLetter::default()), ping(110), ping(121)];
        assert_eq!(stamp(&clock, entries).0, [100, 120, 120, 120, 121]);
        assert_eq!(stamp(&clock, vec![ping(50)]).0, [121]);
    }

    #[test]
    fn the_low_mark_follows_the_receive_times() {
        let clock = ReceiveClock::event(TimeMs(0));
        // A message in each of 12 buckets of 10 s, and one that fills the last.
        let entries: Vec<Entry> = (1..=12).map(|bucket| ping(bucket * 10_000 + 5)).collect();
        assert_eq!(stamp(&clock, entries).1, None);
        assert_eq!(stamp(&clock, vec![ping(130_000)]).1, Some(TimeMs(10_005)));
        assert_eq!(
            stamp(&clock, vec![ping(20)]).1,
            Some(TimeMs(10_005)),
            "an old ping moves nothing"
        );
    }

    #[test]
    fn what_is_not_taken_moves_neither() {
        let clock = ReceiveClock::event(TimeMs(0));
        let entries: Vec<Entry> = (1..=12).map(|bucket| ping(bucket * 10_000 + 5)).collect();
        stamp(&clock, entries);
        let refused = clock.stamp(vec![ping(9_000_000)], |_, low_mark| Err::<(), _>(low_mark));
        assert_eq!(refused, Err(Some(TimeMs(10_005))), "as it would be");
        assert_eq!(clock.read(), TimeMs(120_005));
        assert_eq!(stamp(&clock, vec![ping(120_006)]), (vec![120_006], None));
    }
}
