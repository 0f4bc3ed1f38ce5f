//! One ping of each of 8,200 vehicles against 1,000 fences, through the whole
//! core, against a loop over dashmap, rstar and geo.

use std::sync::Arc;

use benches::city::{self, Ring};
use benches::fleet::{Fleet, run};
use benches::naive::{NaiveDetector, NaiveIndex};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use geofence::{Detector, Input, Profile, Settings, TimeMs};

const VEHICLES: usize = 8_200;
const FENCES: usize = 1_000;

fn core(c: &mut Criterion) {
    let rings = city::rings(FENCES, 4);
    let mut group = c.benchmark_group("core, 8,200 vehicles, 1,000 fences");
    group.throughput(Throughput::Elements(VEHICLES as u64));
    group.sample_size(20);

    for profile in [Profile::Plain, Profile::Robust] {
        detector(&mut group, profile, &rings);
    }

    group.bench_function("naive: dashmap, rstar, geo", |b| {
        let mut detector = NaiveDetector::new(NaiveIndex::new(&rings));
        let mut fleet = Fleet::new(VEHICLES, 5);
        b.iter_batched(
            || fleet.round(),
            |pings| {
                let mut events = Vec::new();
                for ping in &pings {
                    detector.apply(ping, &mut events);
                }
                (events, pings)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn detector(group: &mut BenchmarkGroup<'_, WallTime>, profile: Profile, rings: &[Ring]) {
    group.bench_function(format!("Detector, {profile:?}"), |b| {
        let set = Arc::new(city::fence_set(rings));
        let mut detector = Detector::new(Settings { profile, ..Settings::default() });
        detector.apply(&[Input::Fences { set, valid_from: TimeMs(0) }], TimeMs(0), 1);
        let mut fleet = Fleet::new(VEHICLES, 5);
        let mut seq = 1;
        b.iter_batched(
            || {
                let pings = fleet.round();
                (TimeMs(pings[0].event_time_us / 1000), [run(&pings)])
            },
            |(now, inputs)| {
                seq += 1;
                (detector.apply(&inputs, now, seq), inputs)
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, core);
criterion_main!(benches);
