//! Positions as well-known text.

use geofence::Position;

/// Whole degrees to grid units.
const UNITS_PER_DEGREE: u32 = 10_000_000;

/// Writes `POINT(lon lat)` over what `text` holds, in the fewest digits that
/// name the grid point exactly.
pub(crate) fn point(text: &mut String, position: Position) {
    text.clear();
    text.push_str("POINT(");
    push_degrees(text, position.lon);
    text.push(' ');
    push_degrees(text, position.lat);
    text.push(')');
}

fn push_degrees(text: &mut String, units: i32) {
    if units < 0 {
        text.push('-');
    }
    let units = units.unsigned_abs();
    // Filled from the right: seven decimals, a point, three digits of degrees.
    let mut digits = *b"000.0000000";
    let (mut degrees, mut decimals) = (units / UNITS_PER_DEGREE, units % UNITS_PER_DEGREE);
    let mut end = 3;
    for index in (4..digits.len()).rev() {
        let digit = (decimals % 10) as u8;
        decimals /= 10;
        digits[index] = b'0' + digit;
        if digit != 0 && end == 3 {
            end = index + 1;
        }
    }
    let mut start = 3;
    for index in (0..3).rev() {
        digits[index] = b'0' + (degrees % 10) as u8;
        start = index;
        degrees /= 10;
        if degrees == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[start..end]).expect("digits and a point"));
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
        let mut text = "old".to_owned();
        point(&mut text, Position { lat, lon });
        assert_eq!(text, expected);
    }

    proptest! {
        #[test]
        fn reads_back_as_the_same_point(lat in -900_000_000..=900_000_000, lon in -1_800_000_000..=1_800_000_000) {
            let position = Position { lat, lon };
            let mut text = String::new();
            point(&mut text, position);
            let inner = text.strip_prefix("POINT(").unwrap().strip_suffix(')').unwrap();
            let (lon, lat) = inner.split_once(' ').unwrap();
            let read = Position::from_degrees(lat.parse().unwrap(), lon.parse().unwrap());
            prop_assert_eq!(read, Some(position));
        }
    }
}
