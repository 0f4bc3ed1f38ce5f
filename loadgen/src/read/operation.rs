//! One operation on an event, whole: the columns that every table of events has
//! and every line of events, whatever they are read from.

use std::collections::HashMap;
use std::fmt;

use anyhow::Context as _;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::content::Difference;
use crate::truth::{Names, vehicle_number};

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Time,
    Number,
    Integer,
    Flag,
}

/// The columns, in the order of [`Operation`]'s cells.
pub(super) const COLUMNS: [(&str, Type); 33] = [
    ("event_id", Type::Text),
    ("op", Type::Text),
    ("revision", Type::Integer),
    ("kind", Type::Text),
    ("vehicle_id", Type::Text),
    ("fence_id", Type::Text),
    ("fence_version", Type::Integer),
    ("visit_id", Type::Text),
    ("episode_id", Type::Text),
    ("event_time", Type::Time),
    ("not_before", Type::Time),
    ("not_after", Type::Time),
    ("observed_at", Type::Time),
    ("lat", Type::Number),
    ("lon", Type::Number),
    ("distance_m", Type::Number),
    ("accuracy_m", Type::Number),
    ("confidence", Type::Number),
    ("reason", Type::Text),
    ("late", Type::Flag),
    ("replaces", Type::Text),
    ("schema_version", Type::Integer),
    ("enter_time", Type::Time),
    ("duration_s", Type::Number),
    ("certain_s", Type::Number),
    ("possible_s", Type::Number),
    ("max_gap_s", Type::Number),
    ("pings", Type::Integer),
    ("out_time", Type::Time),
    ("inside_m", Type::Number),
    ("threshold_s", Type::Number),
    ("silence_s", Type::Number),
    ("source", Type::Text),
];

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    /// Microseconds since the epoch.
    Time(i64),
    Number(f64),
    Integer(i64),
    Flag(bool),
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    cells: Vec<Option<Cell>>,
}

/// Which operation on which event: its id and its revision.
pub(super) type Key = (u128, i64);

impl Operation {
    /// From the value of each of [`COLUMNS`].
    pub(super) fn new(cells: Vec<Option<Cell>>) -> Self {
        debug_assert_eq!(cells.len(), COLUMNS.len());
        Self { cells }
    }

    /// From a line of JSON, as the target tells an event.
    ///
    /// # Errors
    /// It is none, or has a value of another type, by its name.
    pub(super) fn from_json(json: &[u8]) -> anyhow::Result<Self> {
        let line: HashMap<String, Value> = serde_json::from_slice(json)?;
        let cell = |(name, of): (&str, Type)| {
            let value = line.get(name);
            value.map(|value| of.read_json(value).context(name.to_owned())).transpose()
        };
        Ok(Self::new(COLUMNS.into_iter().map(cell).collect::<anyhow::Result<_>>()?))
    }

    /// `None` of what says no revision, as events that are folded, or no id.
    pub(super) fn key(&self) -> Option<Key> {
        let Some(Cell::Text(id)) = self.cell("event_id") else { return None };
        Some((u128::from_str_radix(id, 16).ok()?, self.integer("revision")?))
    }

    /// Whether it is of a vehicle of the run, and not of an earlier run with the
    /// same vehicles.
    pub(super) fn is_of(&self, names: &Names) -> bool {
        let Some(Cell::Text(vehicle)) = self.cell("vehicle_id") else { return false };
        let since_us = names.received_from_ms() * 1000;
        let decided_us = self.time_us("observed_at").or_else(|| self.time_us("event_time"));
        vehicle_number(&names.prefix, vehicle).is_some()
            && decided_us.is_some_and(|us| us >= since_us)
    }

    /// The value of one of [`COLUMNS`].
    pub(super) fn cell(&self, name: &str) -> Option<&Cell> {
        let column = COLUMNS.iter().position(|(column, _)| *column == name)?;
        self.cells[column].as_ref()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.cell(name) {
            Some(Cell::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.cell(name) {
            Some(Cell::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn time_us(&self, name: &str) -> Option<i64> {
        match self.cell(name) {
            Some(Cell::Time(us)) => Some(*us),
            _ => None,
        }
    }

    /// The number that stands for it.
    pub(super) fn print(&self) -> u64 {
        let mut bytes = Vec::with_capacity(512);
        for cell in &self.cells {
            match cell {
                None => bytes.push(0),
                Some(Cell::Text(text)) => {
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
                Some(Cell::Time(value) | Cell::Integer(value)) => {
                    bytes.push(2);
                    bytes.extend(value.to_le_bytes());
                }
                Some(Cell::Number(number)) => {
                    bytes.push(3);
                    // Zero is zero, whatever its sign.
                    bytes.extend((number + 0.0).to_bits().to_le_bytes());
                }
                Some(Cell::Flag(flag)) => bytes.push(4 + u8::from(*flag)),
            }
        }
        xxh3_64(&bytes)
    }

    /// What `found` has otherwise.
    pub(super) fn differences(&self, found: &Self) -> Vec<Difference> {
        let both = COLUMNS.into_iter().zip(self.cells.iter().zip(&found.cells));
        both.filter_map(|((name, _), (due, found))| {
            Difference::between(name, due.as_ref(), found.as_ref())
        })
        .collect()
    }
}

impl Type {
    fn read_json(self, value: &Value) -> anyhow::Result<Cell> {
        let cell = match self {
            Self::Text => value.as_str().map(|text| Cell::Text(text.to_owned())),
            Self::Time => {
                let time = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
                time.map(|time| Cell::Time(time.as_microsecond()))
            }
            Self::Number => value.as_f64().map(Cell::Number),
            Self::Integer => value.as_i64().map(Cell::Integer),
            Self::Flag => value.as_bool().map(Cell::Flag),
        };
        cell.with_context(|| format!("{value} is no {self:?}"))
    }

    /// From text as BigQuery tells it; `None` if it is of another type.
    pub(super) fn read_text(self, text: &str) -> Option<Cell> {
        Some(match self {
            Self::Text => Cell::Text(text.to_owned()),
            Self::Time => Cell::Time(text.parse().ok()?),
            Self::Number => Cell::Number(text.parse().ok()?),
            Self::Integer => Cell::Integer(text.parse().ok()?),
            Self::Flag => Cell::Flag(text.parse().ok()?),
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Time(us) => match jiff::Timestamp::from_microsecond(*us) {
                Ok(time) => time.fmt(f),
                Err(_) => write!(f, "{us} µs since the epoch"),
            },
            Self::Number(number) => number.fmt(f),
            Self::Integer(integer) => integer.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use protos::event_json::{Rendering, push_event};
    use protos::events::fleet_event::Detail;
    use protos::events::{FleetEvent, GeofenceVisit, Id, Op, Reason};

    use super::*;

    /// An event with something in every column that a visit has.
    pub(in crate::read) fn visit() -> FleetEvent {
        FleetEvent {
            event_id: Id::new(17 << 70),
            op: Op::Amend.into(),
            revision: 12,
            vehicle_id: "a-v0000042".into(),
            fence_id: "depot".into(),
            fence_version: 1,
            visit_id: Id::new(u128::MAX),
            event_time_ms: 1_767_592_805_000,
            not_before_ms: 1_767_592_804_000,
            not_after_ms: 1_767_592_806_000,
            observed_at_ms: 1_767_592_806_100,
            lat: Some(48.123_456_7),
            lon: Some(11.5),
            distance_m: Some(-1.25),
            accuracy_m: Some(5.0),
            confidence: Some(0.1),
            reason: Reason::Crossed.into(),
            late: true,
            schema_version: 1,
            detail: Some(Detail::GeofenceVisit(GeofenceVisit {
                enter_time_ms: 1_767_592_801_000,
                duration_s: 4.0,
                certain_s: 3.0,
                possible_s: 5.5,
                max_gap_s: 1.0,
                pings: 4,
            })),
            ..FleetEvent::default()
        }
    }

    pub(in crate::read) fn line(event: &FleetEvent, rendering: Rendering) -> Vec<u8> {
        let mut json = Vec::new();
        push_event(&mut json, event, rendering);
        json
    }

    #[test]
    fn every_column_of_a_line_is_read() {
        let operation = Operation::from_json(&line(&visit(), Rendering::Full)).unwrap();
        assert_eq!(operation.key(), Some((17 << 70, 12)));
        let absent: Vec<&str> = COLUMNS
            .into_iter()
            .filter(|(name, _)| operation.cell(name).is_none())
            .map(|(name, _)| name)
            .collect();
        let of_others = [
            "episode_id",
            "replaces",
            "out_time",
            "inside_m",
            "threshold_s",
            "silence_s",
            "source",
        ];
        assert_eq!(absent, of_others);
        // Folded events have no revision.
        let folded = Operation::from_json(&line(&visit(), Rendering::Folded)).unwrap();
        assert_eq!(folded.key(), None);
        let error = Operation::from_json(b"{\"lat\":\"north\"}").unwrap_err();
        assert_eq!(format!("{error:#}"), "lat: \"north\" is no Number");
    }

    #[test]
    fn every_column_counts() {
        let whole = Operation::from_json(&line(&visit(), Rendering::Full)).unwrap();
        for (index, (name, of)) in COLUMNS.into_iter().enumerate() {
            let mut other = whole.clone();
            other.cells[index] = match whole.cells[index] {
                Some(_) => None,
                None => of.read_text("1"),
            };
            assert_ne!(other.print(), whole.print(), "{name}");
            let told = whole.differences(&other);
            assert_eq!(told.iter().map(|it| it.column).collect::<Vec<_>>(), [name]);
        }
        let mut later = whole.clone();
        later.cells[9] = Some(Cell::Time(1_767_592_805_000_001));
        assert_eq!(
            whole.differences(&later)[0].to_string(),
            "event_time must be 2026-01-05T06:00:05Z and is 2026-01-05T06:00:05.000001Z"
        );
    }

    #[test]
    fn an_operation_is_of_its_run_alone() {
        let names = |start_ms: i64, prefix: &str| Names { start_ms, prefix: prefix.to_owned() };
        let operation = Operation::from_json(&line(&visit(), Rendering::Full)).unwrap();
        assert!(operation.is_of(&names(1_767_592_800_000, "a-")));
        assert!(!operation.is_of(&names(1_767_592_800_000, "b-")));
        // An hour later the same vehicles are sent again.
        assert!(!operation.is_of(&names(1_767_596_400_000, "a-")));
        let of_a_source = FleetEvent { vehicle_id: "".into(), ..visit() };
        let operation = Operation::from_json(&line(&of_a_source, Rendering::Full)).unwrap();
        assert!(!operation.is_of(&names(1_767_592_800_000, "")));
    }
}
