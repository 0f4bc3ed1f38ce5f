//! Silence of vehicles (semantics §9): judged by receive time and the low mark
//! of the vehicle's source alone.

use crate::{Identity, Settings, TimeMs};

/// Mean arrival interval that a new vehicle starts with, milliseconds.
const INTERVAL_START_MS: u32 = 60_000;
/// Longest interval that counts in the mean, milliseconds.
const INTERVAL_MAX_MS: i64 = 3_600_000;

/// What is known of a vehicle's arrivals.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Liveness {
    pub(crate) last_arrival: TimeMs,
    pub(crate) last_ping: Identity,
    /// The receive clock at the last arrival. A message sent again keeps its
    /// first receive time, so that alone does not tell a vehicle's silence.
    pub(crate) seen: TimeMs,
    /// Running mean of the arrival intervals, milliseconds.
    pub(crate) interval_ms: u32,
    pub(crate) offline: bool,
    /// How often the vehicle was told offline.
    pub(crate) silences: u32,
    /// Sequence of the events that hang on the last ping.
    pub(crate) last_sequence: u32,
    /// When the low mark passes this, the vehicle is looked at again; the end
    /// of time while nothing is to be found.
    pub(crate) check_after: TimeMs,
}

impl Liveness {
    /// The first arrival.
    pub(crate) fn new(arrival: TimeMs, ping: Identity, now: TimeMs) -> Self {
        Self {
            last_arrival: arrival,
            last_ping: ping,
            seen: now,
            interval_ms: INTERVAL_START_MS,
            offline: false,
            silences: 0,
            last_sequence: 0,
            check_after: TimeMs::MAX,
        }
    }

    /// A further arrival. Returns the silence in milliseconds that it ended,
    /// if the vehicle was offline.
    pub(crate) fn arrive(&mut self, arrival: TimeMs, now: TimeMs) -> Option<i64> {
        let interval = arrival.since(self.last_arrival).clamp(0, INTERVAL_MAX_MS);
        let silence = arrival.since(self.last_arrival).max(0);
        let mean = i64::from(self.interval_ms);
        // Between the two, which are no more than an hour.
        self.interval_ms = (mean + (interval - mean) / 8) as u32;
        self.last_arrival = self.last_arrival.max(arrival);
        self.seen = now;
        std::mem::take(&mut self.offline).then_some(silence)
    }

    /// Has the events up to the next arrival hang on `ping`. One that no window
    /// holds is not known when it comes again: what hangs on it then is told
    /// from what did before by the silences in between.
    pub(crate) fn hang_on(&mut self, ping: Identity, in_window: bool) {
        self.last_ping = ping;
        self.last_sequence = if in_window { 0 } else { self.silences.saturating_add(1) };
    }

    /// Takes it that the vehicle was told offline.
    pub(crate) fn fall_silent(&mut self) {
        self.offline = true;
        self.silences = self.silences.saturating_add(1);
    }

    /// Silence beyond which the vehicle is offline, milliseconds.
    pub(crate) fn threshold_ms(&self, settings: &Settings) -> i64 {
        settings.offline_after_ms.max(4 * i64::from(self.interval_ms))
    }

    /// The vehicle is offline once the low mark has passed this.
    pub(crate) fn due(&self, settings: &Settings) -> TimeMs {
        self.last_arrival.plus(self.threshold_ms(settings))
    }
}
