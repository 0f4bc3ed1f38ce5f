//! Ids of events, visits and episodes.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, encode_key, key_len};

use super::text;

/// Digits of an id that is text.
pub const ID_DIGITS: usize = 32;

/// Id of an event, a visit or an episode: a hash of 128 bits, 32 lower-case
/// hexadecimal digits wherever it is text. Zero is none, and an empty text on
/// the wire. Its bytes lie as its digits do, the first ones first.
///
/// ```
/// use protos::events::Id;
/// let id: Id = "000000000000000000000000000000ff".parse().unwrap();
/// assert_eq!(id, Id::new(255));
/// assert_eq!((&*id.text(), &*Id::NONE.text()), ("000000000000000000000000000000ff", ""));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

/// Text that is no [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId;

/// An [`Id`] as text: its digits, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    digits: [u8; ID_DIGITS],
    length: usize,
}

impl Id {
    /// No id: that of a message without the field.
    pub const NONE: Self = Self([0; 16]);

    /// The id that is this number.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// The number that it is.
    #[must_use]
    pub const fn number(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// Whether it is [`Self::NONE`].
    #[must_use]
    #[inline]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// As it is written everywhere; empty for none.
    #[must_use]
    #[inline]
    pub fn text(self) -> IdText {
        IdText { digits: self.digits(), length: if self.is_none() { 0 } else { ID_DIGITS } }
    }

    /// Without a table and without a branch, so that all digits are made at once.
    #[inline]
    pub(crate) fn digits(self) -> [u8; ID_DIGITS] {
        let mut digits = [0; ID_DIGITS];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            let byte = u16::from(byte);
            // The first digit's value in the low byte, the second's in the high one.
            let values = (byte >> 4 | byte << 8) & 0x0f0f;
            let letters = (values + 0x0606) >> 4 & 0x0101;
            *pair = (values + 0x3030 + letters * LETTERS_AFTER).to_le_bytes();
        }
        digits
    }
}

impl fmt::Display for Id {
    /// All digits, of none too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).expect(ASCII))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = NoId;

    /// Reads what [`Id::text`] writes, and nothing else: whatever is read is
    /// written again as it was.
    fn from_str(text: &str) -> Result<Self, NoId> {
        if text.is_empty() {
            return Ok(Self::NONE);
        }
        let digits: &[u8; ID_DIGITS] = text.as_bytes().try_into().map_err(|_| NoId)?;
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NoId),
        };
        let mut id = Self::NONE;
        for (byte, [high, low]) in id.0.iter_mut().zip(digits.as_chunks().0) {
            *byte = value(*high)? << 4 | value(*low)?;
        }
        if id.is_none() { Err(NoId) } else { Ok(id) }
    }
}

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no id: expected 32 lower-case hexadecimal digits, not all of them 0")
    }
}

impl std::error::Error for NoId {}

impl Deref for IdText {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        str::from_utf8(&self.digits[..self.length]).expect(ASCII)
    }
}

/// How much farther `a` is from ten than `0` is from nothing.
const LETTERS_AFTER: u16 = (b'a' - b'0' - 10) as u16;

const ASCII: &str = "digits are ASCII";

/// Appends an id unless there is none.
#[inline]
pub(super) fn encode(tag: u32, id: Id, out: &mut impl BufMut) {
    if !id.is_none() {
        encode_key(tag, WireType::LengthDelimited, out);
        out.put_u8(ID_DIGITS as u8);
        out.put_slice(&id.digits());
    }
}

/// Bytes that [`encode`] appends.
#[inline]
pub(super) fn encoded_len(tag: u32, id: Id) -> usize {
    if id.is_none() { 0 } else { key_len(tag) + 1 + ID_DIGITS }
}

/// Reads an id into `id`.
pub(super) fn merge(
    wire: WireType,
    id: &mut Id,
    from: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    *id = text::read(wire, from, context, str::parse)?.map_err(refused)?;
    Ok(())
}

#[cold]
#[expect(deprecated, reason = "there is no other way to refuse a value")]
fn refused(error: NoId) -> DecodeError {
    DecodeError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_a_number_is() {
        for number in [
            1,
            u128::MAX / 255 * 0x9a,
            0x0123_4567_89ab_cdef_fedc_ba98_7654_3210,
            u128::MAX,
            u128::MAX / 3,
        ] {
            let text = format!("{number:032x}");
            assert_eq!(&*Id::new(number).text(), text);
            assert_eq!(Id::new(number).to_string(), text);
            assert_eq!(text.parse(), Ok(Id::new(number)));
        }
    }

    #[test]
    fn no_id_is_an_empty_text() {
        assert_eq!(&*Id::NONE.text(), "");
        assert_eq!("".parse(), Ok(Id::NONE));
        assert_eq!(Id::NONE.to_string(), "0".repeat(32));
    }

    #[test]
    fn what_would_be_written_otherwise_is_no_id() {
        let texts = [
            "0".repeat(32),
            "f".repeat(31),
            "f".repeat(33),
            "F".repeat(32),
            "g".repeat(32),
            format!("+{}", "f".repeat(31)),
            format!(" {}", "f".repeat(31)),
            "ü".repeat(16),
        ];
        for text in texts {
            assert_eq!(text.parse::<Id>(), Err(NoId), "{text:?}");
        }
    }
}
