//! Reading one set of fences after another.

use std::collections::HashMap;

use super::{FencesError, FencesRead, Read, read_features, taken};
use crate::{Fence, FenceSet};

/// Fences by the hash of the feature's text that they were read from. What was
/// mended on the way is not: it is told each time.
pub(super) type Known = HashMap<u128, Fence>;

/// Reads documents that come again with changes, as files do that are edited
/// and sets that followed each other: a feature whose text was in the last set
/// is not read again. Holds what it read of two sets; the fences share their
/// shapes with those handed out, and those with the set in force.
#[derive(Debug, Default)]
pub struct FencesReader {
    /// Of the last set.
    known: Known,
    /// Of this one.
    read: Known,
}

impl FencesReader {
    /// Reads a document, of which there may be several to a set. A shape that
    /// `before` has is taken from there as soon as it is read: nothing holds it
    /// twice.
    ///
    /// # Errors
    /// As [`parse_fences`](super::parse_fences), whose answer is the same but
    /// for the set.
    pub fn read(&mut self, bytes: &[u8], before: &FenceSet) -> Result<FencesRead, FencesError> {
        let features = read_features(bytes, &self.known, before)?;
        for (_, read) in &features {
            if let Read { text: Some(text), fence: Ok((fence, repairs)), .. } = read
                && repairs.is_empty()
            {
                self.read.insert(*text, fence.clone());
            }
        }
        Ok(taken(features))
    }

    /// What is read from here on is of another set.
    pub fn begin_set(&mut self) {
        self.known = std::mem::take(&mut self.read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Part;
    use crate::{Shape, parse_fences};

    const WEST: &str = "[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]";
    const EAST: &str = "[[[11,50],[11.01,50],[11.01,50.01],[11,50.01],[11,50]]]";
    const OPEN: &str = "[[[12,50],[12.01,50],[12.01,50.01],[12,50.01]]]";
    const FLAT: &str = "[[[10,50],[10.01,50],[10.02,50],[10,50]]]";

    fn document(features: &[(&str, &str)]) -> String {
        let feature = |(id, coordinates): &(&str, &str)| {
            format!(
                r#"{{"type":"Feature","id":"{id}","properties":{{}},
                "geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}"#
            )
        };
        let features: Vec<_> = features.iter().map(feature).collect();
        format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
    }

    #[test]
    fn what_was_read_before_makes_no_difference() {
        let documents = [
            document(&[("a", WEST), ("b", EAST), ("c", OPEN), ("d", FLAT)]),
            document(&[("b", EAST), ("c", OPEN), ("a", EAST), ("d", FLAT)]),
            document(&[("a", WEST), ("a", WEST), ("b", EAST)]),
            document(&[("d", WEST), ("a", WEST)]),
            "[]".to_owned(),
            document(&[("a", WEST)]),
        ];
        let none = FenceSet::empty();
        let mut reader = FencesReader::default();
        for round in 0..2 {
            for document in &documents {
                reader.begin_set();
                let (again, fresh) = (
                    reader.read(document.as_bytes(), &none),
                    FencesReader::default().read(document.as_bytes(), &none),
                );
                assert_eq!(format!("{again:?}"), format!("{fresh:?}"), "{round}");
            }
        }
    }

    /// Where the corners of a polygon lie in memory.
    fn corners(fence: &Fence) -> *const Part {
        match &fence.shape {
            Shape::Polygon(shape) => shape.parts().as_ptr(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_shape_of_the_set_in_force_is_taken_from_there() {
        let in_force = document(&[("a", WEST), ("b", EAST), ("c", EAST)]);
        let before = parse_fences(in_force.as_bytes()).unwrap().set;
        let text = document(&[("a", WEST), ("b", WEST), ("d", EAST)]);
        let read = FencesReader::default().read(text.as_bytes(), &before).unwrap();
        let shared = |read: &Fence| before.fences().iter().any(|it| corners(it) == corners(read));
        assert_eq!(read.fences.iter().map(shared).collect::<Vec<_>>(), [true, false, false]);
        let after = FenceSet::after(&before, read.fences).unwrap();
        assert_eq!(corners(&after.fences()[0]), corners(&before.fences()[0]));
    }

    #[test]
    fn a_feature_of_the_last_set_is_not_read_again() {
        let corners = |read: &FencesRead| corners(&read.fences[0]);
        let none = FenceSet::empty();
        let mut reader = FencesReader::default();
        let (one, two) = (document(&[("a", WEST)]), document(&[("a", WEST), ("b", EAST)]));
        let first = reader.read(one.as_bytes(), &none).unwrap();
        reader.begin_set();
        let second = reader.read(two.as_bytes(), &none).unwrap();
        assert_eq!(corners(&first), corners(&second));
        // Of the one before the last nothing is kept. The first is held still: its
        // memory must not be given out again.
        reader.begin_set();
        reader.begin_set();
        assert_ne!(corners(&first), corners(&reader.read(one.as_bytes(), &none).unwrap()));
    }
}
