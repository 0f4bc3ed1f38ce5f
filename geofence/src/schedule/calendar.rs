//! Opening hours as moments: laid out a year at a time, when first asked for.

use std::sync::OnceLock;

use jiff::Span as Days;

use super::Hours;
use super::recent::Recent;
use super::span::local_date;
use crate::TimeMs;

/// What is laid out at once, milliseconds: a leap year.
const YEAR_MS: i64 = 366 * 86_400_000;
/// Years since 1970 that are kept for good once they are laid out, without a
/// lock: about 2000 to 2100. Of others those asked for last are.
const KEPT: std::ops::Range<i64> = 29..131;
/// Other years that are kept: a trace lies in one or two, and the neighbours
/// of one are looked at for stretches of being open that reach into them.
const OTHERS_MAX: usize = 4;
/// A span that is still open can have begun this long ago, days: it lasts a
/// day, and a zone may skip one.
const SPAN_DAYS_MAX: i64 = 3;

/// Years laid out so far. Shared by all that share the schedule.
#[derive(Debug)]
pub(super) struct Calendar {
    kept: OnceLock<Box<[OnceLock<Year>]>>,
    others: Recent<i64, Year, OTHERS_MAX>,
}

/// The openings and closings of one year.
#[derive(Clone, Debug)]
struct Year {
    /// Whether it is open right before the year.
    open_before: bool,
    /// Openings and closings in turn.
    turns: Box<[TimeMs]>,
}

impl Calendar {
    pub(super) const fn new() -> Self {
        Self { kept: OnceLock::new(), others: Recent::new() }
    }

    pub(super) fn is_open(&self, hours: &Hours, t: TimeMs) -> bool {
        self.with(hours, number(t), |year| year.is_open(year.turned(t)))
    }

    pub(super) fn opening(&self, hours: &Hours, t: TimeMs, after: TimeMs) -> Option<TimeMs> {
        let mut last = number(t);
        let mut found = self.with(hours, last, |year| year.last_turn(t));
        while found.is_none() && start(last) > after {
            last -= 1;
            found = self.with(hours, last, |year| year.last_turn(t));
        }
        found.filter(|opening| *opening > after)
    }

    pub(super) fn still_until(&self, hours: &Hours, t: TimeMs) -> TimeMs {
        let number = number(t);
        let turn = self.with(hours, number, |year| year.turns.get(year.turned(t)).copied());
        turn.unwrap_or_else(|| start(number + 1))
    }

    fn with<T>(&self, hours: &Hours, number: i64, look: impl FnOnce(&Year) -> T) -> T {
        if !KEPT.contains(&number) {
            return look(&self.others.get(&number, || Year::of(hours, number)));
        }
        let kept = (KEPT.end - KEPT.start) as usize;
        let years = self.kept.get_or_init(|| (0..kept).map(|_| OnceLock::new()).collect());
        let year = &years[(number - KEPT.start) as usize];
        look(year.get_or_init(|| Year::of(hours, number)))
    }
}

impl Year {
    fn of(hours: &Hours, number: i64) -> Self {
        let (first, end) = (start(number), start(number + 1));
        let mut open_before = false;
        let mut turns = Vec::new();
        for (opens, closes) in stretches(hours, first, end) {
            open_before |= opens < first && closes >= first;
            turns.extend([opens, closes].into_iter().filter(|turn| (first..end).contains(turn)));
        }
        Self { open_before, turns: turns.into() }
    }

    /// How many turns there are up to `t`.
    fn turned(&self, t: TimeMs) -> usize {
        self.turns.partition_point(|turn| *turn <= t)
    }

    fn is_open(&self, turned: usize) -> bool {
        self.open_before != (turned % 2 == 1)
    }

    fn last_turn(&self, t: TimeMs) -> Option<TimeMs> {
        let turned = self.turned(t);
        self.turns[..turned].last().copied()
    }
}

/// Every stretch of being open that touches `first..end`, in order, and none
/// that meets another.
fn stretches(hours: &Hours, first: TimeMs, end: TimeMs) -> Vec<(TimeMs, TimeMs)> {
    // Beyond all calendars everything is closed.
    let dates = local_date(first, &hours.zone).zip(local_date(end, &hours.zone));
    let dates = dates.and_then(|(first, last)| {
        let before = first.checked_sub(Days::new().days(SPAN_DAYS_MAX)).ok()?;
        let after = last.checked_add(Days::new().days(1)).ok()?;
        Some((before, after))
    });
    let Some((before, after)) = dates else { return Vec::new() };
    let mut spans: Vec<(TimeMs, TimeMs)> = before
        .series(Days::new().days(1))
        .take_while(|date| *date <= after)
        .flat_map(|date| hours.spans(date).filter_map(move |span| span.on(date, &hours.zone)))
        .collect();
    spans.sort_unstable();
    let mut stretches: Vec<(TimeMs, TimeMs)> = Vec::with_capacity(spans.len());
    for (opens, closes) in spans {
        match stretches.last_mut() {
            Some((_, end)) if opens <= *end => *end = closes.max(*end),
            _ => stretches.push((opens, closes)),
        }
    }
    stretches
}

fn number(t: TimeMs) -> i64 {
    t.0.div_euclid(YEAR_MS)
}

fn start(number: i64) -> TimeMs {
    TimeMs(number.saturating_mul(YEAR_MS))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Schedule;

    #[test]
    fn a_year_long_ago_is_not_laid_out_at_every_look() {
        let hours = json!({ "zone": "UTC", "week": { "mon-sun": ["08:00-18:00"] } });
        let schedule = Schedule::read(&hours).unwrap();
        assert!(schedule.is_open(TimeMs(9 * 3_600_000)));
        let year = schedule.calendar.others.get(&0, || unreachable!("1970 was looked at"));
        assert_eq!(year.turns.len(), 2 * 366);
    }
}
