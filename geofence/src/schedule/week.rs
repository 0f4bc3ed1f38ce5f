//! The weekly table: spans by weekday.

use std::fmt;

use jiff::civil::Weekday;

use super::span::Span;

/// Names of the days, from Monday on.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Spans by the weekday on which they begin, from Monday on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Week(pub(super) [Vec<Span>; 7]);

impl Week {
    /// The spans that begin on `day`.
    pub(super) fn of(&self, day: Weekday) -> &[Span] {
        &self.0[day.to_monday_zero_offset() as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Days in a row with the same spans, first and last; days without any are
    /// left out.
    pub(super) fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for day in (0..7).filter(|&day| !self.0[day].is_empty()) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == day && self.0[*last] == self.0[day] => *last = day,
                _ => runs.push((day, day)),
            }
        }
        runs
    }
}

/// Reads `mon` or `mon-fri`: first and last day.
pub(super) fn read_days(text: &str) -> Option<(usize, usize)> {
    let day = |name: &str| DAYS.iter().position(|known| *known == name);
    match text.split_once('-') {
        None => day(text).map(|day| (day, day)),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            (first < last).then_some((first, last))
        }
    }
}

/// The same back.
pub(super) fn write_days((first, last): (usize, usize)) -> String {
    if first == last { DAYS[first].to_owned() } else { format!("{}-{}", DAYS[first], DAYS[last]) }
}

/// `mon-fri 08:00-18:00, sat 08:00-12:00 13:00-15:00`.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("closed");
        }
        for (i, run) in self.runs().into_iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&write_days(run))?;
            for span in &self.0[run.0] {
                write!(f, " {span}")?;
            }
        }
        Ok(())
    }
}
