//! Writing JSON straight into a byte buffer, key by key, and the one text form
//! of a time: RFC 3339, UTC, milliseconds.
//!
//! For the records that leave by the million (events, positions, dead
//! letters): no tree of values, no allocation beyond the buffer.

/// First millisecond that four digits of a year can name: 0000-01-01.
const TIME_MS_MIN: i64 = -62_167_219_200_000;
/// Last one: 9999-12-31T23:59:59.999Z.
const TIME_MS_MAX: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;

/// An object being written. Keys go out in the order of the calls; the caller
/// names none twice.
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
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Closes it.
    pub fn close(self) {
        self.out.push(b'}');
    }

    /// A string.
    pub fn text(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.key(key);
        push_text(self.out, value);
        self
    }

    /// A string, left out when empty.
    pub fn text_unless_empty(&mut self, key: &'static str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.text(key, value) }
    }

    /// An integer.
    pub fn integer(&mut self, key: &'static str, value: u64) -> &mut Self {
        self.key(key);
        push_integer(self.out, value);
        self
    }

    /// A number in the fewest digits that read back as the same value; `null`
    /// if it is not finite.
    pub fn number(&mut self, key: &'static str, value: f64) -> &mut Self {
        self.key(key);
        if !push_decimal(self.out, value) {
            serde_json::to_writer(&mut *self.out, &value).expect("a Vec takes every byte");
        }
        self
    }

    /// A number, left out when unknown.
    pub fn number_if_known(&mut self, key: &'static str, value: Option<f64>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, value: bool) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A time, given in milliseconds since the Unix epoch.
    pub fn time(&mut self, key: &'static str, ms: i64) -> &mut Self {
        self.key(key);
        self.out.push(b'"');
        push_time(self.out, ms);
        self.out.push(b'"');
        self
    }

    /// A list of strings.
    pub fn texts<'t>(
        &mut self,
        key: &'static str,
        values: impl IntoIterator<Item = &'t str>,
    ) -> &mut Self {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            push_text(self.out, value);
        }
        self.out.push(b']');
        self
    }

    fn key(&mut self, key: &'static str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    // No early end, so that sixteen bytes and more are looked at in one go.
    let escapes = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |found, byte| found | escapes(byte)) {
        serde_json::to_writer(out, text).expect("a Vec takes every byte, a str is always JSON");
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

fn push_integer(out: &mut Vec<u8>, mut value: u64) {
    // 2^64 has 20 digits.
    let mut text = [0; 20];
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[start..]);
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
    if value < 0.0 {
        out.push(b'-');
    }
    push_integer(out, scaled / PLACES);
    let mut places = *b".0000000";
    let mut rest = (scaled % PLACES) as u32;
    for digit in places[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    // One zero stays behind the point of a whole number.
    let zeros = places[2..].iter().rev().take_while(|&&digit| digit == b'0').count();
    out.extend_from_slice(&places[..places.len() - zeros]);
    true
}

/// Appends `ms`, milliseconds since the Unix epoch, as `YYYY-MM-DDThh:mm:ss.mmmZ`
/// (24 bytes). Times outside the years 0000 to 9999, which have no such form,
/// are held at the nearest end.
pub fn push_time(out: &mut Vec<u8>, ms: i64) {
    let ms = ms.clamp(TIME_MS_MIN, TIME_MS_MAX);
    let (year, month, day) = civil_date(ms.div_euclid(DAY_MS));
    // 32 bits suffice from here on, and divide faster.
    let of_day = ms.rem_euclid(DAY_MS) as u32;
    let (second, ms) = (of_day / 1000, of_day % 1000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_date(&mut text, year, month, day);
    put_two(&mut text, 11, second / 3600);
    put_two(&mut text, 14, second / 60 % 60);
    put_two(&mut text, 17, second % 60);
    text[20] = b'0' + (ms / 100) as u8;
    put_two(&mut text, 21, ms % 100);
    out.extend_from_slice(&text);
}

/// Appends the date of `day`, days since the Unix epoch, as `YYYY-MM-DD`, held
/// within the years 0000 to 9999.
pub fn push_date(out: &mut Vec<u8>, day: i64) {
    let day = day.clamp(TIME_MS_MIN / DAY_MS, TIME_MS_MAX / DAY_MS);
    let (year, month, day) = civil_date(day);
    let mut text = *b"0000-00-00";
    put_date(&mut text, year, month, day);
    out.extend_from_slice(&text);
}

/// Year, month and day of month of a day counted from the Unix epoch, in the
/// proleptic Gregorian calendar. Years are counted from 1 March, so that the
/// leap day comes last (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn civil_date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// Puts `YYYY-MM-DD` at the start of `text`; the year has at most four digits.
fn put_date(text: &mut [u8], year: i64, month: i64, day: i64) {
    let year = year as u32;
    put_two(text, 0, year / 100);
    put_two(text, 2, year % 100);
    put_two(text, 5, month as u32);
    put_two(text, 8, day as u32);
}

/// Puts the two digits of `value`, which is below 100, at `at`.
fn put_two(text: &mut [u8], at: usize, value: u32) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
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
        values.extend([1e-7, 0.1 + 0.2, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 5e-324]);
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
