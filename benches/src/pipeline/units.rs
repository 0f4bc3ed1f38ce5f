//! Figures as people read them.

/// Seconds, three digits of them.
pub(super) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s < 1e-6 => (seconds * 1e9, "ns"),
        s if s < 1e-3 => (seconds * 1e6, "µs"),
        s if s < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Bytes of one row.
pub(super) fn bytes(bytes: f64) -> String {
    format!("{} B", three_digits(bytes))
}

/// Bytes of memory.
pub(super) fn memory(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}

/// At least three digits, no more behind the point than they need.
pub(super) fn three_digits(value: f64) -> String {
    match value.abs() {
        v if v < 9.995 => format!("{value:.2}"),
        v if v < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A count with a comma between thousands.
pub(super) fn count(count: u32) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit_that_fits() {
        assert_eq!(time(84.6e-9), "84.6 ns");
        assert_eq!(time(0.17e-6), "170 ns");
        assert_eq!(time(2.6349e-6), "2.63 µs");
        assert_eq!(time(0.9), "900 ms");
        assert_eq!(time(12.345), "12.3 s");
        assert_eq!(time(0.0), "0.00 ns");
        assert_eq!(bytes(15.84), "15.8 B");
        assert_eq!(memory(3.0 * 1024.0 * 1024.0), "3 MiB");
    }

    #[test]
    fn thousands_are_set_apart() {
        let counts = [7, 999, 1_000, 8_200, 1_000_000].map(count);
        assert_eq!(counts, ["7", "999", "1,000", "8,200", "1,000,000"]);
    }
}
