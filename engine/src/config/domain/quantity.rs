//! Durations and sizes: a whole number and its unit.

use std::time::Duration;

use super::{Domain, Literal, unexpected, within};

/// A unit's name and its worth in the smallest one; largest first.
type Units = &'static [(&'static str, u64)];

/// In milliseconds.
const TIME: Units = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// In bytes. Powers of 1,024 only: "MB" means two things to two people.
const SPACE: Units =
    &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration in whole milliseconds, `min..=max` in text.
pub(in crate::config) struct Durations {
    pub(in crate::config) min: &'static str,
    pub(in crate::config) max: &'static str,
}

impl Durations {
    fn read_text(&self, text: &str) -> Option<Result<Duration, String>> {
        let bounds = (known(self.min, TIME), known(self.max, TIME));
        let ms = read(text, TIME)?;
        Some(within(ms, bounds, |ms| quoted(*ms, TIME)).map(Duration::from_millis))
    }
}

impl Domain for Durations {
    type Value = Duration;

    fn expects(&self) -> String {
        format!("a duration from {:?} to {:?} (units ms, s, m, h, d)", self.min, self.max)
    }

    fn read(&self, literal: &Literal) -> Result<Duration, String> {
        literal
            .text()
            .and_then(|text| self.read_text(text))
            .unwrap_or_else(|| Err(unexpected(self, literal)))
    }

    fn write(&self, value: &Duration) -> String {
        quoted(milliseconds(value), TIME)
    }
}

/// Rising durations of whole seconds; in the environment and in flags
/// separated by commas, and none at all is fine.
pub(in crate::config) struct DurationList {
    pub(in crate::config) each: Durations,
}

impl Domain for DurationList {
    type Value = Vec<Duration>;

    fn expects(&self) -> String {
        format!(
            "a rising list of durations from {:?} to {:?}, in whole seconds",
            self.each.min, self.each.max
        )
    }

    fn read(&self, literal: &Literal) -> Result<Vec<Duration>, String> {
        let items = match literal {
            Literal::List(items) => items.clone(),
            Literal::Bare(text) if text.trim().is_empty() => Vec::new(),
            Literal::Bare(text) => {
                text.split(',').map(|item| Literal::Bare(item.trim().into())).collect()
            }
            other => return Err(unexpected(self, other)),
        };
        let list = items.iter().map(|item| self.each.read(item)).collect::<Result<Vec<_>, _>>()?;
        if let Some(odd) = list.iter().find(|d| d.subsec_millis() != 0) {
            return Err(format!("{} is not a whole number of seconds", self.each.write(odd)));
        }
        match list.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(format!(
                "the list must rise, but {} is followed by {}",
                self.each.write(&pair[0]),
                self.each.write(&pair[1])
            )),
            None => Ok(list),
        }
    }

    fn write(&self, value: &Vec<Duration>) -> String {
        let items: Vec<_> = value.iter().map(|item| self.each.write(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// A number of bytes, `min..=max` in text.
pub(in crate::config) struct Sizes {
    pub(in crate::config) min: &'static str,
    pub(in crate::config) max: &'static str,
}

impl Domain for Sizes {
    type Value = u64;

    fn expects(&self) -> String {
        format!("a size from {:?} to {:?} (units B, KiB, MiB, GiB, TiB)", self.min, self.max)
    }

    fn read(&self, literal: &Literal) -> Result<u64, String> {
        let bounds = (known(self.min, SPACE), known(self.max, SPACE));
        let bytes = literal
            .text()
            .and_then(|text| read(text, SPACE))
            .ok_or_else(|| unexpected(self, literal))?;
        within(bytes, bounds, |bytes| quoted(*bytes, SPACE))
    }

    fn write(&self, value: &u64) -> String {
        quoted(*value, SPACE)
    }
}

/// A duration as the configuration writes it, without quotes: `15m`.
pub(in crate::config) fn duration_text(value: &Duration) -> String {
    shown(milliseconds(value), TIME)
}

/// A size as the configuration writes it, without quotes: `4MiB`.
pub(in crate::config) fn size_text(bytes: u64) -> String {
    shown(bytes, SPACE)
}

fn milliseconds(value: &Duration) -> u64 {
    // 2^64 ms are 584 million years; every bound in the table is below that.
    u64::try_from(value.as_millis()).unwrap_or(u64::MAX)
}

/// `"15m"` → 900,000; nothing if this is no such text or overflows.
fn read(text: &str, units: Units) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = (&text[..split], text[split..].trim_start());
    let (_, worth) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*worth)
}

fn known(text: &'static str, units: Units) -> u64 {
    read(text, units).expect("bounds in the table of settings are written like settings")
}

/// In the largest unit that divides the value.
fn shown(value: u64, units: Units) -> String {
    let smallest = units.len() - 1;
    let seconds_or_bytes = if units[smallest].0 == "ms" { smallest - 1 } else { smallest };
    let (name, worth) = match value {
        0 => units[seconds_or_bytes],
        _ => *units
            .iter()
            .find(|(_, worth)| value.is_multiple_of(*worth))
            .expect("the smallest unit is 1 and divides everything"),
    };
    format!("{}{name}", value / worth)
}

fn quoted(value: u64, units: Units) -> String {
    format!("{:?}", shown(value, units))
}
