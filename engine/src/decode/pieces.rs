//! Cuts a body into pings without decoding them, so that one bad ping does
//! not take the others with it. The pieces share the body's memory.
//!
//! Only so many are kept, the rest is counted: a body of a million commas
//! costs no more memory than its bytes.

use std::fmt;

use bytes::{Buf, Bytes};
use prost::encoding::{self, DecodeContext, decode_key, skip_field};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What some write before a text in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// `text` without a byte order mark at its front: nobody may send JSON with one,
/// and who reads it may ignore it (RFC 8259 §8.1).
pub(crate) fn without_byte_order_mark(text: &Bytes) -> Bytes {
    let marked = text.starts_with(BYTE_ORDER_MARK);
    text.slice(if marked { BYTE_ORDER_MARK.len() } else { 0 }..)
}

/// The pings of a body, each as sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// The first, at most as many as were asked for.
    pub(crate) kept: Vec<Bytes>,
    /// How many there are.
    pub(crate) count: usize,
}

impl Pieces {
    fn add(&mut self, piece: Bytes, max: usize) {
        self.count += 1;
        if self.count <= max {
            self.kept.push(piece);
        }
    }
}

/// The elements of the JSON array that `body` is, `max` of them kept.
pub(crate) fn cut_array(body: &Bytes, max: usize) -> Result<Pieces, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let pieces = json.deserialize_seq(Elements { body, max })?;
    json.end()?;
    Ok(pieces)
}

/// Takes the elements of an array as they stand.
struct Elements<'b> {
    body: &'b Bytes,
    max: usize,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Pieces;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of pings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Pieces, A::Error> {
        let mut pieces = Pieces::default();
        while pieces.count < self.max {
            match array.next_element::<&'de RawValue>()? {
                Some(raw) => pieces.add(self.body.slice_ref(raw.get().as_bytes()), self.max),
                None => return Ok(pieces),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {
            pieces.count += 1;
        }
        Ok(pieces)
    }
}

/// The lines of `body` that are not blank, `max` of them kept: each is a ping,
/// valid or not.
pub(crate) fn cut_lines(body: &Bytes, max: usize) -> Pieces {
    let mut pieces = Pieces::default();
    let lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| !line.is_empty()) {
        pieces.add(body.slice_ref(line), max);
    }
    pieces
}

/// Field 1 of a `VehiclePingBatch`.
const PINGS_TAG: u32 = 1;
/// Its key: its number and its wire type.
const PINGS_KEY: u8 = 1 << 3 | 2;
/// A vehicle, a time and a position take about that.
const PING_BYTES_USUAL_MIN: usize = 32;

/// The pings of the encoded `VehiclePingBatch` that `body` is, which stay
/// encoded, `max` of them kept.
pub(crate) fn cut_batch(body: &Bytes, max: usize) -> Result<Pieces, prost::DecodeError> {
    match cut_plain_batch(body, max) {
        Some(pieces) => Ok(pieces),
        None => cut_any_batch(body, max),
    }
}

/// Cuts a batch as this version writes it: nothing but pings, each with a
/// length of one or two bytes.
fn cut_plain_batch(body: &Bytes, max: usize) -> Option<Pieces> {
    let expected = max.min(body.len() / PING_BYTES_USUAL_MIN);
    let mut pieces = Pieces { kept: Vec::with_capacity(expected), count: 0 };
    let mut rest = &body[..];
    while let [PINGS_KEY, behind @ ..] = rest {
        let (length, behind) = match behind {
            [length @ ..0x80, behind @ ..] => (usize::from(*length), behind),
            [low, high @ ..0x80, behind @ ..] => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, behind)
            }
            _ => return None,
        };
        rest = behind.get(length..)?;
        let end = body.len() - rest.len();
        pieces.add(body.slice(end - length..end), max);
    }
    rest.is_empty().then_some(pieces)
}

/// Cuts a batch as any version may write it.
fn cut_any_batch(body: &Bytes, max: usize) -> Result<Pieces, prost::DecodeError> {
    let mut pieces = Pieces::default();
    let mut rest = body.clone();
    while rest.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rest)?;
        let context = DecodeContext::default();
        if tag == PINGS_TAG {
            let mut ping = Bytes::new();
            encoding::bytes::merge(wire_type, &mut ping, &mut rest, context)?;
            pieces.add(ping, max);
        } else {
            skip_field(wire_type, tag, &mut rest, context)?;
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use prost::encoding::{WireType, encode_key, encode_varint};

    use super::*;

    /// What prost makes of a batch.
    #[derive(Clone, PartialEq, prost::Message)]
    struct EncodedBatch {
        #[prost(bytes = "bytes", repeated, tag = "1")]
        pings: Vec<Bytes>,
    }

    /// A ping, or what a later version or a broken sender might write.
    fn any_field() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![8 => 0_usize..300, 1 => 16_000_usize..17_000];
        let ping = length.prop_map(|length| {
            let mut field = Vec::new();
            encode_key(1, WireType::LengthDelimited, &mut field);
            encode_varint(length as u64, &mut field);
            field.resize(field.len() + length, 0x0a);
            field
        });
        let other = prop_oneof![
            Just(b"\x10\x05".to_vec()),
            Just(b"\x08\x05".to_vec()),
            Just(b"\x8a\x00\x01x".to_vec()),
            Just(b"\x0a\x81\x00x".to_vec()),
            Just(b"\x0a\x81\x80\x00x".to_vec()),
            Just(b"\x0b\x0c".to_vec()),
        ];
        prop_oneof![30 => ping, 1 => other]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn a_batch_is_cut_as_prost_decodes_it(
            fields in prop::collection::vec(any_field(), 0..20),
            keep in prop::option::of(any::<prop::sample::Index>()),
            max in 0_usize..25,
        ) {
            let mut bytes = fields.concat();
            bytes.truncate(keep.map_or(bytes.len(), |keep| keep.index(bytes.len() + 1)));
            let bytes = Bytes::from(bytes);
            let decoded = EncodedBatch::decode(bytes.clone()).map(|batch| {
                let count = batch.pings.len();
                Pieces { kept: batch.pings.into_iter().take(max).collect(), count }
            });
            prop_assert_eq!(cut_batch(&bytes, max).ok(), decoded.ok());
        }
    }

    #[test]
    fn a_plain_batch_is_cut_without_prost() {
        let pings: Vec<Bytes> =
            [0, 1, 127, 128, 300, 16_383].map(|length| Bytes::from(vec![b'x'; length])).into();
        let bytes = EncodedBatch { pings: pings.clone() }.encode_to_vec().into();
        assert_eq!(cut_plain_batch(&bytes, 6), Some(Pieces { kept: pings, count: 6 }));
        assert_eq!(cut_plain_batch(&Bytes::from_static(b"\x0a\x00\x10\x05"), 6), None);
    }
}
