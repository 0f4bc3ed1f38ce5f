//! A segment's rows in slices, one for each append.
//!
//! Where a slice ends must not depend on anything but the segment: a slice is
//! passed as a whole once BigQuery says that its first row is in.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use protos::journal::Segment;

use crate::SinkError;
use crate::day::Day;
use crate::rolling::{Columns, Kept, Rows, Table};

/// Rows of a slice at the most.
const ROWS_MAX: usize = 10_000;
/// Bytes of a slice at the most, as reckoned here; a request may have 10 MB.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a row takes as Arrow beyond the texts it has in its segment: at most
/// 37 columns of 8 bytes, with null bits, the point as text and the words for
/// kinds and reasons.
const ROW_BYTES: usize = 512;

/// The rows of `segment`, the first of which has `offset`. Those at the
/// offsets `refused` become stubs, which moves no slice's end.
pub(super) fn slices<T: Table>(
    table: &mut T,
    segment: &Segment,
    offset: i64,
    refused: &BTreeSet<i64>,
) -> Result<Vec<RecordBatch>, SinkError> {
    let mut slices = Slices {
        schema: T::schema().arrow.clone(),
        refused,
        offset,
        columns: T::Columns::with_capacity(0),
        bytes: 0,
        done: Vec::new(),
    };
    table.append(segment, &mut slices)?;
    slices.cut()?;
    Ok(slices.done)
}

struct Slices<'a, C> {
    schema: SchemaRef,
    refused: &'a BTreeSet<i64>,
    /// Of the next row.
    offset: i64,
    columns: C,
    /// Of the rows in `columns`.
    bytes: usize,
    done: Vec<RecordBatch>,
}

impl<C: Columns> Slices<'_, C> {
    fn cut(&mut self) -> Result<(), SinkError> {
        if self.columns.rows() > 0 {
            let columns = std::mem::replace(&mut self.columns, C::with_capacity(0));
            let rows = RecordBatch::try_new(self.schema.clone(), columns.finish());
            self.done.push(rows.map_err(|error| SinkError::Encode {
                what: "rows for BigQuery",
                source: Box::new(error),
            })?);
            self.bytes = 0;
        }
        Ok(())
    }
}

impl<C: Columns> Rows<C> for Slices<'_, C> {
    fn place(
        &mut self,
        _: Day,
        bytes: impl FnOnce() -> usize,
    ) -> Result<(&mut C, Kept), SinkError> {
        let bytes = bytes() + ROW_BYTES;
        if self.columns.rows() == ROWS_MAX || self.bytes + bytes > BYTES_MAX {
            self.cut()?;
        }
        self.bytes += bytes;
        let kept = if self.refused.contains(&self.offset) { Kept::Keys } else { Kept::Whole };
        self.offset += 1;
        Ok((&mut self.columns, kept))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::archive::PingTable;
    use crate::bigquery::encode;
    use crate::testing::{NOON_MS, ping, run, segment};

    /// A segment of pings whose driver's name has this many letters.
    fn segment_of(pings: u64, letters: usize) -> Segment {
        let pings: Vec<_> = (0..pings)
            .map(|seq| protos::telemetry::VehiclePing {
                driver_id: Some("x".repeat(letters)),
                ..ping(seq, NOON_MS)
            })
            .collect();
        segment(1, [run(&pings)])
    }

    fn rows(slices: &[RecordBatch]) -> Vec<usize> {
        slices.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn a_slice_ends_at_its_rows_and_at_its_bytes() {
        let none = BTreeSet::new();
        let cut = |segment: &Segment| slices(&mut PingTable, segment, 0, &none).unwrap();
        assert_eq!(rows(&cut(&segment_of(0, 0))), [0; 0]);
        assert_eq!(rows(&cut(&segment_of(10_000, 0))), [10_000]);
        assert_eq!(rows(&cut(&segment_of(20_001, 0))), [10_000, 10_000, 1]);

        let heavy = cut(&segment_of(1000, 60_000));
        assert_eq!(rows(&heavy).iter().sum::<usize>(), 1000);
        assert!(heavy.len() > 1);
        for slice in heavy.iter().chain(&cut(&segment_of(10_000, 100))) {
            assert!(encode::rows(slice).unwrap().len() < 9_500_000);
        }
    }

    #[test]
    fn refused_rows_become_stubs_where_they_were() {
        let segment = segment_of(300, 60_000);
        let none = BTreeSet::new();
        let whole = slices(&mut PingTable, &segment, 1000, &none).unwrap();
        let refused = (1001..1300).collect();
        let stubs = slices(&mut PingTable, &segment, 1000, &refused).unwrap();
        assert_eq!(rows(&whole), rows(&stubs));
        let first = &stubs[0];
        let text = |column| first.column_by_name(column).unwrap().as_string::<i32>();
        assert_eq!(text("disposition").value(0), "on_time");
        assert_eq!(text("disposition").value(1), "refused");
        assert_eq!(text("driver_id").iter().nth(1), Some(None));
        for column in ["vehicle_id", "event_time", "location", "journal_seq", "day"] {
            assert_eq!(first.column_by_name(column), whole[0].column_by_name(column), "{column}");
        }
    }
}
