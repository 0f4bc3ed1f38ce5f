//! Names and ids on the wire, where they are texts.

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, string,
};
use smol_str::SmolStr;

/// Appends a text unless it is empty.
#[inline]
pub(super) fn encode(tag: u32, text: &str, out: &mut impl BufMut) {
    if !text.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(text.len() as u64, out);
        out.put_slice(text.as_bytes());
    }
}

/// Bytes that [`encode`] appends.
#[inline]
pub(super) fn encoded_len(tag: u32, text: &str) -> usize {
    match text.len() {
        0 => 0,
        length => key_len(tag) + encoded_len_varint(length as u64) + length,
    }
}

/// Reads a text into `text`.
pub(super) fn merge(
    wire: WireType,
    text: &mut SmolStr,
    from: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    *text = read(wire, from, context, |text| SmolStr::new(text))?;
    Ok(())
}

/// What `value` makes of the text that comes next. A short one is read where it
/// lies; any other, and whatever is none, is left to the generated types'
/// reader, so that they say the same of it.
pub(super) fn read<T>(
    wire: WireType,
    from: &mut impl Buf,
    context: DecodeContext,
    value: impl FnOnce(&str) -> T,
) -> Result<T, DecodeError> {
    if wire == WireType::LengthDelimited
        && let [length @ ..0x80, rest @ ..] = from.chunk()
        && let length = usize::from(*length)
        && let Some(text) = rest.get(..length)
        && let Ok(text) = str::from_utf8(text)
    {
        let value = value(text);
        from.advance(1 + length);
        return Ok(value);
    }
    let mut text = String::new();
    string::merge(wire, &mut text, from, context)?;
    Ok(value(&text))
}
