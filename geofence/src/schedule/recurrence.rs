//! The part of RFC 5545's recurrence rules that is understood: `FREQ`,
//! `BYDAY`, `BYHOUR` and `BYMINUTE` of rules that repeat daily or weekly, each
//! with a duration. Everything else is refused by name.

use std::fmt;

use jiff::civil::Weekday;

use super::clock::DAY_MIN;
use super::span::{Span, SpanEnd};

/// Names of the days in RFC 5545, from Monday on.
const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const PARTS: &str = "a rule is FREQ=DAILY or FREQ=WEEKLY with BYDAY, BYHOUR and BYMINUTE";
/// Times on one day at the most.
const TIMES_MAX: usize = 48;

/// Spans of one length that begin at the same times on some weekdays.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recurrence {
    /// From Monday on.
    days: [bool; 7],
    /// Ascending, each once.
    hours: Vec<u16>,
    minutes: Vec<u16>,
    /// 1 to 1440: minutes that pass, not minutes by the clock.
    duration: u16,
}

impl Recurrence {
    /// Reads the value of an `RRULE`; what is wrong is said in words.
    pub(super) fn read(rule: &str, duration: u16) -> Result<Self, String> {
        let (mut freq, mut days, mut hours, mut minutes) = (None, None, None, None);
        for part in rule.strip_prefix("RRULE:").unwrap_or(rule).split(';') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is no NAME=VALUE; {PARTS}"))?;
            let is_new = match name {
                "FREQ" => freq.replace(read_freq(value)?).is_none(),
                "BYDAY" => days.replace(read_days(value)?).is_none(),
                "BYHOUR" => hours.replace(read_numbers(name, value, 23)?).is_none(),
                "BYMINUTE" => minutes.replace(read_numbers(name, value, 59)?).is_none(),
                _ => return Err(format!("{name} is not supported; {PARTS}")),
            };
            if !is_new {
                return Err(format!("{name} is given twice"));
            }
        }
        let days = match (freq.ok_or_else(|| format!("FREQ is missing; {PARTS}"))?, days) {
            (_, Some(days)) => days,
            (Freq::Daily, None) => [true; 7],
            (Freq::Weekly, None) => return Err("FREQ=WEEKLY needs BYDAY".into()),
        };
        let hours = hours.ok_or("BYHOUR is missing: the local hours at which spans begin")?;
        let minutes = minutes.unwrap_or_else(|| vec![0]);
        let times = hours.len() * minutes.len();
        if times > TIMES_MAX {
            return Err(format!("{times} spans a day, at most {TIMES_MAX} are allowed"));
        }
        Ok(Self { days, hours, minutes, duration })
    }

    /// The spans that begin on `day`.
    pub(super) fn of(&self, day: Weekday) -> impl Iterator<Item = Span> + '_ {
        let hours = if self.days[day.to_monday_zero_offset() as usize] {
            self.hours.as_slice()
        } else {
            &[]
        };
        hours.iter().flat_map(move |hour| {
            self.minutes.iter().map(move |minute| Span {
                start: hour * 60 + minute,
                end: SpanEnd::After(self.duration),
            })
        })
    }

    /// As [`read_duration`] reads it.
    pub(super) fn duration(&self) -> String {
        let (hours, minutes) = (self.duration / 60, self.duration % 60);
        match (hours, minutes) {
            (hours, 0) => format!("PT{hours}H"),
            (0, minutes) => format!("PT{minutes}M"),
            _ => format!("PT{hours}H{minutes}M"),
        }
    }
}

/// One text for each rule: the parts that [`Recurrence::read`] reads, in order.
impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |numbers: &[u16]| numbers.iter().map(u16::to_string).collect::<Vec<String>>().join(",");
        if self.days == [true; 7] {
            f.write_str("FREQ=DAILY")?;
        } else {
            let days: Vec<&str> =
                DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
            write!(f, "FREQ=WEEKLY;BYDAY={}", days.join(","))?;
        }
        write!(f, ";BYHOUR={};BYMINUTE={}", list(&self.hours), list(&self.minutes))
    }
}

enum Freq {
    Daily,
    Weekly,
}

fn read_freq(value: &str) -> Result<Freq, String> {
    match value {
        "DAILY" => Ok(Freq::Daily),
        "WEEKLY" => Ok(Freq::Weekly),
        _ => Err(format!("FREQ={value} is not supported; {PARTS}")),
    }
}

fn read_days(value: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for name in value.split(',') {
        let day = DAYS.iter().position(|known| *known == name).ok_or_else(|| {
            format!("BYDAY={name} is none of {} (without a number before it)", DAYS.join(", "))
        })?;
        days[day] = true;
    }
    Ok(days)
}

fn read_numbers(name: &str, value: &str, max: u16) -> Result<Vec<u16>, String> {
    // One or two digits: Rust would take a sign as well.
    let read = |text: &str| {
        let is_number = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok().filter(|number| *number <= max)).flatten()
    };
    let numbers: Option<Vec<u16>> = value.split(',').map(read).collect();
    let mut numbers = numbers.ok_or_else(|| {
        format!("{name}={value}: numbers from 0 to {max}, with commas, are needed")
    })?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Reads `PT10H`, `PT30M` or `PT8H30M` as minutes, 1 to a day's.
pub(super) fn read_duration(text: &str) -> Option<u16> {
    let time = text.strip_prefix("PT")?;
    let number = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok().filter(|n| *n <= DAY_MIN)).flatten()
    };
    let (hours, rest) = match time.split_once('H') {
        Some((hours, rest)) => (number(hours)?, rest),
        None => (0, time),
    };
    let minutes = match rest.strip_suffix('M') {
        Some(minutes) => number(minutes)?,
        None if rest.is_empty() && rest.len() < time.len() => 0,
        None => return None,
    };
    hours
        .checked_mul(60)
        .and_then(|hours| hours.checked_add(minutes))
        .filter(|all| (1..=DAY_MIN).contains(all))
}
