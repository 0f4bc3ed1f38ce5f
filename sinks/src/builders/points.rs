//! A column of positions as well-known text.
//!
//! They are written as bytes, and checked to be texts, which an array of texts
//! asks for, all together at the end: to check each by itself takes a quarter of
//! what it takes to write it.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use geofence::Position;

use super::Sparse;
use crate::wkt;

/// A point with five to seven decimals, as most have.
const POINT_BYTES: usize = 32;

/// The builder of such a column, in which a row may lack its position.
pub(crate) struct Points(Sparse<BinaryBuilder>);

impl Points {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self(Sparse::new(BinaryBuilder::with_capacity(rows, rows * POINT_BYTES)))
    }

    /// Gives `row` its position. Rows come in order.
    pub(crate) fn set(&mut self, row: usize, position: Position) {
        self.0.set(row, Some(wkt::point(position).as_bytes()));
    }

    /// The column of `rows` rows.
    pub(crate) fn finish(self, rows: usize) -> ArrayRef {
        let points = self.0.finish(rows).as_binary().clone();
        Arc::new(StringArray::try_from_binary(points).expect("all of it is ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_own_position_or_none() {
        let mut points = Points::with_capacity(0);
        points.set(1, Position { lat: 5, lon: 10_000_000 });
        points.set(3, Position { lat: -900_000_000, lon: 0 });
        let expected = StringArray::from(vec![
            None,
            Some("POINT(1 0.0000005)"),
            None,
            Some("POINT(0 -90)"),
            None,
        ]);
        assert_eq!(points.finish(5).as_string(), &expected);
    }
}
