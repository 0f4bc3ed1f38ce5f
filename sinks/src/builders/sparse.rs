//! A column in which a row may lack a value.
//!
//! Most rows lack most of them: of the events' columns, those of other kinds. So
//! a row without a value costs nothing when it is pushed, and the nulls are
//! appended together, before the next value or at the end.

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow_array::types::ArrowPrimitiveType;

/// The builder of such a column, behind by the nulls that are still to be appended.
pub(crate) struct Sparse<B>(B);

/// What a column needs of its builder.
pub(crate) trait Builder: ArrayBuilder {
    /// A value of the column.
    type Value<'v>;

    fn append(&mut self, value: Self::Value<'_>);

    fn append_nulls(&mut self, count: usize);
}

impl<B: Builder> Sparse<B> {
    pub(crate) fn new(builder: B) -> Self {
        Self(builder)
    }

    /// Gives `row` its value, if it has one. Rows come in order; those that are
    /// passed over have none.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: Option<B::Value<'_>>) {
        if let Some(value) = value {
            self.fill(row);
            self.0.append(value);
        }
    }

    /// The column of `rows` rows.
    pub(crate) fn finish(mut self, rows: usize) -> ArrayRef {
        self.fill(rows);
        ArrayBuilder::finish(&mut self.0)
    }

    fn fill(&mut self, rows: usize) {
        let missing = rows - self.0.len();
        if missing > 0 {
            self.0.append_nulls(missing);
        }
    }
}

impl<T: ArrowPrimitiveType> Builder for PrimitiveBuilder<T> {
    type Value<'v> = T::Native;

    fn append(&mut self, value: T::Native) {
        self.append_value(value);
    }

    fn append_nulls(&mut self, count: usize) {
        Self::append_nulls(self, count);
    }
}

impl Builder for BooleanBuilder {
    type Value<'v> = bool;

    fn append(&mut self, value: bool) {
        self.append_value(value);
    }

    fn append_nulls(&mut self, count: usize) {
        Self::append_nulls(self, count);
    }
}

impl Builder for StringBuilder {
    type Value<'v> = &'v str;

    fn append(&mut self, value: &str) {
        self.append_value(value);
    }

    fn append_nulls(&mut self, count: usize) {
        Self::append_nulls(self, count);
    }
}

impl Builder for BinaryBuilder {
    type Value<'v> = &'v [u8];

    fn append(&mut self, value: &[u8]) {
        self.append_value(value);
    }

    fn append_nulls(&mut self, count: usize) {
        Self::append_nulls(self, count);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::Int64Builder;
    use arrow_array::{Array, BooleanArray, Int64Array, StringArray};

    use super::*;

    /// The column of all `rows`, pushed one by one.
    fn column<'v, B: Builder>(builder: B, rows: &[Option<B::Value<'v>>]) -> ArrayRef
    where
        B::Value<'v>: Copy,
    {
        let mut column = Sparse::new(builder);
        for (row, &value) in rows.iter().enumerate() {
            column.set(row, value);
        }
        column.finish(rows.len())
    }

    #[test]
    fn a_row_has_its_own_value_or_none() {
        let numbers: [&[Option<i64>]; 5] = [
            &[],
            &[None, None],
            &[Some(1), Some(2)],
            &[None, Some(1), None, None, Some(2)],
            &[Some(1), None, Some(2), None],
        ];
        for rows in numbers {
            let expected: Arc<dyn Array> = Arc::new(rows.iter().copied().collect::<Int64Array>());
            assert_eq!(&column(Int64Builder::new(), rows), &expected);
        }
        let flags = [None, Some(true), None, Some(false), None];
        let expected: Arc<dyn Array> = Arc::new(flags.iter().copied().collect::<BooleanArray>());
        assert_eq!(&column(BooleanBuilder::new(), &flags), &expected);
        let texts = [None, None, Some("a"), Some(""), None];
        let expected: Arc<dyn Array> = Arc::new(texts.iter().copied().collect::<StringArray>());
        assert_eq!(&column(StringBuilder::new(), &texts), &expected);
    }
}
