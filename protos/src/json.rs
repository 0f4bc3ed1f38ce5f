//! Writing JSON straight into a byte buffer, key by key, and the one text form
//! of a time: RFC 3339, UTC, milliseconds.
//!
//! For the records that leave by the million (events, positions, dead
//! letters): no tree of values, no allocation beyond the buffer.

use crate::events::{ID_DIGITS, Id};

/// First millisecond that four digits of a year can name: 0000-01-01.
const TIME_MS_MIN: i64 = -62_167_219_200_000;
/// Last one: 9999-12-31T23:59:59.999Z.
const TIME_MS_MAX: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;
/// Length of a time.
const TIME_BYTES: usize = 24;
/// Room for the longest key with what stands round it.
const KEY_ROOM_BYTES: usize = 64;

/// The two digits of every number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

/// An object being written. Keys go out in the order of the calls; the caller
/// names none twice, and none of more than 48 bytes.
///
/// ```
/// let mut line = Vec::new();
/// let mut object = protos::json::Object::open(&mut line);
/// object.text("vehicle_id", "bus-7").time("event_time", 1_480_075_200_000);
/// object.close();
/// assert_eq!(line, br#"{"vehicle_id":"bus-7","event_time":"2016-11-25T12:00:00.000Z"}"#);
/// ```
#[derive(Debug)]
#[must_use = "an object that is not closed is no JSON"]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Where it begins.
    start: usize,
    /// The first time that was written, in milliseconds and as text: an event's
    /// others are mostly the same.
    first_time: Option<(i64, [u8; TIME_BYTES])>,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, first_time: None }
    }

    /// Closes it.
    pub fn close(self) {
        match self.out.get_mut(self.start) {
            // In place of the first key's comma.
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// A string.
    #[inline(always)]
    pub fn text(&mut self, key: &'static str, value: &str) -> &mut Self {
        if must_be_escaped(value) {
            self.key(key, b"");
            push_text(self.out, value);
        } else {
            self.key(key, b"\"");
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        }
        self
    }

    /// A string, left out when empty.
    #[inline(always)]
    pub fn text_unless_empty(&mut self, key: &'static str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.text(key, value) }
    }

    /// A word of ours, in which nothing has to be escaped; left out when empty.
    #[inline(always)]
    pub(crate) fn word_unless_empty(&mut self, key: &'static str, word: &'static str) -> &mut Self {
        if !word.is_empty() {
            self.key(key, b"\"");
            self.out.extend_from_slice(word.as_bytes());
            self.out.push(b'"');
        }
        self
    }

    /// An id; empty if there is none.
    #[inline(always)]
    pub(crate) fn id(&mut self, key: &'static str, id: Id) -> &mut Self {
        let mut text = [b'"'; ID_DIGITS + 1];
        text[..ID_DIGITS].copy_from_slice(&id.digits());
        self.key(key, b"\"");
        self.out.extend_from_slice(if id.is_none() { b"\"" } else { &text });
        self
    }

    /// An id, left out if there is none.
    #[inline(always)]
    pub(crate) fn id_if_any(&mut self, key: &'static str, id: Id) -> &mut Self {
        if id.is_none() { self } else { self.id(key, id) }
    }

    /// An integer.
    #[inline(always)]
    pub fn integer(&mut self, key: &'static str, value: u64) -> &mut Self {
        self.key(key, b"");
        push_integer(self.out, value);
        self
    }

    /// A number in the fewest digits that read back as the same value; `null`
    /// if it is not finite.
    #[inline(always)]
    pub fn number(&mut self, key: &'static str, value: f64) -> &mut Self {
        self.key(key, b"");
        if !push_decimal(self.out, value) {
            serde_json::to_writer(&mut *self.out, &value).expect("a Vec takes every byte");
        }
        self
    }

    /// A number, left out when unknown.
    #[inline(always)]
    pub fn number_if_known(&mut self, key: &'static str, value: Option<f64>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// `true` or `false`.
    #[inline(always)]
    pub fn flag(&mut self, key: &'static str, value: bool) -> &mut Self {
        if value {
            self.key(key, b"true")
        } else {
            self.key(key, b"false")
        }
        self
    }

    /// A time, given in milliseconds since the Unix epoch.
    #[inline(always)]
    pub fn time(&mut self, key: &'static str, ms: i64) -> &mut Self {
        self.key(key, b"\"");
        let time = match &self.first_time {
            Some((first, time)) if *first == ms => *time,
            Some(_) => time_text(ms),
            None => self.first_time.insert((ms, time_text(ms))).1,
        };
        let mut text = [b'"'; TIME_BYTES + 1];
        text[..TIME_BYTES].copy_from_slice(&time);
        self.out.extend_from_slice(&text);
        self
    }

    /// A list of strings.
    pub fn texts<'t>(
        &mut self,
        key: &'static str,
        values: impl IntoIterator<Item = &'t str>,
    ) -> &mut Self {
        self.key(key, b"[");
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            push_text(self.out, value);
        }
        self.out.push(b']');
        self
    }

    /// A comma, the key, its colon and the `opening` of its value. In the caller
    /// all of them have a length that the compiler knows: put together before they
    /// are appended they are some words to store and one look for room. And
    /// nothing is asked of what was written before.
    #[inline(always)]
    fn key<const N: usize>(&mut self, key: &'static str, opening: &'static [u8; N]) {
        let mut text = [0; KEY_ROOM_BYTES];
        let colon = 2 + key.len();
        let end = colon + 2 + N;
        text[..2].copy_from_slice(b",\"");
        text[2..colon].copy_from_slice(key.as_bytes());
        text[colon..colon + 2].copy_from_slice(b"\":");
        text[colon + 2..end].copy_from_slice(opening);
        self.out.extend_from_slice(&text[..end]);
    }
}

fn must_be_escaped(text: &str) -> bool {
    // No early end, so that sixteen bytes and more are looked at in one go.
    let escapes = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    text.bytes().fold(false, |found, byte| found | escapes(byte))
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    if must_be_escaped(text) {
        serde_json::to_writer(out, text).expect("a Vec takes every byte, a str is always JSON");
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

fn push_integer(out: &mut Vec<u8>, value: u64) {
    // 2^64 has 20 digits.
    let mut text = [0; 20];
    let start = put_integer(&mut text, value);
    out.extend_from_slice(&text[start..]);
}

/// Puts the digits of `value` at the end of `text`; says where they begin.
#[inline(always)]
fn put_integer(text: &mut [u8], mut value: u64) -> usize {
    let mut start = text.len();
    while value >= 100 {
        start -= 2;
        put_two(text, start, (value % 100) as u32);
        value /= 100;
    }
    if value >= 10 {
        start -= 2;
        put_two(text, start, value as u32);
    } else {
        start -= 1;
        text[start] = b'0' + value as u8;
    }
    start
}

/// Appends `value` if it is a decimal of at most seven places and not too large
/// or small for that: what positions, rounded metres, seconds and probabilities
/// are. With at most 15 digits no other decimal so short reads back as the same
/// value, so without its last zeros it is the shortest.
fn push_decimal(out: &mut Vec<u8>, value: f64) -> bool {
    const PLACES: u64 = 10_000_000;
    let magnitude = value.abs();
    if !(1e-3..1e7).contains(&magnitude) {
        return false;
    }
    // Half up is near enough: what is not the nearest integer fails the check.
    let scaled = (magnitude * PLACES as f64 + 0.5) as u64;
    if scaled as f64 / PLACES as f64 != magnitude {
        return false;
    }
    // A sign and seven digits, a point and seven places: moved to the front and
    // appended whole, which takes no call, and cut off where they end.
    let mut whole = [b'-'; 8];
    let unused = put_integer(&mut whole, scaled / PLACES) - usize::from(value < 0.0);
    let rest = (scaled % PLACES) as u32;
    let mut places = *b".0000000";
    places[1] = b'0' + (rest / 1_000_000) as u8;
    put_two(&mut places, 2, rest / 10_000 % 100);
    put_two(&mut places, 4, rest / 100 % 100);
    put_two(&mut places, 6, rest % 100);
    // One zero stays behind the point of a whole number.
    let others = u64::from_le_bytes(places) ^ u64::from_le_bytes([b'0'; 8]);
    let zeros = (others.leading_zeros() / 8).min(6) as usize;
    let text = u128::from(u64::from_le_bytes(whole)) | u128::from(u64::from_le_bytes(places)) << 64;
    let end = out.len() + whole.len() - unused + places.len() - zeros;
    out.extend_from_slice(&(text >> (8 * unused)).to_le_bytes());
    out.truncate(end);
    true
}

/// Appends `ms`, milliseconds since the Unix epoch, as `YYYY-MM-DDThh:mm:ss.mmmZ`
/// (24 bytes). Times outside the years 0000 to 9999, which have no such form,
/// are held at the nearest end.
pub fn push_time(out: &mut Vec<u8>, ms: i64) {
    out.extend_from_slice(&time_text(ms));
}

fn time_text(ms: i64) -> [u8; TIME_BYTES] {
    let ms = ms.clamp(TIME_MS_MIN, TIME_MS_MAX);
    let date = civil_date(ms.div_euclid(DAY_MS));
    // 32 bits suffice from here on, and divide faster.
    let of_day = ms.rem_euclid(DAY_MS) as u32;
    let (second, ms) = (of_day / 1000, of_day % 1000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_date(&mut text, date);
    put_two(&mut text, 11, second / 3600);
    put_two(&mut text, 14, second / 60 % 60);
    put_two(&mut text, 17, second % 60);
    text[20] = b'0' + (ms / 100) as u8;
    put_two(&mut text, 21, ms % 100);
    text
}

/// Appends the date of `day`, days since the Unix epoch, as `YYYY-MM-DD`, held
/// within the years 0000 to 9999.
pub fn push_date(out: &mut Vec<u8>, day: i64) {
    let day = day.clamp(TIME_MS_MIN / DAY_MS, TIME_MS_MAX / DAY_MS);
    let mut text = *b"0000-00-00";
    put_date(&mut text, civil_date(day));
    out.extend_from_slice(&text);
}

/// Year, month and day of month of a day counted from the Unix epoch, in the
/// proleptic Gregorian calendar; from the year 0 on. Years are counted from 1
/// March, so that the leap day comes last, and without a division by what is no
/// constant (Cassio Neri and Lorenz Schneider, "Euclidean affine functions and
/// their application to calendar algorithms").
fn civil_date(day: i64) -> (u32, u32, u32) {
    const ERA_DAYS: u32 = 146_097;
    const ERA_YEARS: u32 = 400;
    // From 1 March 400 years before the year 0.
    let quarters = 4 * (day + 719_468 + i64::from(ERA_DAYS)) as u32 + 3;
    let century = quarters / ERA_DAYS;
    let quarters = (quarters % ERA_DAYS) | 3;
    // 2^32 by the days of four years, so that the upper half counts years.
    let years = 2_939_745 * u64::from(quarters);
    let year_of_century = (years >> 32) as u32;
    let day_of_year = years as u32 / 2_939_745 / 4;
    let months = 2_141 * day_of_year + 197_913;
    let (month, day_of_month) = (months >> 16, (months & 0xffff) / 2_141 + 1);
    let is_next_year = day_of_year >= 306;
    let year = 100 * century + year_of_century + u32::from(is_next_year) - ERA_YEARS;
    (year, if is_next_year { month - 12 } else { month }, day_of_month)
}

/// Puts `YYYY-MM-DD` at the start of `text`; the year has at most four digits.
fn put_date(text: &mut [u8], (year, month, day): (u32, u32, u32)) {
    put_two(text, 0, year / 100);
    put_two(text, 2, year % 100);
    put_two(text, 5, month);
    put_two(text, 8, day);
}

/// Puts the two digits of `value`, which is below 100, at `at`.
#[inline(always)]
fn put_two(text: &mut [u8], at: usize, value: u32) {
    text[at..at + 2].copy_from_slice(&PAIRS[value as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(ms: i64) -> String {
        let mut out = Vec::new();
        push_time(&mut out, ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_agree_with_a_calendar_library() {
        // Every day of 400 years round the epoch (one whole Gregorian cycle),
        // each at another time of day.
        for day in -73_049..73_049_i64 {
            let ms = day * DAY_MS + (day * 7_919_333).rem_euclid(DAY_MS);
            let expected = jiff::Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(time(ms), format!("{expected:.3}"));
        }
    }

    #[test]
    fn dates_agree_with_a_calendar_library_in_all_years_of_four_digits() {
        // A step that meets every day of the year, and of the month.
        for day in (TIME_MS_MIN / DAY_MS..=TIME_MS_MAX / DAY_MS).step_by(23) {
            let expected =
                jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            let mut date = Vec::new();
            push_date(&mut date, day);
            assert_eq!(String::from_utf8(date).unwrap(), expected.to_string());
        }
    }

    #[test]
    fn times_without_a_four_digit_year_are_held_at_the_ends() {
        assert_eq!(time(i64::MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(time(TIME_MS_MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(time(TIME_MS_MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(time(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn dates_are_the_times_first_ten_characters() {
        for day in [-719_528, -1, 0, 59, 17_130, 2_932_896] {
            let mut date = Vec::new();
            push_date(&mut date, day);
            assert_eq!(date, time(day * DAY_MS).as_bytes()[..10]);
        }
        let mut date = Vec::new();
        push_date(&mut date, i64::MAX);
        assert_eq!(date, b"9999-12-31");
    }

    #[test]
    fn decimals_are_written_as_a_general_writer_does() {
        let mut values = vec![0.0, -0.0, 1.0, -1.0, 0.1, 1e-3, 9.99e-4, 1e7, 9_999_999.999_999_9];
        values.extend([
            -1e7,
            -9_999_999.999_999_9,
            -1e-3,
            1e-7,
            0.1 + 0.2,
            1.0 / 3.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
        ]);
        // A spread of decimals of every number of places, and their neighbours.
        let mut state = 1_u64;
        for round in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (state >> 20) as i64 % 3_000_000_000;
            let value = digits as f64 / 10_f64.powi(round % 9);
            values.extend([value, -value, value.next_up(), value.next_down()]);
        }
        for value in values {
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            object.number("n", value);
            object.close();
            let expected = format!("{{\"n\":{}}}", serde_json::to_string(&value).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn integers_of_every_length() {
        let powers = (0..20).map(|digits| 10_u64.pow(digits));
        for value in powers.flat_map(|power| [power - 1, power, power + 1, power.wrapping_mul(7)]) {
            let mut out = Vec::new();
            push_integer(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn an_object_begins_behind_what_is_there_and_may_be_empty() {
        let mut out = b"[".to_vec();
        Object::open(&mut out).close();
        let mut object = Object::open(&mut out);
        object.integer("a", 1).flag("b", true);
        object.close();
        assert_eq!(String::from_utf8(out).unwrap(), r#"[{}{"a":1,"b":true}"#);
    }

    #[test]
    fn text_is_escaped_and_numbers_read_back_as_the_same_value() {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object
            .text("text", "a\"b\\c\n\u{1}ü")
            .text("long", "a quotation mark behind sixteen bytes: \"")
            .text("plain", "shard-7:\u{7f}ü")
            .integer("least", 0)
            .integer("most", u64::MAX)
            .number("tenth", 0.1)
            .number("nan", f64::NAN)
            .texts("list", ["x", "y"]);
        object.close();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["text"], "a\"b\\c\n\u{1}ü");
        assert_eq!(read["long"], "a quotation mark behind sixteen bytes: \"");
        assert_eq!(read["plain"], "shard-7:\u{7f}ü");
        assert_eq!((read["least"].as_u64(), read["most"].as_u64()), (Some(0), Some(u64::MAX)));
        assert_eq!(read["tenth"].as_f64(), Some(0.1));
        assert!(read["nan"].is_null());
        assert_eq!(read["list"], serde_json::json!(["x", "y"]));
    }
}
