//! Reading a schedule from JSON.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::recurrence::{Recurrence, read_duration};
use super::span::{Span, in_order};
use super::week::{Week, read_days, write_days};
use super::zone::Zone;
use super::{Hours, Rule, Schedule, ScheduleError};

/// Dates that one schedule may except.
const EXCEPTIONS_MAX: usize = 1_000;
/// Spans that may begin on one day.
const SPANS_MAX: usize = 48;

const MEMBERS: [&str; 5] = ["zone", "week", "rrule", "duration", "exceptions"];

impl Schedule {
    /// Reads a schedule as a feature's property `schedule` holds it:
    ///
    /// ```
    /// let value = serde_json::json!({
    ///     "zone": "Europe/Berlin",
    ///     "week": {"mon-fri": ["08:00-18:00"], "sat": ["22:00-06:00"]},
    ///     "exceptions": {"2026-12-24": ["08:00-12:00"], "2026-12-25": []},
    /// });
    /// let schedule = geofence::Schedule::read(&value)?;
    /// // Tuesday 24 March 2026, 07:00Z: eight o'clock in Berlin.
    /// assert!(schedule.is_open(geofence::TimeMs(1_774_335_600_000)));
    /// # Ok::<(), geofence::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn read(value: &Value) -> Result<Self, ScheduleError> {
        let at = "schedule";
        let members = value.as_object().ok_or_else(|| {
            ScheduleError::at(at, "an object with `zone` and `week` or `rrule` is needed")
        })?;
        if let Some(other) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let problem = format!("unknown; a schedule has {}", MEMBERS.join(", "));
            return Err(ScheduleError::at(format!("{at}.{other}"), problem));
        }
        let zone = text(members, "zone")?.ok_or_else(|| {
            ScheduleError::at("schedule.zone", "missing: a time zone such as \"Europe/Berlin\"")
        })?;
        let zone =
            Zone::find(zone).map_err(|problem| ScheduleError::at("schedule.zone", problem))?;
        let exceptions = read_exceptions(members)?;
        let rule = read_rule(members)?;
        let is_never = matches!(&rule, Rule::Week(week) if week.is_empty());
        if is_never && exceptions.values().all(Vec::is_empty) {
            return Err(ScheduleError::at(at, "it never opens: name at least one span"));
        }
        Ok(Self::new(Hours { zone, rule, exceptions }))
    }
}

fn read_rule(members: &Map<String, Value>) -> Result<Rule, ScheduleError> {
    let duration = text(members, "duration")?;
    match (given(members, "week"), text(members, "rrule")?) {
        (Some(_), Some(_)) => Err(ScheduleError::at(
            "schedule",
            "`week` and `rrule` are given: one of them is needed",
        )),
        (None, None) => Err(ScheduleError::at(
            "schedule",
            "`week` or `rrule` is missing: one of them is needed",
        )),
        (Some(_), None) if duration.is_some() => {
            Err(ScheduleError::at("schedule.duration", "goes with `rrule` only"))
        }
        (Some(week), None) => read_week(week).map(Rule::Week),
        (None, Some(rule)) => {
            let minutes = duration.and_then(read_duration).ok_or_else(|| {
                let found = duration.map_or("missing".into(), |text| format!("{text:?}"));
                let problem =
                    format!("{found}: \"PT1M\" to \"PT24H\" is needed, such as \"PT8H30M\"");
                ScheduleError::at("schedule.duration", problem)
            })?;
            Recurrence::read(rule, minutes)
                .map(Rule::Recurrence)
                .map_err(|problem| ScheduleError::at("schedule.rrule", problem))
        }
    }
}

fn read_week(week: &Value) -> Result<Week, ScheduleError> {
    let at = "schedule.week";
    let days = week
        .as_object()
        .ok_or_else(|| ScheduleError::at(at, "an object from days to lists of spans is needed"))?;
    let mut read = Week::default();
    let mut named = [false; 7];
    for (name, spans) in days {
        let at = format!("{at}.{name}");
        let (first, last) = read_days(name).ok_or_else(|| {
            let problem = "no day: mon, tue, wed, thu, fri, sat, sun, or days in a row such as \
                           mon-fri, are needed";
            ScheduleError::at(&at, problem)
        })?;
        let spans = read_spans(&at, spans)?;
        let days = read.0.iter_mut().zip(&mut named).enumerate();
        for (day, (of_day, named)) in days.take(last + 1).skip(first) {
            if std::mem::replace(named, true) {
                let problem = format!("{} is given twice", write_days((day, day)));
                return Err(ScheduleError::at(at, problem));
            }
            of_day.clone_from(&spans);
        }
    }
    Ok(read)
}

fn read_exceptions(
    members: &Map<String, Value>,
) -> Result<BTreeMap<Date, Vec<Span>>, ScheduleError> {
    let at = "schedule.exceptions";
    let Some(value) = given(members, "exceptions") else {
        return Ok(BTreeMap::new());
    };
    let dates = value
        .as_object()
        .ok_or_else(|| ScheduleError::at(at, "an object from dates to lists of spans is needed"))?;
    if dates.len() > EXCEPTIONS_MAX {
        let problem = format!("{} dates, at most {EXCEPTIONS_MAX} are allowed", dates.len());
        return Err(ScheduleError::at(at, problem));
    }
    let read = |(name, spans): (&String, &Value)| {
        let at = format!("{at}.{name}");
        let date = name.parse::<Date>().ok().filter(|date| date.to_string() == *name);
        let date = date
            .ok_or_else(|| ScheduleError::at(&at, "no date: one such as 2026-12-24 is needed"))?;
        Ok((date, read_spans(&at, spans)?))
    };
    dates.iter().map(read).collect()
}

fn read_spans(at: &str, value: &Value) -> Result<Vec<Span>, ScheduleError> {
    let wrong = || ScheduleError::at(at, "a list of spans such as [\"08:00-18:00\"] is needed");
    let list = value.as_array().ok_or_else(wrong)?;
    if list.len() > SPANS_MAX {
        let problem = format!("{} spans, at most {SPANS_MAX} are allowed", list.len());
        return Err(ScheduleError::at(at, problem));
    }
    let read = |item: &Value| {
        let text = item.as_str().ok_or_else(wrong)?;
        Span::read(text).map_err(|problem| ScheduleError::at(at, problem))
    };
    list.iter().map(read).collect::<Result<_, _>>().map(in_order)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ScheduleError> {
    match given(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let problem = format!("{other}: text is needed");
            Err(ScheduleError::at(format!("schedule.{name}"), problem))
        }
    }
}

/// A member that is there and not null.
fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}
