//! Which columns of a file are fields of a ping.

use tracing::warn;

use super::error::FileError;
use crate::config::nearest;
use crate::decode::fields::Field;

/// A column that is read: its index in the file and its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) index: usize,
    pub(super) field: Field,
}

/// Finds the fields of a ping among the column `names`, in file order;
/// columns of other names are ignored, with a [warning](warn_of_misnamed) of
/// those that were hardly meant to be.
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
    warn_of_misnamed(file, names);
    Ok(columns)
}

/// Says which of the columns or keys `names` are not read and nearly have the
/// name of an optional field that is missing among them.
pub(super) fn warn_of_misnamed(file: &str, names: &[&str]) {
    for (column, meant) in misnamed(names) {
        let (name, holds) = (meant.name(), meant.unit().unwrap_or(meant.kind().expected()));
        let column: String = column.chars().take(NAME_CHARS_MAX).collect();
        warn!(file, "column {column:?} is not read: one named {name} would be ({holds})");
    }
}

/// Names that stand for no field, each with the one that it nearly is.
fn misnamed<'a>(names: &[&'a str]) -> Vec<(&'a str, Field)> {
    let found: Vec<Field> =
        names.iter().filter_map(|name| Field::named(name)).map(meaning).collect();
    let missing: Vec<Field> =
        Field::ALL.into_iter().filter(|&field| !found.contains(&meaning(field))).collect();
    let unknown = names.iter().filter(|name| Field::named(name).is_none());
    unknown.filter_map(|&name| Some((name, meant_by(name, &missing)?))).collect()
}

/// Which of the fields `missing` is meant by `name`: the one whose name it has
/// but for its unit, or but for a few letters.
fn meant_by(name: &str, missing: &[Field]) -> Option<Field> {
    if name.len() > NAME_CHARS_MAX {
        return None;
    }
    let lowered = name.to_lowercase();
    let without_unit = missing.iter().copied().find(|&it| quantity(it) == Some(&lowered));
    let near = || nearest(name, missing.iter().map(|field| field.name())).and_then(Field::named);
    without_unit.or_else(near)
}

/// What a field that is measured is called without its unit.
fn quantity(field: Field) -> Option<&'static str> {
    field.unit()?;
    let (first, last) = field.name().split_once('_')?;
    Some(if field == Field::EngineRpm { last } else { first })
}

/// Columns of one meaning have the same field here.
fn meaning(field: Field) -> Field {
    match field {
        Field::EventTimeUs | Field::EventTimeMs => Field::EventTime,
        Field::ReceiveTimeUs | Field::ReceiveTimeMs => Field::ReceiveTime,
        other => other,
    }
}

/// Characters of a name that a message shows. What is no text file can have
/// long ones.
const NAME_CHARS_MAX: usize = 40;

/// Names for a message: what is no text file can have many.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 40;
    let mut list: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| name.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect())
        .collect();
    if names.len() > SHOWN {
        list.push(format!("and {} more", names.len() - SHOWN));
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const REQUIRED: [&str; 4] = ["vehicle_id", "event_time", "lat", "lon"];

    #[rstest]
    #[case("accuracy", Some("accuracy_m"))]
    #[case("Accuracy", Some("accuracy_m"))]
    #[case("accuracy_meters", Some("accuracy_m"))]
    #[case("speed", Some("speed_mps"))]
    #[case("speed_kmh", Some("speed_mps"))]
    #[case("speedMps", Some("speed_mps"))]
    #[case("heading", Some("heading_deg"))]
    #[case("altitude_ft", Some("altitude_m"))]
    #[case("rpm", Some("engine_rpm"))]
    #[case("ignitoin", Some("ignition"))]
    #[case("recieve_time", Some("receive_time"))]
    #[case("latitude", None)]
    #[case("speed_limit", None)]
    #[case("battery_voltage", None)]
    #[case("fuel_type", None)]
    #[case("heading_accuracy", None)]
    #[case("route", None)]
    #[case("stop_id", None)]
    #[case("id", None)]
    #[case("x", None)]
    #[case("", None)]
    fn a_column_that_is_nearly_named_right(#[case] name: &str, #[case] meant: Option<&str>) {
        let names: Vec<&str> = REQUIRED.into_iter().chain([name]).collect();
        let found: Vec<_> = misnamed(&names).into_iter().map(|(n, f)| (n, f.name())).collect();
        assert_eq!(found, meant.map(|meant| (name, meant)).into_iter().collect::<Vec<_>>());
    }

    /// Beside the column that is read, another of nearly its name is none that was meant.
    #[test]
    fn a_column_beside_the_one_that_is_read_is_not_told() {
        for (name, read) in [("speed", "speed_mps"), ("receive_tim", "receive_time_ms")] {
            let names: Vec<&str> = REQUIRED.into_iter().chain([name, read]).collect();
            assert_eq!(misnamed(&names), [], "{name}");
        }
        assert_eq!(misnamed(&[&REQUIRED[..], &["event_time_s", "lat2"]].concat()), []);
    }

    #[test]
    fn what_is_measured_has_a_unit() {
        let quantities: Vec<_> = Field::ALL.into_iter().filter_map(quantity).collect();
        let expected =
            ["altitude", "accuracy", "speed", "heading", "odometer", "rpm", "fuel", "battery"];
        assert_eq!(quantities, expected);
    }
}
