//! Writing a schedule as JSON: one text for all that mean the same by rule.

use serde_json::{Map, Value, json};

use super::span::Span;
use super::week::write_days;
use super::{Rule, Schedule};

impl Schedule {
    /// The schedule as [`Schedule::read`] reads it back: zones as the database
    /// spells them, days in a row joined, spans in order, members by name.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let hours = &self.hours;
        let mut members = Map::new();
        members.insert("zone".into(), json!(hours.zone.name()));
        match &hours.rule {
            Rule::Week(week) => {
                let days = week.runs().into_iter();
                let days = days.map(|run| (write_days(run), write_spans(&week.0[run.0])));
                members.insert("week".into(), Value::Object(days.collect()));
            }
            Rule::Recurrence(rule) => {
                members.insert("rrule".into(), json!(rule.to_string()));
                members.insert("duration".into(), json!(rule.duration()));
            }
        }
        if !hours.exceptions.is_empty() {
            let dates = hours.exceptions.iter();
            let dates = dates.map(|(date, spans)| (date.to_string(), write_spans(spans)));
            members.insert("exceptions".into(), Value::Object(dates.collect()));
        }
        let mut schedule = Value::Object(members);
        schedule.sort_all_objects();
        schedule
    }
}

fn write_spans(spans: &[Span]) -> Value {
    spans.iter().map(Span::to_string).collect()
}
