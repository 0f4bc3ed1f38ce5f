//! Minutes of the day as text.

/// Minutes in a day by the clock.
pub(super) const DAY_MIN: u16 = 24 * 60;

/// `HH:MM` as minutes after midnight, up to 24:00.
pub(super) fn read_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let time = hours * 60 + minutes;
    (minutes < 60 && time <= DAY_MIN).then_some(time)
}

/// The same back.
pub(super) fn write_time(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
