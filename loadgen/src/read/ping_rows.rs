//! Rows of a Parquet file of pings, column by column.

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray, PrimitiveArray, RecordBatch, StringArray};

use super::archived::{Archived, SENT, UNSENT};
use super::derived::Derived;
use crate::content::{Content, Difference};

/// Some rows.
pub(super) struct PingRows<'b> {
    vehicles: &'b StringArray,
    seqs: &'b PrimitiveArray<Int64Type>,
    received: &'b PrimitiveArray<TimestampMicrosecondType>,
    dispositions: &'b StringArray,
    taken: &'b PrimitiveArray<TimestampMicrosecondType>,
    lats: &'b PrimitiveArray<Float64Type>,
    lons: &'b PrimitiveArray<Float64Type>,
    accuracies: &'b PrimitiveArray<Float64Type>,
    speeds: &'b PrimitiveArray<Float64Type>,
    headings: &'b PrimitiveArray<Float64Type>,
    ignitions: &'b BooleanArray,
    locations: &'b StringArray,
    days: &'b PrimitiveArray<Date32Type>,
    /// Those of [`UNSENT`] that have something in some row.
    unsent: Vec<(&'static str, &'b dyn Array)>,
}

impl<'b> PingRows<'b> {
    /// The columns that are read.
    pub(super) fn columns() -> impl Iterator<Item = &'static str> {
        SENT.into_iter().chain(UNSENT)
    }

    /// Those of a batch.
    ///
    /// # Errors
    /// It lacks a column, or has it with another type, by its name.
    pub(super) fn of(batch: &'b RecordBatch) -> anyhow::Result<Self> {
        let column = |name: &str| {
            batch.column_by_name(name).with_context(|| format!("it has no column {name}"))
        };
        let text = |name: &'static str| column(name)?.as_string_opt::<i32>().context(name);
        let time = |name: &'static str| {
            column(name)?.as_primitive_opt::<TimestampMicrosecondType>().context(name)
        };
        let number =
            |name: &'static str| column(name)?.as_primitive_opt::<Float64Type>().context(name);
        let mut unsent = Vec::new();
        for name in UNSENT {
            let values = column(name)?.as_ref();
            if values.null_count() < values.len() {
                unsent.push((name, values));
            }
        }
        Ok(Self {
            vehicles: text("vehicle_id")?,
            seqs: column("seq")?.as_primitive_opt::<Int64Type>().context("seq")?,
            received: time("receive_time")?,
            dispositions: text("disposition")?,
            taken: time("event_time")?,
            lats: number("lat")?,
            lons: number("lon")?,
            accuracies: number("accuracy_m")?,
            speeds: number("speed_mps")?,
            headings: number("heading_deg")?,
            ignitions: column("ignition")?.as_boolean_opt().context("ignition")?,
            locations: text("location")?,
            days: column("day")?.as_primitive_opt::<Date32Type>().context("day")?,
            unsent,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.vehicles.len()
    }

    pub(super) fn receive_ms(&self, row: usize) -> i64 {
        self.received.value(row).div_euclid(1000)
    }

    /// A row, by the times of a run that began at `start_ms`.
    pub(super) fn row(&self, row: usize, start_ms: i64) -> Archived<'b> {
        let (lat, lon) = (self.lats.value(row), self.lons.value(row));
        let event_us = self.taken.value(row);
        let known = |of: &PrimitiveArray<Float64Type>| of.is_valid(row).then(|| of.value(row));
        let derived = Derived {
            lat_lon: Some((lat, lon)),
            location: self.locations.is_valid(row).then(|| self.locations.value(row)),
            event_us,
            received_us: Some(self.received.value(row)),
            day: self.days.value(row).into(),
        };
        let mut wrong = derived.differences();
        let found = |&(name, values): &(&'static str, &dyn Array)| {
            Difference::between(name, None, values.is_valid(row).then(|| text(values, row)))
        };
        wrong.extend(self.unsent.iter().filter_map(found));
        Archived {
            key: (self.vehicles.value(row), self.seqs.value(row)),
            disposition: self.dispositions.value(row),
            content: Content {
                event_us: event_us - start_ms * 1000,
                lat,
                lon,
                accuracy_m: known(self.accuracies),
                speed_mps: known(self.speeds),
                heading_deg: known(self.headings),
                ignition: self.ignitions.is_valid(row).then(|| self.ignitions.value(row)),
            },
            wrong,
        }
    }
}

/// A value of one of [`UNSENT`].
fn text(values: &dyn Array, row: usize) -> String {
    if let Some(numbers) = values.as_primitive_opt::<Float64Type>() {
        return numbers.value(row).to_string();
    }
    let texts = values.as_string_opt::<i32>();
    texts.map_or_else(|| "of another type".to_owned(), |texts| texts.value(row).to_owned())
}
