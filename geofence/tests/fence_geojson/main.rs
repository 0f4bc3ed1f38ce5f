//! Reading fences: what is taken, what is mended, what is refused and how it
//! is told; and writing them back.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod documents;
mod geometry;
mod seams;
#[path = "../support/mod.rs"]
mod support;
mod written;

use geofence::{Fence, FenceSet, FencesError, Shape, parse_fences};
use support::*;

fn codes(notes: &[geofence::FenceNote]) -> Vec<(&str, &str)> {
    notes.iter().map(|note| (note.fence.as_str(), note.code)).collect()
}

fn refusal(kind: &str, coordinates: &str, properties: &str) -> (&'static str, String) {
    let parsed = parse(&[feature("f", kind, coordinates, properties)]);
    assert!(parsed.set.fences().is_empty(), "{kind} {coordinates}");
    let [note] = &parsed.refusals[..] else { panic!("{:?}", parsed.refusals) };
    assert_eq!(note.fence, "f");
    (note.code, note.message.clone())
}

/// The repaired fence and its remarks.
fn repaired(kind: &str, coordinates: &str) -> (Fence, Vec<(&'static str, String)>) {
    let parsed = parse(&[feature("f", kind, coordinates, "")]);
    assert_eq!(parsed.refusals, []);
    round_trip(&parsed.set);
    let notes = parsed.repairs.iter().map(|note| (note.code, note.message.clone())).collect();
    (parsed.set.fences()[0].clone(), notes)
}

/// Writes the set and reads it again: equal, nothing to mend, equal bytes.
fn round_trip(set: &FenceSet) {
    let bytes = set.to_canonical_json();
    let again = parse_fences(&bytes).unwrap();
    assert_eq!(again.refusals, []);
    assert_eq!(again.repairs, []);
    assert!(again.set == *set, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(again.set.to_canonical_json(), bytes);
    assert_eq!(again.set.hash(), set.hash());
}
