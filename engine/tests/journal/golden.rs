//! Files of every format as earlier engines wrote them: they stay readable,
//! and read the same. `FLEETSTREAM_REGENERATE=1` writes the files of the
//! current format anew; never overwrite one of a released format.

use std::path::PathBuf;

use bytes::Bytes;
use engine::journal::frame::{self, Kind};
use engine::journal::pack::{PackBuilder, PackIndex};
use protos::events::{FleetEvent, Id};
use protos::journal::{
    Cursor, DeadLetter, Disposition, EndOfInput, FenceChange, Genesis, Input, PingRun, Segment,
    SegmentKind, Settings, Snapshot, SourceState, Supersedes, VehicleTag, VehicleTags, input,
};

fn golden(name: &str, encode: impl FnOnce() -> Bytes) -> Bytes {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    if std::env::var_os("FLEETSTREAM_REGENERATE").is_some() {
        std::fs::write(&path, encode()).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

fn segment() -> Segment {
    let pings = PingRun {
        source: 2,
        low_mark_ms: Some(-5),
        low_mark_bounds_lateness: true,
        payloads: Bytes::from_static(b"\x0a\x03bus\x0a\x03cab"),
        payload_lengths: vec![5, 5],
        receive_time_ms: 1_480_075_200_000,
        receive_time_deltas: vec![-3],
        dispositions: vec![Disposition::OnTime.into(), Disposition::Late.into()],
        message_ids: vec!["m1".to_owned(), "m2".to_owned()],
        supersedes: vec![Supersedes { index: 1, identity: "ab".repeat(16) }],
    };
    let tags = VehicleTag { vehicle_id: "bus".to_owned(), tags: vec!["north".to_owned()] };
    let source =
        SourceState { source: 2, name: "http".to_owned(), stalled: true, at_ms: 1_480_075_200_000 };
    let inputs = [
        input::Input::Settings(Settings { json: r#"{"profile":"plain"}"#.to_owned() }),
        input::Input::Fences(FenceChange {
            hash: "c0ffee".to_owned(),
            valid_from_ms: -1,
            ..FenceChange::default()
        }),
        input::Input::Tags(VehicleTags { vehicles: vec![tags], ..VehicleTags::default() }),
        input::Input::Pings(pings),
        input::Input::Source(source),
        input::Input::End(EndOfInput { end_ms: 1_480_075_200_000 }),
    ];
    Segment {
        journal_id: "5a3e1c1e-0f2b-4c7a-9c58-0d5f6f1f2a10".to_owned(),
        shard: 3,
        seq: 1_480_075_200_001,
        epoch: 7,
        writer_id: Bytes::from((0..16).collect::<Vec<u8>>()),
        core_version: 4,
        kind: SegmentKind::Data.into(),
        now_ms: 1_480_075_200_123,
        inputs: inputs.map(|input| Input { input: Some(input) }).to_vec(),
        events: vec![FleetEvent {
            event_id: Id::new(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
            revision: 1_480_075_200_001,
            vehicle_id: "bus".into(),
            lat: Some(30.25),
            ..FleetEvent::default()
        }],
        dead_letters: vec![DeadLetter {
            reason: "lat_out_of_range".to_owned(),
            detail: "lat 91".to_owned(),
            source: "http".to_owned(),
            source_message_id: "m3".to_owned(),
            receive_time_ms: 1_480_075_200_000,
            payload: Bytes::from_static(b"{\"lat\":91}"),
            content_type: "application/json".to_owned(),
        }],
        cursors: vec![cursor()],
        traceparent: String::new(),
    }
}

fn cursor() -> Cursor {
    Cursor {
        sink: "pings".to_owned(),
        through_seq: 1_480_075_200_000,
        byte_length: Some(77),
        pending_through_seq: Some(1_480_075_200_001),
        ..Cursor::default()
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        journal_id: "5a3e1c1e-0f2b-4c7a-9c58-0d5f6f1f2a10".to_owned(),
        shard: 3,
        seq: 1_480_075_200_001,
        epoch: 7,
        core_version: 4,
        cursors: vec![cursor()],
        fence_hashes: vec!["c0ffee".to_owned()],
        core: Bytes::from(vec![42; 1000]),
        ..Snapshot::default()
    }
}

fn genesis() -> Genesis {
    Genesis {
        format: 1,
        journal_id: "5a3e1c1e-0f2b-4c7a-9c58-0d5f6f1f2a10".to_owned(),
        shards: 8,
        first_seq: 1_480_075_000_000,
        created_at_ms: 1_480_075_000_000,
    }
}

#[test]
fn segment_format_1() {
    let bytes = golden("segment.v1", || frame::encode_segment(&segment()));
    assert_eq!(frame::decode_segment(&bytes, "segment.v1"), Ok(segment()));
}

#[test]
fn snapshot_format_1() {
    let bytes = golden("snapshot.v1", || frame::encode_snapshot(&snapshot()));
    assert_eq!(frame::decode_snapshot(&bytes, "snapshot.v1"), Ok(snapshot()));
}

#[test]
fn genesis_format_1() {
    let bytes = golden("genesis.v1", || frame::encode_genesis(&genesis()));
    assert_eq!(frame::decode_genesis(&bytes, "genesis.v1"), Ok(genesis()));
}

#[test]
fn fence_set_format_1() {
    let bytes = golden("fence-set.v1", || frame::encode(Kind::FenceSet, b"a fence set"));
    assert_eq!(frame::decode(Kind::FenceSet, &bytes, "fence-set.v1").unwrap(), "a fence set");
}

#[test]
fn pack_format_1() {
    let follower = Segment { seq: segment().seq + 1, ..segment() };
    let both = [segment(), follower];
    let bytes = golden("pack.v1", || {
        let mut pack = PackBuilder::new(both[0].seq, both.len(), 0);
        for segment in &both {
            pack.push(&frame::encode_segment(segment));
        }
        pack.finish()
    });
    let index = PackIndex::parse(&bytes, bytes.len() as u64, "pack.v1").unwrap();
    assert_eq!(index.seqs(), (both[0].seq, both[1].seq));
    for segment in both {
        let range = index.range(segment.seq).unwrap();
        let frame = bytes.slice(range.start as usize..range.end as usize);
        assert_eq!(frame::decode_segment(&frame, "pack.v1"), Ok(segment));
    }
}
