//! Encoding a segment, and committing it to the local journal, against writing
//! the same bytes to a file with one fsync, and with none.

use std::fs::File;
use std::io::Write as _;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::journal::frame;
use prost::Message;
use protos::journal::Segment;

mod support;

/// 200 ms at 5,000 pings a second, and a replay's segment.
const SIZES: [usize; 2] = [1_000, 10_000];

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode a segment");
    group.sample_size(20);
    for pings in SIZES {
        let segment = support::segment(pings);
        group.throughput(Throughput::Elements(pings as u64));
        group.bench_with_input(BenchmarkId::new("frame", pings), &segment, |b, segment| {
            b.iter(|| frame::encode_segment(segment));
        });
        let naive = "naive: protobuf alone";
        group.bench_with_input(BenchmarkId::new(naive, pings), &segment, |b, segment| {
            b.iter(|| segment.encode_to_vec());
        });
    }
    group.finish();
}

fn commit(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = c.benchmark_group("commit a segment of 1,000 pings");
    group.sample_size(20);
    let segment = support::segment(SIZES[0]);
    group.throughput(Throughput::Elements(SIZES[0] as u64));

    let mut journal = runtime.block_on(support::journal(&directory.path().join("journal")));
    group.bench_function("journal, durable", |b| {
        b.iter_batched(
            || segment.clone(),
            |segment| runtime.block_on(journal.commit(segment)).expect("a commit"),
            BatchSize::PerIteration,
        );
    });
    let mut files = 0;
    let mut write = |segment: &Segment, durable: bool| {
        // A new one each time, as the journal makes: ext4 writes a file out at
        // once that is cut to nothing and filled again.
        files += 1;
        let path = directory.path().join(format!("naive-{files}"));
        let mut file = File::create_new(path).expect("a file");
        file.write_all(&segment.encode_to_vec()).expect("written");
        if durable {
            file.sync_all().expect("synced");
        }
    };
    group.bench_function("naive: one file, fsync", |b| b.iter(|| write(&segment, true)));
    group.bench_function("naive: one file, no fsync", |b| b.iter(|| write(&segment, false)));
    group.finish();
}

criterion_group!(benches, encode, commit);
criterion_main!(benches);
