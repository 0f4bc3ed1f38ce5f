//! The table of events beside an archive in BigQuery.

use anyhow::Context as _;

use super::{Row, Rows, TABLE, days_since_epoch};
use crate::read::operation::{COLUMNS, Operation, Type};
use crate::read::told::{Beside, EventRow, EventRows, Told};

/// The table of events if the archive's has its usual name.
const EVENTS: &str = "events";
/// What is read of a row beside [`COLUMNS`], after those.
const BESIDE: [&str; 4] = ["location", "shard", "journal_seq", "day"];

impl Rows {
    /// Whether it is known where events are: a dataset was named, not a table.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.table.name.table == TABLE
    }

    /// Holds the events of the run's vehicles against what came; `had_gaps` says
    /// whether some may have been missed.
    ///
    /// # Errors
    /// As [`Rows::count`]; a row that lacks what every row has.
    pub async fn compare_events(&self, told: &Told, had_gaps: bool) -> anyhow::Result<EventRows> {
        let mut comparison = told.held_against();
        let columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).chain(BESIDE).collect();
        self.query(EVENTS, &columns.join(", "), "", |row| {
            comparison.take(row.event().context("an event's row with gaps")?);
            Ok(())
        })
        .await?;
        comparison.finish(had_gaps)
    }
}

impl Row {
    /// A row of [`COLUMNS`] and [`BESIDE`]; `None` if it lacks what every row has.
    fn event(&self) -> Option<EventRow> {
        let cell = |((_, of), column): ((&str, Type), usize)| match self.text(column) {
            None => Some(None),
            Some(text) => of.read_text(text).map(Some),
        };
        let cells = COLUMNS.into_iter().zip(0..).map(cell).collect::<Option<_>>()?;
        let first = COLUMNS.len();
        let beside = Beside {
            location: self.text(first),
            shard: self.parsed(first + 1)?,
            journal_seq: self.parsed(first + 2)?,
            day: days_since_epoch(self.parsed(first + 3)?),
        };
        Some(EventRow::new(Operation::new(cells), beside))
    }
}

#[cfg(test)]
mod tests {
    use protos::event_json::Rendering;

    use super::super::Cell;
    use super::*;
    use crate::read::operation;
    use crate::read::operation::tests::{line, visit};
    use crate::truth::Names;

    /// The visit's row as REST tells it.
    fn cells() -> Vec<Option<String>> {
        let operation = Operation::from_json(&line(&visit(), Rendering::Full)).unwrap();
        let text = |cell: &operation::Cell| match cell {
            operation::Cell::Time(us) => us.to_string(),
            other => other.to_string(),
        };
        let cells = COLUMNS.iter().map(|(name, _)| operation.cell(name).map(text));
        let beside = ["POINT(11.5 48.1234567)", "0", "12", "2026-01-05"];
        cells.chain(beside.map(|text| Some(text.to_owned()))).collect()
    }

    fn compared(cells: Vec<Option<String>>) -> EventRows {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("operations.ndjson");
        std::fs::write(&path, line(&visit(), Rendering::Full)).unwrap();
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        let told = Told::read(&path, &names).unwrap().unwrap();
        let mut comparison = told.held_against();
        let row = Row { f: cells.into_iter().map(|v| Cell { v }).collect() };
        comparison.take(row.event().unwrap());
        comparison.finish(false).unwrap()
    }

    #[test]
    fn every_column_of_an_event_is_read_and_told_when_it_is_another() {
        assert_eq!(compared(cells()), EventRows { rows: 1, ..EventRows::default() });
        // By the key an operation is found, by the vehicle the run.
        let key = ["event_id", "revision", "vehicle_id"];
        let columns = COLUMNS.iter().map(|(name, _)| *name).chain(BESIDE);
        for (column, name) in columns.enumerate().filter(|(_, name)| !key.contains(name)) {
            let mut changed = cells();
            changed[column] = match changed[column].as_deref() {
                Some("true") => Some("false".into()),
                Some(text) if text.parse::<f64>().is_ok() => Some(format!("{text}1")),
                Some("2026-01-05") => Some("2026-01-06".into()),
                Some(text) => Some(format!("{text}x")),
                None => Some("1".into()),
            };
            if name == "shard" {
                continue;
            }
            let found = compared(changed);
            assert_eq!((found.altered, found.missing), (1, 0), "{name}");
            assert!(found.examples[0].contains(&format!("{name} must be ")), "{found:?}");
        }
    }
}
