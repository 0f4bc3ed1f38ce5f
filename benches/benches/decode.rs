//! From the bytes of a batch to admitted pings, against the generated decoder
//! with owned strings and nothing checked.

use std::hint::black_box;

use benches::fleet::Fleet;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::decode::ContentType;
use engine::decode::entry::Envelope;
use geofence::TimeMs;
use prost::Message;
use protos::telemetry::VehiclePingBatch;

const PINGS: usize = 1_000;

fn decode(c: &mut Criterion) {
    let batch = VehiclePingBatch { pings: Fleet::new(PINGS, 1).round() };
    let bytes = Bytes::from(batch.encode_to_vec());
    let envelope = Envelope {
        source: "bench",
        message_id: "",
        receive_time: TimeMs(batch.pings[0].event_time_us / 1000),
        allow_null_island: false,
        owned: None,
    };
    let mut group = c.benchmark_group("decode a batch of 1,000 pings");
    group.throughput(Throughput::Elements(PINGS as u64));
    group.bench_function("decoded and admitted", |b| {
        let mut entries = Vec::new();
        b.iter(|| {
            entries.clear();
            envelope.entries(ContentType::Batch, black_box(&bytes), &mut entries);
            assert_eq!(entries.len(), PINGS);
        });
    });
    group.bench_function("naive: prost, owned, unchecked", |b| {
        b.iter(|| VehiclePingBatch::decode(black_box(bytes.as_ref())).expect("encoded above"));
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
