//! The three protobuf encodings a `VehiclePing` is made of.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

/// A whole number or a flag.
pub(super) fn varint(out: &mut Vec<u8>, tag: u32, value: u64) {
    key(out, tag, VARINT);
    raw_varint(out, value);
}

/// A double.
pub(super) fn double(out: &mut Vec<u8>, tag: u32, value: f64) {
    key(out, tag, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Text.
pub(super) fn bytes(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    key(out, tag, LENGTH_DELIMITED);
    raw_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn key(out: &mut Vec<u8>, tag: u32, wire_type: u32) {
    raw_varint(out, u64::from(tag << 3 | wire_type));
}

fn raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
