//! Which columns of a file are fields of a ping.

use super::error::FileError;
use crate::decode::fields::Field;

/// A column that is read: its index in the file and its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) index: usize,
    pub(super) field: Field,
}

/// Finds the fields of a ping among the column `names`, in file order;
/// columns of other names are ignored.
///
/// # Errors
/// When a required one is missing or two have the same meaning.
pub(super) fn find(file: &str, names: &[&str]) -> Result<Vec<Column>, FileError> {
    let mut columns: Vec<Column> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(field) = Field::named(name) else { continue };
        if let Some(first) = columns.iter().find(|column| meaning(column.field) == meaning(field)) {
            return Err(FileError::ColumnTwice {
                file: file.to_owned(),
                first: first.field.name(),
                second: field.name(),
            });
        }
        columns.push(Column { index, field });
    }
    let required = [
        (Field::VehicleId, "vehicle_id"),
        (Field::EventTime, "event_time (or event_time_ms, event_time_us)"),
        (Field::Lat, "lat"),
        (Field::Lon, "lon"),
    ];
    for (field, column) in required {
        if !columns.iter().any(|column| meaning(column.field) == field) {
            let found = listed(names);
            return Err(FileError::ColumnMissing { file: file.to_owned(), column, found });
        }
    }
    Ok(columns)
}

/// Columns of one meaning have the same field here.
fn meaning(field: Field) -> Field {
    match field {
        Field::EventTimeUs | Field::EventTimeMs => Field::EventTime,
        Field::ReceiveTimeUs | Field::ReceiveTimeMs => Field::ReceiveTime,
        other => other,
    }
}

/// Names for a message: what is no text file can have many and long ones.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 40;
    let mut list: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| name.chars().take(SHOWN).flat_map(char::escape_debug).collect())
        .collect();
    if names.len() > SHOWN {
        list.push(format!("and {} more", names.len() - SHOWN));
    }
    list.join(", ")
}
