//! Which fences hold a place, against an R-tree with `geo`'s predicate.

use std::hint::black_box;

use benches::city;
use benches::fleet::Fleet;
use benches::naive::NaiveIndex;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use geofence::Position;

const PLACES: usize = 4_096;

fn index(c: &mut Criterion) {
    let pings = Fleet::new(PLACES, 2).round();
    let places: Vec<(f64, f64)> = pings.iter().map(|ping| (ping.lon, ping.lat)).collect();
    let mut group = c.benchmark_group("fences that hold a place");
    group.throughput(Throughput::Elements(PLACES as u64));
    for count in [100, 1_000, 10_000] {
        let rings = city::rings(count, 3);
        let set = city::fence_set(&rings);
        group.bench_with_input(BenchmarkId::new("FenceSet", count), &set, |b, set| {
            let mut hits = Vec::new();
            b.iter(|| {
                for &(lon, lat) in &places {
                    let place = Position::from_degrees(lat, lon).expect("in the city");
                    set.containing(black_box(place), &mut hits);
                    black_box(&hits);
                }
            });
        });
        let naive = NaiveIndex::new(&rings);
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

criterion_group!(benches, index);
criterion_main!(benches);
