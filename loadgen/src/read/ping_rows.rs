//! Rows of a Parquet file of pings, column by column.

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, BooleanArray, PrimitiveArray, RecordBatch, StringArray};

use crate::content::Content;

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
}

impl<'b> PingRows<'b> {
    /// The columns that are read.
    pub(super) const COLUMNS: [&'static str; 11] = [
        "vehicle_id",
        "seq",
        "receive_time",
        "disposition",
        "event_time",
        "lat",
        "lon",
        "accuracy_m",
        "speed_mps",
        "heading_deg",
        "ignition",
    ];

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
        })
    }

    pub(super) fn count(&self) -> usize {
        self.vehicles.len()
    }

    /// The vehicle, and the number it gave the ping.
    pub(super) fn key(&self, row: usize) -> (&'b str, i64) {
        (self.vehicles.value(row), self.seqs.value(row))
    }

    pub(super) fn receive_ms(&self, row: usize) -> i64 {
        self.received.value(row).div_euclid(1000)
    }

    pub(super) fn disposition(&self, row: usize) -> &'b str {
        self.dispositions.value(row)
    }

    /// What the ping says, by the times of a run that began at `start_ms`.
    pub(super) fn content(&self, row: usize, start_ms: i64) -> Content {
        let known = |of: &PrimitiveArray<Float64Type>| of.is_valid(row).then(|| of.value(row));
        Content {
            event_us: self.taken.value(row) - start_ms * 1000,
            lat: self.lats.value(row),
            lon: self.lons.value(row),
            accuracy_m: known(self.accuracies),
            speed_mps: known(self.speeds),
            heading_deg: known(self.headings),
            ignition: self.ignitions.is_valid(row).then(|| self.ignitions.value(row)),
        }
    }
}
