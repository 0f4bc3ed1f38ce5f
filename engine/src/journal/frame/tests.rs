use proptest::prelude::*;
use protos::journal::{DeadLetter, Segment};

use super::*;

const NAME: &str = "shard-0/journal/00000000000000000042";

fn segment() -> Segment {
    let letter = |reason: &str| DeadLetter {
        reason: reason.to_owned(),
        payload: Bytes::from(vec![7; 300]),
        ..DeadLetter::default()
    };
    Segment {
        journal_id: "journal".to_owned(),
        seq: 42,
        dead_letters: vec![letter("lat_out_of_range"), letter("no_vehicle_id")],
        ..Segment::default()
    }
}

#[test]
fn a_segment_survives_the_frame() {
    let bytes = encode_segment(&segment());
    assert_eq!(decode_segment(&bytes, NAME), Ok(segment()));
    let empty = encode_segment(&Segment::default());
    assert_eq!(decode_segment(&empty, NAME), Ok(Segment::default()));
}

#[test]
fn an_encoder_writes_each_segment_as_if_it_were_its_first() {
    let large = DeadLetter { payload: vec![3; KEPT_BYTES_MAX + 1].into(), ..Default::default() };
    let large = Segment { dead_letters: vec![large], ..segment() };
    let mut encoder = SegmentEncoder::default();
    for segment in [segment(), Segment::default(), large, segment()] {
        let bytes = encoder.encode(&segment);
        assert_eq!(bytes, encode(Kind::Segment, &segment.encode_to_vec()));
        assert_eq!(decode_segment(&bytes, NAME), Ok(segment));
        assert!(encoder.body.capacity() <= KEPT_BYTES_MAX);
    }
}

#[test]
fn the_head_is_that_of_the_whole() {
    let large = DeadLetter { payload: vec![3; 1 << 20].into(), ..DeadLetter::default() };
    for kind in [SegmentKind::Data, SegmentKind::Fence] {
        let segment = Segment { kind: kind.into(), ..segment() };
        let large = Segment { dead_letters: vec![large.clone()], ..segment.clone() };
        let far = Segment { journal_id: "j".repeat(HEAD_BYTES_MAX), ..segment.clone() };
        let bare = Segment { seq: 7, kind: kind.into(), ..Segment::default() };
        for segment in [segment, large, far, bare, Segment::default()] {
            let head = decode_segment_head(&encode_segment(&segment), NAME).unwrap();
            assert_eq!((head.seq, head.kind()), (segment.seq, segment.kind()));
        }
    }
}

#[test]
fn a_snapshot_survives_the_frame_whatever_its_size() {
    for size in [0, 1, 300, 5 << 20] {
        let core = (0..size).map(|at: u32| (at % 251) as u8 ^ (at >> 12) as u8).collect();
        let snapshot = Snapshot { seq: 7, core: Vec::into(core), ..Snapshot::default() };
        let bytes = encode_snapshot(&snapshot);
        assert_eq!(decode_snapshot(&bytes, NAME), Ok(snapshot));
        let whole = decode(Kind::Snapshot, &bytes, NAME).unwrap();
        assert_eq!(length_at(&bytes, 12), whole.len() as u64);
    }
}

#[test]
fn a_snapshot_is_the_same_in_whatever_parts_its_state_comes() {
    let core: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8 ^ (at >> 12) as u8).collect();
    let snapshot = Snapshot {
        journal_id: "journal".to_owned(),
        seq: 7,
        core: core.clone().into(),
        ..Snapshot::default()
    };
    let parts: [&[usize]; 5] =
        [&[], &[0], &[1, 0, 1], &[100_000], &[65_536, 10, 0, 100_000, 34_000]];
    for lengths in parts {
        // All but the core comes from elsewhere, and a core there is not asked for.
        let elsewhere = Snapshot { core: vec![9].into(), ..snapshot.clone() };
        let mut encoder = SnapshotEncoder::new(&elsewhere, 100);
        let mut rest = core.as_slice();
        for length in lengths {
            let (part, after) = rest.split_at(*length);
            encoder.add(part);
            rest = after;
        }
        encoder.add(rest);
        let bytes = encoder.finish();
        assert_eq!(decode_snapshot(&bytes, NAME).as_ref(), Ok(&snapshot), "{lengths:?}");
        let whole = decode(Kind::Snapshot, &bytes, NAME).unwrap();
        assert_eq!(length_at(&bytes, 12), whole.len() as u64, "{lengths:?}");
    }
}

#[test]
fn every_truncation_is_called_one_by_name() {
    let bytes = encode_segment(&segment());
    for length in 0..bytes.len() {
        let error = decode_segment(&bytes[..length], NAME).unwrap_err();
        assert_eq!(error.name, NAME);
        assert!(matches!(error.fault, FrameFault::Truncated { .. }), "{length}: {error}");
        assert!(error.to_string().starts_with(NAME), "{error}");
    }
}

#[test]
fn the_fault_is_told_precisely() {
    let good = encode_segment(&segment());
    let fault = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        decode_segment(&bytes, NAME).unwrap_err().fault
    };
    let resealed = |bytes: &mut Vec<u8>| {
        let content = bytes.len() - CHECKSUM_BYTES;
        let checksum = crc32c::crc32c(&bytes[..content]);
        bytes[content..].copy_from_slice(&checksum.to_le_bytes());
    };
    assert_eq!(fault(&|bytes| bytes[0] = b'F'), FrameFault::BadMagic);
    assert!(matches!(fault(&|bytes| bytes.push(0)), FrameFault::Checksum { .. }));
    assert!(matches!(fault(&|bytes| bytes[40] ^= 1), FrameFault::Checksum { .. }));
    let newer = fault(&|bytes| {
        bytes[8] = 2;
        resealed(bytes);
    });
    assert_eq!(newer, FrameFault::NewerFormat { found: 2 });
    let never_written = fault(&|bytes| {
        bytes[8] = 0;
        resealed(bytes);
    });
    assert!(matches!(never_written, FrameFault::Malformed(_)), "{never_written}");
    let snapshot = fault(&|bytes| {
        bytes[10] = Kind::Snapshot as u8;
        resealed(bytes);
    });
    assert_eq!(snapshot.to_string(), "malformed: kind 2 where Segment belongs");
    let longer = fault(&|bytes| {
        bytes[12] ^= 1;
        resealed(bytes);
    });
    assert!(matches!(longer, FrameFault::Malformed(_)), "{longer}");
    assert_eq!(decode_segment(b"PAR1", NAME).unwrap_err().fault, FrameFault::BadMagic);
}

proptest! {
    #[test]
    fn one_flipped_bit_anywhere_is_refused(payload in prop::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>()) {
        let mut segment = segment();
        segment.dead_letters[0].payload = payload.into();
        let mut bytes = encode_segment(&segment).to_vec();
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = decode_segment(&bytes, NAME).unwrap_err();
        prop_assert_eq!(error.name, NAME);
    }
}
