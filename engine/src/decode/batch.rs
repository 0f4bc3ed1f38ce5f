//! A batch cut into its pings, which stay encoded.

use bytes::Bytes;
use prost::Message;

use super::{DecodeError, PINGS_PER_BATCH_MAX, check_count};

/// The pings of an encoded `VehiclePingBatch`, each a slice of it.
///
/// # Errors
/// The bytes are no batch, or one of too many pings.
pub(super) fn cut(bytes: &Bytes) -> Result<Vec<Bytes>, DecodeError> {
    let pings = match cut_plain(bytes) {
        Some(pings) => pings,
        None => EncodedBatch::decode(bytes.clone()).map_err(no_batch)?.pings,
    };
    check_count(pings.len())?;
    Ok(pings)
}

/// Cuts a batch as this version writes it: nothing but pings, each with a
/// length of one or two bytes.
fn cut_plain(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let expected = PINGS_PER_BATCH_MAX.min(bytes.len() / PING_BYTES_USUAL_MIN);
    let mut pings = Vec::with_capacity(expected);
    let mut rest = &bytes[..];
    while let [PINGS_KEY, behind @ ..] = rest {
        let (length, behind) = match behind {
            [length @ ..0x80, behind @ ..] => (usize::from(*length), behind),
            [low, high @ ..0x80, behind @ ..] => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, behind)
            }
            _ => return None,
        };
        rest = behind.get(length..)?;
        let end = bytes.len() - rest.len();
        pings.push(bytes.slice(end - length..end));
    }
    rest.is_empty().then_some(pings)
}

/// Key of a batch's one field: its number and its wire type.
const PINGS_KEY: u8 = 1 << 3 | 2;
/// A vehicle, a time and a position take about that.
const PING_BYTES_USUAL_MIN: usize = 32;

/// A batch as any version may write it. From `Bytes`, prost gives each ping as
/// a slice of the message.
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedBatch {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pings: Vec<Bytes>,
}

fn no_batch(error: prost::DecodeError) -> DecodeError {
    DecodeError::Protobuf { message: "VehiclePingBatch", detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::{WireType, encode_key, encode_varint};

    use super::*;

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
        fn cuts_what_prost_decodes(
            fields in prop::collection::vec(any_field(), 0..20),
            keep in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = fields.concat();
            bytes.truncate(keep.map_or(bytes.len(), |keep| keep.index(bytes.len() + 1)));
            let bytes = Bytes::from(bytes);
            let decoded = EncodedBatch::decode(bytes.clone());
            prop_assert_eq!(cut(&bytes), decoded.map(|batch| batch.pings).map_err(no_batch));
        }
    }

    #[test]
    fn a_plain_batch_is_cut_without_prost() {
        let pings: Vec<Bytes> =
            [0, 1, 127, 128, 300, 16_383].map(|length| Bytes::from(vec![b'x'; length])).into();
        let bytes = EncodedBatch { pings: pings.clone() }.encode_to_vec().into();
        assert_eq!(cut_plain(&bytes), Some(pings));
        assert_eq!(cut_plain(&Bytes::from_static(b"\x0a\x00\x10\x05")), None);
    }
}
