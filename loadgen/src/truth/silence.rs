//! Offline and online, judged by arrival (semantics §9).

use super::{Expect, Kind, Out};

/// How far the source's low mark may lag behind its newest message: twelve
/// buckets of ten seconds, and some room.
const LOW_MARK_LAG_MS: i64 = 135_000;
/// The running mean of arrival intervals starts here.
const INTERVAL_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Debug, Default)]
pub(super) struct SilenceTruth {
    last_ms: Option<i64>,
    /// Running mean of the intervals, less [`INTERVAL_MS`].
    mean_from_start_ms: i64,
}

impl SilenceTruth {
    pub(super) fn step(&mut self, expect: &Expect, t_ms: i64, out: &mut Out<'_>) {
        if let Some(last_ms) = self.last_ms {
            self.tell(expect, last_ms, t_ms, true, out);
            let mean_ms = INTERVAL_MS + self.mean_from_start_ms;
            self.mean_from_start_ms += ((t_ms - last_ms).min(HOUR_MS) - mean_ms) / 8;
        }
        self.last_ms = Some(t_ms);
    }

    pub(super) fn end(&mut self, expect: &Expect, end_ms: i64, out: &mut Out<'_>) {
        if let Some(last_ms) = self.last_ms {
            self.tell(expect, last_ms, end_ms, false, out);
        }
    }

    /// Tells a silence from `last_ms` to `until_ms`, if it was one.
    fn tell(&self, expect: &Expect, last_ms: i64, until_ms: i64, back: bool, out: &mut Out<'_>) {
        let mean_ms = INTERVAL_MS + self.mean_from_start_ms;
        let offline_ms = last_ms + expect.offline_after_ms.max(4 * mean_ms);
        if offline_ms >= until_ms {
            return;
        }
        let required = expect.arrives_at_once && offline_ms + LOW_MARK_LAG_MS < until_ms;
        out.push(Kind::Offline, offline_ms, required);
        if back {
            out.push(Kind::Online, until_ms, required);
        }
    }
}
