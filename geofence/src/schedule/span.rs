//! One stretch of opening hours, by the clock on the wall.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::clock::{DAY_MIN, read_time, write_time};
use super::zone::Zone;
use crate::TimeMs;

/// From a minute of the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// Minutes after midnight, less than a day.
    pub(super) start: u16,
    pub(super) end: SpanEnd,
}

/// Where a span ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SpanEnd {
    /// At this local time, in minutes after midnight of the day on which the
    /// span begins: beyond a day where it goes over midnight.
    Clock(u16),
    /// This many minutes after it began, whatever the clocks do meanwhile.
    After(u16),
}

impl Span {
    /// From local `start` to local `end`; to `end` on the next day where that
    /// is not after `start`.
    fn by_clock(start: u16, end: u16) -> Self {
        let end = if end <= start { end + DAY_MIN } else { end };
        Self { start, end: SpanEnd::Clock(end) }
    }

    /// Reads `08:00-18:00`; what is wrong is said in words.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no span of local times such as \"08:00-18:00\" or \"22:00-06:00\"")
        };
        let (start, end) = text.split_once('-').ok_or_else(wrong)?;
        let start = read_time(start).ok_or_else(wrong)?;
        let end = read_time(end).ok_or_else(wrong)?;
        if start == DAY_MIN {
            return Err(format!("{text:?} begins at 24:00: let it begin at 00:00 of the next day"));
        }
        if start == end {
            return Err(format!(
                "{text:?} is empty: it ends when it begins; a whole day is \"00:00-24:00\""
            ));
        }
        Ok(Self::by_clock(start, end))
    }

    fn clock_end(self) -> u16 {
        match self.end {
            SpanEnd::Clock(end) => end,
            SpanEnd::After(minutes) => self.start + minutes,
        }
    }

    /// When the span that begins on `date` opens and closes; `None` where the
    /// clocks leave nothing of it, or no calendar goes so far.
    pub(super) fn on(self, date: Date, zone: &Zone) -> Option<(TimeMs, TimeMs)> {
        let opens = zone.moment(date, self.start)?;
        let closes = match self.end {
            SpanEnd::Clock(end) => zone.moment(date, end)?,
            SpanEnd::After(minutes) => opens.plus(i64::from(minutes) * 60_000),
        };
        (opens < closes).then_some((opens, closes))
    }
}

/// Ascending, each once. Those that meet by the clock stay apart: where the
/// clocks skip, one of them may open, or end, when both as one would not.
pub(super) fn in_order(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    spans.dedup();
    spans
}

/// `08:00-18:00`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.clock_end();
        let end = if end > DAY_MIN { end - DAY_MIN } else { end };
        write!(f, "{}-{}", write_time(self.start), write_time(end))
    }
}

/// The local date and minute of a moment, for a span's neighbours.
pub(super) fn local_date(t: TimeMs, zone: &Zone) -> Option<Date> {
    let t = Timestamp::from_millisecond(t.0).ok()?;
    Some(zone.date(t))
}
