//! Running a [`Query`] over the visible rows of one table.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};

use super::parse::{Aggregate, Condition, Operator, Query, Selected};
use super::{Answer, AnswerColumn, Scalar};
use crate::bigquery::schema::{Kind, Schema};
use crate::bigquery::table::Table;
use crate::bigquery::warehouse::{CatalogueError, Warehouse};

/// Running state of one aggregate.
struct Running {
    aggregate: What,
    count: i64,
    distinct: BTreeSet<Scalar>,
    found: Option<Scalar>,
}

/// An aggregate over columns by position.
enum What {
    Rows,
    Count(usize),
    Distinct(usize),
    Min(usize),
    Max(usize),
}

/// A condition whose value has the column's type.
struct Filter {
    column: usize,
    operator: Operator,
    value: Scalar,
}

pub(super) fn query(query: &Query, table: &Table) -> Result<Answer, CatalogueError> {
    let invalid = CatalogueError::Invalid;
    if table.is_view() {
        return Err(invalid("the stand-in does not run this query: it is over a view".to_owned()));
    }
    let schema = &table.schema;
    check_partition_filter(query, table).map_err(invalid)?;
    let filters = query.conditions.iter().map(|condition| filter(condition, schema));
    let filters: Vec<Filter> = filters.collect::<Result<_, _>>().map_err(invalid)?;
    let mut finding = Finding::of(&query.selected, schema).map_err(invalid)?;
    Warehouse::scan(table, |batch| {
        for row in 0..batch.num_rows() {
            if filters.iter().all(|filter| filter.takes(&batch, schema, row)) {
                finding.see(&batch, schema, row);
            }
        }
    })
    .map_err(|error| invalid(format!("the stand-in cannot read its rows back: {error}")))?;
    Ok(finding.answer(schema))
}

/// What is found on the way through a table.
enum Finding {
    Aggregates(Vec<(Running, String)>),
    Rows { columns: Vec<(usize, String)>, rows: Vec<Vec<Option<String>>> },
}

impl Finding {
    fn of(selected: &Selected, schema: &Schema) -> Result<Self, String> {
        match selected {
            Selected::Aggregates(aggregates) => {
                let running = aggregates.iter().enumerate().map(|(index, (aggregate, name))| {
                    let name = name.clone().unwrap_or_else(|| format!("f{index}_"));
                    Ok((start(aggregate, schema)?, name))
                });
                Ok(Self::Aggregates(running.collect::<Result<_, String>>()?))
            }
            Selected::Columns(columns) => {
                let columns = columns.iter().map(|(column, name)| {
                    Ok((selectable(column, schema)?, name.as_ref().unwrap_or(column).clone()))
                });
                let columns = columns.collect::<Result<_, String>>()?;
                Ok(Self::Rows { columns, rows: Vec::new() })
            }
        }
    }

    fn see(&mut self, batch: &RecordBatch, schema: &Schema, row: usize) {
        match self {
            Self::Aggregates(running) => {
                running.iter_mut().for_each(|(running, _)| running.see(batch, schema, row));
            }
            Self::Rows { columns, rows } => {
                let value = |(column, _): &(usize, String)| {
                    let value = scalar(batch, schema, *column, row)?;
                    Some(told(&value, schema.columns[*column].kind))
                };
                rows.push(columns.iter().map(value).collect());
            }
        }
    }

    fn answer(self, schema: &Schema) -> Answer {
        match self {
            Self::Aggregates(running) => {
                let found = running.into_iter().map(|(running, name)| running.column(name, schema));
                let (columns, row) = found.unzip();
                Answer { columns, rows: vec![row] }
            }
            Self::Rows { columns, rows } => {
                let columns = columns.into_iter().map(|(column, name)| AnswerColumn {
                    name,
                    rest_type: schema.columns[column].kind.rest_name(),
                });
                Answer { columns: columns.collect(), rows }
            }
        }
    }
}

fn check_partition_filter(query: &Query, table: &Table) -> Result<(), String> {
    let Some(column) = table.required_filter() else { return Ok(()) };
    match query.conditions.iter().any(|c| c.column.eq_ignore_ascii_case(column)) {
        true => Ok(()),
        false => Err(format!(
            "Cannot query over table '{}' without a filter over column(s) '{column}' that can be \
             used for partition elimination",
            query.table
        )),
    }
}

/// A column that is compared or aggregated.
fn position(name: &str, schema: &Schema) -> Result<usize, String> {
    let index = selectable(name, schema)?;
    match schema.columns[index].kind {
        Kind::Float | Kind::Geography => Err(not_of(name, schema.columns[index].kind)),
        _ => Ok(index),
    }
}

/// A column that is selected.
fn selectable(name: &str, schema: &Schema) -> Result<usize, String> {
    let index = schema.position(name).ok_or_else(|| format!("Unrecognized name: {name}"))?;
    match schema.columns[index].kind {
        Kind::Text
        | Kind::Integer
        | Kind::Float
        | Kind::Boolean
        | Kind::Date
        | Kind::Timestamp
        | Kind::Geography => Ok(index),
        kind => Err(not_of(name, kind)),
    }
}

fn not_of(name: &str, kind: Kind) -> String {
    format!("the stand-in does not run this query: {name} is {}", kind.rest_name())
}

fn start(aggregate: &Aggregate, schema: &Schema) -> Result<Running, String> {
    let aggregate = match aggregate {
        Aggregate::CountRows => What::Rows,
        Aggregate::Count(name) => What::Count(position(name, schema)?),
        Aggregate::CountDistinct(name) => What::Distinct(position(name, schema)?),
        Aggregate::Min(name) => What::Min(position(name, schema)?),
        Aggregate::Max(name) => What::Max(position(name, schema)?),
    };
    Ok(Running { aggregate, count: 0, distinct: BTreeSet::new(), found: None })
}

fn filter(condition: &Condition, schema: &Schema) -> Result<Filter, String> {
    let column = position(&condition.column, schema)?;
    let value = typed(&condition.value, schema.columns[column].kind).ok_or_else(|| {
        format!(
            "the stand-in does not run this query: {} is {} and is compared with {:?}",
            condition.column,
            schema.columns[column].kind.rest_name(),
            condition.value
        )
    })?;
    Ok(Filter { column, operator: condition.operator, value })
}

/// The value as the column's values are read by [`scalar`].
fn typed(value: &Scalar, kind: Kind) -> Option<Scalar> {
    match (kind, value) {
        (Kind::Text, Scalar::Text(_)) | (Kind::Integer | Kind::Timestamp, Scalar::Integer(_)) => {
            Some(value.clone())
        }
        (Kind::Integer, Scalar::Text(text)) => text.parse().ok().map(Scalar::Integer),
        (Kind::Boolean, Scalar::Text(text)) => {
            text.parse::<bool>().ok().map(|flag| Scalar::Integer(flag.into()))
        }
        (Kind::Timestamp, Scalar::Text(text)) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            Some(Scalar::Integer(time.as_microsecond()))
        }
        (Kind::Date, Scalar::Text(text)) => days(text).map(Scalar::Integer),
        _ => None,
    }
}

impl Filter {
    fn takes(&self, batch: &RecordBatch, schema: &Schema, row: usize) -> bool {
        let Some(value) = scalar(batch, schema, self.column, row) else { return false };
        match self.operator {
            Operator::Equal => value == self.value,
            Operator::NotEqual => value != self.value,
            Operator::Less => value < self.value,
            Operator::LessOrEqual => value <= self.value,
            Operator::Greater => value > self.value,
            Operator::GreaterOrEqual => value >= self.value,
        }
    }
}

impl Running {
    fn see(&mut self, batch: &RecordBatch, schema: &Schema, row: usize) {
        let value = |column| scalar(batch, schema, column, row);
        match self.aggregate {
            What::Rows => self.count += 1,
            What::Count(column) => self.count += i64::from(value(column).is_some()),
            What::Distinct(column) => self.distinct.extend(value(column)),
            What::Min(column) => {
                self.found = self.found.take().into_iter().chain(value(column)).min()
            }
            What::Max(column) => {
                self.found = self.found.take().into_iter().chain(value(column)).max()
            }
        }
    }

    fn column(self, name: String, schema: &Schema) -> (AnswerColumn, Option<String>) {
        let integer = Kind::Integer.rest_name();
        let (rest_type, value) = match self.aggregate {
            What::Rows | What::Count(_) => (integer, Some(self.count.to_string())),
            What::Distinct(_) => (integer, Some(self.distinct.len().to_string())),
            What::Min(column) | What::Max(column) => {
                let kind = schema.columns[column].kind;
                (kind.rest_name(), self.found.map(|value| told(&value, kind)))
            }
        };
        (AnswerColumn { name, rest_type }, value)
    }
}

/// A row's value; booleans are 0 and 1, dates are days.
fn scalar(batch: &RecordBatch, schema: &Schema, column: usize, row: usize) -> Option<Scalar> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    Some(match schema.columns[column].kind {
        Kind::Boolean => Scalar::Integer(array.as_boolean().value(row).into()),
        Kind::Integer => Scalar::Integer(array.as_primitive::<Int64Type>().value(row)),
        Kind::Date => Scalar::Integer(array.as_primitive::<Date32Type>().value(row).into()),
        Kind::Timestamp => {
            Scalar::Integer(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        Kind::Float => {
            Scalar::Text(format!("{:?}", array.as_primitive::<Float64Type>().value(row)))
        }
        // Only these kinds pass `selectable`; the last of them are texts.
        _ => Scalar::Text(array.as_string::<i32>().value(row).to_owned()),
    })
}

fn told(value: &Scalar, kind: Kind) -> String {
    match (value, kind) {
        (Scalar::Integer(flag), Kind::Boolean) => (*flag != 0).to_string(),
        (Scalar::Integer(days), Kind::Date) => date(*days),
        (Scalar::Integer(number), _) => number.to_string(),
        (Scalar::Text(text), _) => text.clone(),
    }
}

/// Days since the Unix epoch of `yyyy-mm-dd`, by the proleptic Gregorian
/// calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The inverse of [`days`].
fn date(days: i64) -> String {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_and_back() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2026-11-20", 20_777),
            ("1969-12-31", -1),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(days(text), Some(expected), "{text}");
            assert_eq!(date(expected), text);
        }
        for text in ["", "2026", "2026-13-01", "2026-01-32", "x-y-z"] {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
