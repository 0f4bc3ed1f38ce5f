//! Positions as well-known text.

use geofence::Position;

/// Whole degrees to grid units.
const UNITS_PER_DEGREE: u32 = 10_000_000;

/// Degrees are put down in so many bytes, before what is not theirs is cut off.
const DEGREES_BYTES: usize = 16;

/// The longest point, `POINT(-180.1234567 -90.1234567)`, has 31 bytes.
const POINT_BYTES: usize = 64;

/// A position as `POINT(lon lat)`.
pub(crate) struct Point {
    bytes: [u8; POINT_BYTES],
    length: usize,
}

impl Point {
    /// Its text, which is ASCII.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// `position` in the fewest digits that name the grid point exactly.
pub(crate) fn point(position: Position) -> Point {
    const OPENING: &[u8] = b"POINT(";
    let mut bytes = [0; POINT_BYTES];
    let (lon, lon_bytes) = degrees(position.lon);
    let (lat, lat_bytes) = degrees(position.lat);
    let space = OPENING.len() + lon_bytes;
    let end = space + 1 + lat_bytes;
    bytes[..OPENING.len()].copy_from_slice(OPENING);
    bytes[OPENING.len()..][..DEGREES_BYTES].copy_from_slice(&lon);
    bytes[space + 1..][..DEGREES_BYTES].copy_from_slice(&lat);
    bytes[space] = b' ';
    bytes[end] = b')';
    Point { bytes, length: end + 1 }
}

/// `units` as degrees, at the front of the bytes, and how many bytes they are.
fn degrees(units: i32) -> ([u8; DEGREES_BYTES], usize) {
    let magnitude = units.unsigned_abs();
    let (whole, decimals) = (magnitude / UNITS_PER_DEGREE, magnitude % UNITS_PER_DEGREE);
    let digit = |place: u32| b'0' + (whole / place % 10) as u8;
    let mut places = eight_digits(decimals);
    places[0] = b'.';
    let mut start = 5 + usize::from(whole < 100) + usize::from(whole < 10);
    let mut text = [0; DEGREES_BYTES];
    text[5..8].copy_from_slice(&[digit(100), digit(10), digit(1)]);
    text[8..].copy_from_slice(&places);
    if units < 0 {
        start -= 1;
        text[start] = b'-';
    }
    let others = u64::from_le_bytes(places) ^ u64::from_le_bytes([b'0'; 8]);
    let zeros = (others.leading_zeros() / 8) as usize;
    // Without a decimal there is no point.
    let unused = if zeros == places.len() - 1 { places.len() } else { zeros };
    // Moved as a number, which takes no call.
    let front = u128::from_le_bytes(text) >> (8 * start);
    (front.to_le_bytes(), DEGREES_BYTES - unused - start)
}

/// The digits of `number`, which is below 10^8: halves, their halves and the
/// halves of these side by side in one word, each divided by multiplying.
fn eight_digits(number: u32) -> [u8; 8] {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((fours * 5_243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - 10 * tens) << 8;
    (digits | u64::from_le_bytes([b'0'; 8])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0, "POINT(0 0)")]
    #[case(-977_431_061, 302_672_000, "POINT(-97.7431061 30.2672)")]
    #[case(1_800_000_000, -900_000_000, "POINT(180 -90)")]
    #[case(-1_800_000_000, 1, "POINT(-180 0.0000001)")]
    #[case(-1, 100_000_000, "POINT(-0.0000001 10)")]
    fn named_points(#[case] lon: i32, #[case] lat: i32, #[case] expected: &str) {
        assert_eq!(point(Position { lat, lon }).as_bytes(), expected.as_bytes());
    }

    #[test]
    fn digits_are_those_of_the_number() {
        // Both halves take every value that they can have.
        for half in 0..10_000 {
            for number in [half, 10_000 * half, 10_000 * half + 9_999, 99_990_000 + half] {
                assert_eq!(eight_digits(number), *format!("{number:08}").as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_the_same_point(lat in -900_000_000..=900_000_000, lon in -1_800_000_000..=1_800_000_000) {
            let position = Position { lat, lon };
            let point = point(position);
            let text = std::str::from_utf8(point.as_bytes()).unwrap();
            let inner = text.strip_prefix("POINT(").unwrap().strip_suffix(')').unwrap();
            let (lon, lat) = inner.split_once(' ').unwrap();
            let read = Position::from_degrees(lat.parse().unwrap(), lon.parse().unwrap());
            prop_assert_eq!(read, Some(position));
        }
    }
}
