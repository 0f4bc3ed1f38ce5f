//! What a fence set takes that is kept beside the one that follows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;

use geofence::{Detector, Fence, FenceSet, FencesReader, Input, Settings, TimeMs, parse_fences};
use rstest::rstest;

const FENCES: u32 = 2_000;

/// A polygon of 24 corners in a city of others.
fn fence(number: u32, id: &str, width: f64) -> Fence {
    let (lon, lat) = (10.0 + f64::from(number % 50) * 0.01, 50.0 + f64::from(number / 50) * 0.01);
    let corner = |i: u32| {
        let (east, north) = libm::sincos(f64::from(i % 24) / 24.0 * std::f64::consts::TAU);
        format!("[{:.7},{:.7}]", lon + width * east, lat + width * north)
    };
    let corners: Vec<String> = (0..=24).map(corner).collect();
    let feature = format!(
        r#"{{"type":"Feature","id":"{id}","properties":{{}},
        "geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
        corners.join(",")
    );
    parse_fences(feature.as_bytes()).unwrap().set.fences()[0].clone()
}

fn city() -> Vec<Fence> {
    (0..FENCES).map(|number| fence(number, &format!("fence-{number:05}"), 0.005)).collect()
}

/// Bytes that a set and its versions in a shard add to those of before.
#[rstest]
#[case::named_anew(|fences: &mut Vec<Fence>| fences[700].name = "another".into(), 20_000)]
#[case::drawn_anew(|fences: &mut Vec<Fence>| fences[700] = fence(700, "fence-00700", 0.004), 150_000)]
#[case::drawn_elsewhere(|fences: &mut Vec<Fence>| fences[700] = fence(1_500, "fence-00700", 0.004), 250_000)]
#[case::put(|fences: &mut Vec<Fence>| fences.push(fence(700, "a", 0.004)), 200_000)]
#[case::deleted(|fences: &mut Vec<Fence>| drop(fences.remove(700)), 200_000)]
fn a_change_takes_memory_for_what_it_changes(
    #[case] change: impl Fn(&mut Vec<Fence>),
    #[case] bytes_max: i64,
) {
    let mut fences = city();
    let before = Arc::new(FenceSet::new(fences.clone()).unwrap());
    let mut detector = Detector::new(Settings::default());
    let judge = |detector: &mut Detector, set, seconds: i64| {
        let now = TimeMs(seconds * 1_000);
        detector.apply(&[Input::Fences { set, valid_from: now }], now, seconds as u64);
    };
    judge(&mut detector, Arc::clone(&before), 1);
    change(&mut fences);
    let taken = allocation_counter::measure(|| {
        let after = Arc::new(FenceSet::after(&before, fences).unwrap());
        judge(&mut detector, after, 2);
    });
    assert_eq!(detector.fence_history().epochs.len(), 3, "both are kept");
    assert!(taken.bytes_current < bytes_max, "{} bytes", taken.bytes_current);
}

/// As a worker does with its file at the first look after a start, and whenever
/// the file is another: what stands is in memory already.
#[test]
fn a_file_read_beside_its_set_takes_no_memory_for_shapes_that_stand() {
    let before = FenceSet::new(city()).unwrap();
    let text = before.to_canonical_json();
    let taken_beside = |set: &FenceSet| {
        let mut reader = FencesReader::default();
        let taken = allocation_counter::measure(|| drop(reader.read(&text, set).unwrap()));
        taken.bytes_current
    };
    // The fences without their shapes, in a table with room to spare, and their
    // names: 0.7 kB each. A shape takes 1.4 kB.
    let bytes_max = i64::from(FENCES) * 1_000;
    let (beside, alone) = (taken_beside(&before), taken_beside(&FenceSet::empty()));
    assert!(beside < bytes_max, "{beside} bytes");
    assert!(alone > bytes_max, "{alone} bytes: the bound says nothing");
}
