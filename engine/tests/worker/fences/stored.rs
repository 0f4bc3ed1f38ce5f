//! What of `journal/fences/` stays: all that anything refers to, and little else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use engine::journal::frame;
use protos::journal::input;

use super::{Fences, Place, square};
use crate::support::{Launch, Worker, ping, segments_of, wait_for};

const SHARDS: u32 = 2;

/// A worker that keeps no history for its age.
fn launch(place: &Place) -> Launch {
    place
        .launch()
        .set("shards", &SHARDS.to_string())
        .set("files.parquet", "false")
        .set("journal.keep", "0s")
        .set("journal.snapshot_min_segments", "2")
        .set("journal.heartbeat", "100ms")
}

/// Another fence, and pings of everybody, a day later each time.
struct Days {
    day: u32,
}

impl Days {
    fn go_on(&mut self, worker: &Worker) -> Option<()> {
        let day = self.day;
        self.day += 1;
        let fence = square(10.0, 10.01 + f64::from(day) * 1e-5);
        Fences::of(worker).change("PUT", "f", &fence)?;
        let time = jiff::Timestamp::from_second(1_772_366_400 + i64::from(day) * 86_400);
        let time = time.unwrap().to_string();
        let pings: Vec<_> =
            (0..12).map(|n| ping(&format!("v-{n}"), &time, 10.005, 50.005, "")).collect();
        let json = [("content-type", "application/x-ndjson")];
        worker.client().change("POST", "/v1/pings", &json, pings.join("\n"))?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        Some(())
    }
}

fn stored(data: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(data.join("journal/fences")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.contains('#')).collect()
}

/// Of a worker that is gone: everything that stands finds its sets.
fn expect_all_that_is_referred_to(data: &Path, case: &str) {
    let stored = stored(data);
    for shard in 0..SHARDS {
        let mut needed = BTreeSet::new();
        for path in segments_of(data, shard) {
            let segment = frame::decode_segment(&fs::read(path).unwrap(), "segment").unwrap();
            needed.extend(segment.inputs.iter().filter_map(|recorded| match &recorded.input {
                Some(input::Input::Fences(change)) => Some(change.hash.clone()),
                _ => None,
            }));
        }
        for file in fs::read_dir(data.join(format!("journal/shard-{shard}/snapshots"))).unwrap() {
            let path = file.unwrap().path();
            if !path.to_string_lossy().contains('#') {
                let bytes = fs::read(path).unwrap();
                needed.extend(frame::decode_snapshot(&bytes, "snapshot").unwrap().fence_hashes);
            }
        }
        // Known without an object.
        needed.remove(geofence::FenceSet::empty().hash());
        let missing: Vec<_> = needed.difference(&stored).collect();
        assert!(missing.is_empty(), "{case}, shard {shard}: {missing:?}");
    }
}

#[test]
fn sets_that_nothing_refers_to_go() {
    let place = Place::new();
    let data = place.data();
    let mut days = Days { day: 0 };
    let mut most = 0;
    // Those that a worker finds go as well as those of its own.
    for life in 0..2 {
        let mut worker = launch(&place).start();
        (0..60).for_each(|_| days.go_on(&worker).expect("it lives"));
        // Those of a day may still judge; two snapshots and what is after them have more.
        wait_for("few sets", || {
            days.go_on(&worker).expect("it lives");
            most = most.max(stored(&data).len());
            (stored(&data).len() < 60).then_some(())
        });
        if life == 0 {
            worker.kill();
        } else {
            assert!(worker.stop().success(), "{}", worker.log());
        }
        expect_all_that_is_referred_to(&data, &format!("life {life}"));
    }
    assert!(days.day > 120 && most < 120, "{} changes, {most} sets", days.day);
}

#[test]
fn a_crash_while_sets_go_takes_none_that_is_needed() {
    for (point, nth) in [
        ("fences.delete", 1),
        ("fences.delete", 7),
        ("retention.delete", 20),
        ("snapshot.write", 6),
        ("commit.after", 90),
    ] {
        let case = format!("{point}:{nth}");
        let place = Place::new();
        let mut days = Days { day: 0 };
        let mut worker = launch(&place).dies_at(point, nth).start();
        wait_for(&case, || days.go_on(&worker).is_none().then_some(()));
        assert_eq!(worker.wait().code(), None, "{case}: killed: {}", worker.log());
        expect_all_that_is_referred_to(&place.data(), &case);
        let mut worker = launch(&place).start();
        let recovered = worker.line("recovered").unwrap();
        assert_eq!(recovered["differences"], 0, "{case}: {recovered}");
        (0..20).for_each(|_| days.go_on(&worker).expect("it lives"));
        assert!(worker.stop().success(), "{case}: {}", worker.log());
        expect_all_that_is_referred_to(&place.data(), &case);
    }
}
