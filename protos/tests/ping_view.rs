//! `PingView` against the generated decoder of the same message.

use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use protos::PingView;
use protos::telemetry::VehiclePing;

/// Debug text, because a damaged double may be NaN.
fn read(payload: &[u8]) -> Option<String> {
    PingView::decode(payload).ok().map(|view| format!("{:?}", view.to_ping()))
}

fn generated(payload: &[u8]) -> Option<String> {
    VehiclePing::decode(payload).ok().map(|ping| format!("{ping:?}"))
}

/// Some are too long for a length of one byte.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[a-zü]{0,9}", 1 => Just("ü".repeat(100))]
}

/// The number with more bytes than it needs, as some encoders write it.
fn encode_longer(value: u64, more: usize, out: &mut Vec<u8>) {
    encode_varint(value, out);
    if more > 0 {
        *out.last_mut().expect("a number has a byte") |= 0x80;
        out.resize(out.len() + more - 1, 0x80);
        out.push(0);
    }
}

/// A field that a ping has, has with another type, or has not.
fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let tag =
        prop_oneof![8 => 1_u32..=18, 1 => 19_u32..=21, 1 => Just(100), 1 => Just(u32::MAX >> 3)];
    let wire = prop_oneof![6 => Just(None), 1 => (0_u8..6).prop_map(Some)];
    let more = || prop_oneof![8 => Just(0_usize), 1 => 1_usize..10];
    let value = (any::<u64>(), 0_u32..64, any_text());
    (tag, wire, value, (more(), more())).prop_map(|(tag, wire, value, more)| {
        let (bits, shift, text) = value;
        let usual = match tag {
            1 | 2 | 16..=18 => WireType::LengthDelimited,
            3 | 4 | 12 => WireType::Varint,
            _ => WireType::SixtyFourBit,
        };
        let wire = wire.map_or(usual, |wire| WireType::try_from(u64::from(wire)).expect("below 6"));
        let mut field = Vec::new();
        encode_longer(u64::from(tag << 3 | wire as u32), more.0, &mut field);
        match wire {
            WireType::Varint => encode_longer(bits >> shift, more.1, &mut field),
            WireType::SixtyFourBit => field.extend(bits.to_le_bytes()),
            WireType::LengthDelimited => {
                encode_longer(text.len() as u64, more.1, &mut field);
                field.extend(text.as_bytes());
            }
            WireType::StartGroup => encode_key(tag, WireType::EndGroup, &mut field),
            WireType::EndGroup => {}
            WireType::ThirtyTwoBit => field.extend((bits as u32).to_le_bytes()),
        }
        field
    })
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any_field(), 0..25).prop_map(|fields| fields.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn reads_what_the_generated_decoder_reads(payload in any_payload()) {
        prop_assert_eq!(read(&payload), generated(&payload));
    }

    #[test]
    fn reads_of_damaged_bytes_what_the_generated_decoder_reads(
        payload in any_payload(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut payload = payload;
        payload.push(0x20);
        for (index, byte) in flips {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        payload.truncate(keep.map_or(payload.len(), |keep| keep.index(payload.len() + 1)));
        prop_assert_eq!(read(&payload), generated(&payload));
    }

    #[test]
    fn a_view_of_a_message_is_the_view_of_its_bytes(payload in any_payload()) {
        if let Ok(ping) = VehiclePing::decode(&payload[..]) {
            prop_assume!(!format!("{ping:?}").contains("NaN"));
            let bytes = ping.encode_to_vec();
            prop_assert_eq!(PingView::from(&ping), PingView::decode(&bytes).unwrap());
        }
    }
}

#[test]
fn an_error_is_told_in_the_generated_decoders_words() {
    let cut_short: &[u8] = b"\x0a\x7f";
    let words = VehiclePing::decode(cut_short).expect_err("cut short").to_string();
    assert_eq!(PingView::decode(cut_short).expect_err("cut short").to_string(), words);
}

/// Keys and lengths may be longer than they need be; no number may have more
/// than ten bytes or more than 64 bits.
#[test]
fn odd_spellings_are_judged_alike() {
    let payloads: [&[u8]; 9] = [
        b"",
        b"\x8a\x00\x01x",
        b"\x0a\x81\x00x",
        b"\x00\x00",
        b"\x07",
        b"\xff\xff\xff\xff\x1f\x00",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
    ];
    for payload in payloads {
        assert_eq!(read(payload), generated(payload), "{payload:x?}");
    }
}
