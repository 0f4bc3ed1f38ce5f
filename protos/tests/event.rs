//! `FleetEvent` against the type that is generated of the same message.

use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use protos::events::{FleetEvent, Id};

/// What the event would be without a type of its own; `tests/fresh.rs` keeps it
/// that.
#[allow(dead_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod generated {
    include!("gen/fleet.events.v1.rs");
}

/// The fields whose texts are ids.
const IDS: [u32; 4] = [1, 7, 8, 20];

/// Some are as long as a name may be that lies in the event, or a little
/// longer, or too long for a length of one byte.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-zü]{0,9}", 3 => "[a-z]{22,25}", 1 => Just("ü".repeat(100))]
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![4 => (1..u128::MAX).prop_map(|id| format!("{id:032x}")), 1 => Just(String::new())]
}

/// A message that some of the details hold, and others do not.
fn any_detail() -> impl Strategy<Value = Vec<u8>> {
    let field = (1_u32..=7, any::<u64>(), 0_u32..64, any_name());
    prop::collection::vec(field, 0..4).prop_map(|fields| {
        let mut detail = Vec::new();
        for (tag, bits, shift, text) in fields {
            match tag % 3 {
                0 => push_text(&mut detail, tag, text.as_bytes()),
                1 => {
                    encode_key(tag, WireType::Varint, &mut detail);
                    encode_varint(bits >> shift, &mut detail);
                }
                _ => {
                    encode_key(tag, WireType::SixtyFourBit, &mut detail);
                    detail.extend(bits.to_le_bytes());
                }
            }
        }
        detail
    })
}

fn push_text(out: &mut Vec<u8>, tag: u32, text: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend(text);
}

/// A field that an event has, has with another type, or has not.
fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let tag = prop_oneof![8 => 1_u32..=21, 4 => 30_u32..=46, 1 => Just(u32::MAX >> 3)];
    let wire = prop_oneof![9 => Just(None), 1 => (0_u8..6).prop_map(Some)];
    let value = (any::<u64>(), 0_u32..64, any_name(), any_id(), any_detail());
    (tag, wire, value).prop_map(|(tag, wire, (bits, shift, name, id, detail))| {
        let usual = match tag {
            1 | 4 | 5 | 7 | 8 | 20 | 32.. => WireType::LengthDelimited,
            13..=17 => WireType::SixtyFourBit,
            _ => WireType::Varint,
        };
        let wire = wire.map_or(usual, |wire| WireType::try_from(u64::from(wire)).expect("below 6"));
        let mut field = Vec::new();
        if wire == WireType::LengthDelimited {
            let text = match tag {
                _ if IDS.contains(&tag) => id.as_bytes(),
                32.. => &detail,
                _ => name.as_bytes(),
            };
            push_text(&mut field, tag, text);
            return field;
        }
        encode_key(tag, wire, &mut field);
        match wire {
            WireType::Varint => encode_varint(bits >> shift, &mut field),
            WireType::SixtyFourBit => field.extend(bits.to_le_bytes()),
            WireType::ThirtyTwoBit => field.extend((bits as u32).to_le_bytes()),
            WireType::StartGroup => encode_key(tag, WireType::EndGroup, &mut field),
            WireType::EndGroup | WireType::LengthDelimited => {}
        }
        field
    })
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any_field(), 0..25).prop_map(|fields| fields.concat())
}

/// That both types read the same of `payload`, or refuse it in the same words, and
/// write what they read alike. An id that is none is refused by the own one alone.
fn agree(payload: &[u8]) -> Result<(), TestCaseError> {
    let own = FleetEvent::decode(payload);
    let generated = generated::FleetEvent::decode(payload);
    match (own, generated) {
        (Ok(own), Ok(generated)) => {
            prop_assert_eq!(own.encode_to_vec(), generated.encode_to_vec());
            prop_assert_eq!(own.encoded_len(), generated.encoded_len());
            prop_assert_eq!(own.op() as i32, generated.op() as i32);
            prop_assert_eq!(own.reason() as i32, generated.reason() as i32);
            prop_assert_eq!(own.vehicle_id.as_str(), &generated.vehicle_id);
            prop_assert_eq!(own.fence_id.as_str(), &generated.fence_id);
            let ids = [own.event_id, own.visit_id, own.episode_id, own.replaces];
            let texts = [
                &generated.event_id,
                &generated.visit_id,
                &generated.episode_id,
                &generated.replaces,
            ];
            for (id, text) in ids.into_iter().zip(texts) {
                prop_assert_eq!(&*id.text(), text);
            }
        }
        (Err(own), Err(generated)) => {
            // Of damage behind an id that is none nothing is known.
            if !own.to_string().contains("no id") {
                prop_assert_eq!(own.to_string(), generated.to_string());
            }
        }
        (Err(own), Ok(_)) => {
            prop_assert!(own.to_string().contains("no id"), "{}", own);
        }
        (Ok(own), Err(generated)) => prop_assert!(false, "{generated}, but {own:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn is_read_and_written_as_the_generated_type_is(payload in any_payload()) {
        agree(&payload)?;
    }

    #[test]
    fn damaged_bytes_are_read_as_the_generated_type_reads_them(
        payload in any_payload(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut payload = payload;
        for (place, byte) in flips {
            if !payload.is_empty() {
                let place = place.index(payload.len());
                payload[place] = byte;
            }
        }
        payload.truncate(end.index(payload.len() + 1).max(payload.len() / 2));
        agree(&payload)?;
    }

    /// In pieces, as bytes may come off a connection.
    #[test]
    fn a_payload_in_two_pieces_is_read_alike(
        payload in any_payload(),
        cut in any::<prop::sample::Index>(),
    ) {
        use prost::bytes::Buf as _;
        let (first, second) = payload.split_at(cut.index(payload.len() + 1));
        let whole = FleetEvent::decode(payload.as_slice()).map(|event| event.encode_to_vec());
        let pieces = FleetEvent::decode(first.chain(second)).map(|event| event.encode_to_vec());
        prop_assert_eq!(pieces, whole);
    }
}

#[test]
fn a_text_that_is_no_id_is_refused_by_its_field() {
    for (tag, field) in IDS.into_iter().zip(["event_id", "visit_id", "episode_id", "replaces"]) {
        for text in ["0af7", &"0".repeat(32), &"F".repeat(32), &"f".repeat(33)] {
            let mut payload = Vec::new();
            push_text(&mut payload, tag, text.as_bytes());
            let error = FleetEvent::decode(payload.as_slice()).unwrap_err().to_string();
            let expected = "no id: expected 32 lower-case hexadecimal digits, not all of them 0";
            assert!(error.ends_with(&format!("FleetEvent.{field}: {expected}")), "{error}");
        }
    }
}

#[test]
fn of_a_field_that_comes_again_the_last_counts() {
    let mut payload = FleetEvent {
        event_id: Id::new(1),
        vehicle_id: "a".repeat(40).into(),
        lat: Some(1.0),
        ..FleetEvent::default()
    }
    .encode_to_vec();
    let last = FleetEvent {
        event_id: Id::new(2),
        vehicle_id: "b".into(),
        lat: Some(2.0),
        ..FleetEvent::default()
    };
    payload.extend(last.encode_to_vec());
    assert_eq!(FleetEvent::decode(payload.as_slice()).unwrap(), last);
    // And an empty text takes back what was said before.
    push_text(&mut payload, 1, b"");
    push_text(&mut payload, 4, b"");
    let event = FleetEvent::decode(payload.as_slice()).unwrap();
    assert_eq!((event.event_id, event.vehicle_id.as_str()), (Id::NONE, ""));
}

#[test]
fn an_event_is_no_larger_than_its_pieces_were() {
    assert!(size_of::<FleetEvent>() <= size_of::<generated::FleetEvent>());
}
