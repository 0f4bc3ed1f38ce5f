//! Which fences hold a place, against an R-tree with `geo`'s predicate.

use std::hint::black_box;

use benches::city;
use benches::fleet::Fleet;
use benches::naive::NaiveIndex;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use geofence::{FenceSet, Position};
use protos::telemetry::VehiclePing;

const PLACES: usize = 4_096;

fn index(c: &mut Criterion) {
    let pings = Fleet::new(PLACES, 2).round();
    let on_grid = |ping: &VehiclePing| (city::on_grid(ping.lon), city::on_grid(ping.lat));
    let places: Vec<(f64, f64)> = pings.iter().map(on_grid).collect();
    let mut group = c.benchmark_group("fences that hold a place");
    group.throughput(Throughput::Elements(PLACES as u64));
    for count in [100, 1_000, 10_000] {
        let rings = city::rings(count, 3);
        let set = city::fence_set(&rings);
        let naive = NaiveIndex::new(&rings);
        assert_same_answers(&set, &naive, &places);
        group.bench_with_input(BenchmarkId::new("FenceSet", count), &set, |b, set| {
            let mut hits = Vec::new();
            b.iter(|| {
                for &place in &places {
                    set.containing(black_box(position(place)), &mut hits);
                    black_box(&hits);
                }
            });
        });
        let positions: Vec<Position> = places.iter().map(|&place| position(place)).collect();
        group.bench_with_input(BenchmarkId::new("FenceSet, many", count), &set, |b, set| {
            b.iter(|| {
                set.containing_many(black_box(&positions), |_, hits| {
                    black_box(hits);
                });
            });
        });
        group.bench_with_input(BenchmarkId::new("naive: rstar, geo", count), &naive, |b, naive| {
            let mut hits = Vec::new();
            b.iter(|| {
                for &(lon, lat) in &places {
                    naive.containing(black_box(lon), black_box(lat), &mut hits);
                    black_box(&hits);
                }
            });
        });
    }
    group.finish();
}

fn position((lon, lat): (f64, f64)) -> Position {
    Position::from_degrees(lat, lon).expect("in the city")
}

/// Both must do the same work for their times to say anything.
fn assert_same_answers(set: &FenceSet, naive: &NaiveIndex, places: &[(f64, f64)]) {
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    let mut total = 0;
    for &(lon, lat) in places {
        set.containing(position((lon, lat)), &mut found);
        naive.containing(lon, lat, &mut expected);
        assert!(found.iter().map(|&fence| fence as usize).eq(expected.iter().copied()));
        total += found.len();
    }
    assert!(total > places.len() / 2, "{total} fences hold {} places", places.len());
}

criterion_group!(benches, index);
criterion_main!(benches);
