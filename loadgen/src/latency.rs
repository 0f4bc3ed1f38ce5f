//! Latencies: histograms that merge, and the standard log they are kept in.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency that is told apart, microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Decimal digits of a value that are kept.
const DIGITS: u8 = 3;

/// A histogram of latencies in microseconds, from 1 µs to an hour, to three
/// digits. What came before it was sent is none, and counted apart.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    early: u64,
}

/// The usual quantiles, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// How many came before they were sent: clocks differ. They are not among
    /// the others.
    #[serde(default)]
    pub early: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p99_9_ms: f64,
    /// 99.99th percentile.
    pub p99_99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        let histogram = histogram.expect("the bounds are in order, the digits at most 5");
        Self { histogram, early: 0 }
    }
}

impl Latencies {
    /// Takes a latency in microseconds; what is out of bounds is held at them,
    /// but for a negative one, which is counted apart.
    pub fn record(&mut self, us: i64) {
        match u64::try_from(us) {
            Ok(us) => self.histogram.saturating_record(us.max(1)),
            Err(_) => self.early += 1,
        }
    }

    /// Takes so many that never came, as the longest there are: whatever shares
    /// are asked for holds them.
    pub fn record_never(&mut self, count: u64) {
        self.histogram.saturating_record_n(LONGEST_US, count);
    }

    /// Takes all of another's.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
        self.early += other.early;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.early = 0;
    }

    /// The latency that this share does not exceed, milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        if self.histogram.is_empty() {
            return 0.0;
        }
        self.histogram.value_at_quantile(share) as f64 / 1e3
    }

    /// The usual ones.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.histogram.len(),
            early: self.early,
            p50_ms: self.quantile_ms(0.5),
            p90_ms: self.quantile_ms(0.9),
            p99_ms: self.quantile_ms(0.99),
            p99_9_ms: self.quantile_ms(0.999),
            p99_99_ms: self.quantile_ms(0.9999),
            max_ms: self.quantile_ms(1.0),
        }
    }

    /// Writes a log of one interval in HdrHistogram's format 1.3, as its
    /// plotters and mergers read it; values are microseconds.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_log(&self, out: &mut impl Write, start_ms: i64, length_s: f64) -> io::Result<()> {
        let start_s = start_ms as f64 / 1e3;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {start_s:.3} (seconds since epoch)]")?;
        writeln!(
            out,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )?;
        let max_ms = self.histogram.max() as f64 / 1e3;
        let encoded = STANDARD.encode(self.compressed()?);
        writeln!(out, "0.000,{length_s:.3},{max_ms:.3},{encoded}")
    }

    /// HdrHistogram's encoding V2, compressed (DEFLATE in zlib's frame).
    fn compressed(&self) -> io::Result<Vec<u8>> {
        const COOKIE: u32 = 0x1c84_9304;
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&self.encoded())?;
        let content = zlib.finish()?;
        let mut bytes = Vec::with_capacity(content.len() + 8);
        bytes.extend(COOKIE.to_be_bytes());
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(content);
        Ok(bytes)
    }

    /// Encoding V2: a header of 40 bytes, then the counts of all cells up to the
    /// last that is not empty, as ZigZag LEB128, a run of empty cells as its
    /// negative length.
    fn encoded(&self) -> Vec<u8> {
        const COOKIE: u32 = 0x1c84_9303;
        let mut counts = Vec::new();
        let mut empty: i64 = 0;
        for cell in self.histogram.iter_all() {
            let count = cell.count_at_value() as i64;
            if count == 0 {
                empty += 1;
                continue;
            }
            if empty > 0 {
                push_zigzag(&mut counts, -std::mem::take(&mut empty));
            }
            push_zigzag(&mut counts, count);
        }
        let mut bytes = Vec::with_capacity(counts.len() + 40);
        bytes.extend(COOKIE.to_be_bytes());
        bytes.extend((counts.len() as u32).to_be_bytes());
        bytes.extend(0_u32.to_be_bytes()); // normalising offset
        bytes.extend(u32::from(DIGITS).to_be_bytes());
        bytes.extend(1_u64.to_be_bytes());
        bytes.extend(LONGEST_US.to_be_bytes());
        bytes.extend(1.0_f64.to_be_bytes()); // conversion ratio of values
        bytes.extend(counts);
        bytes
    }
}

/// LEB128 of at most nine bytes, the ninth whole.
fn push_zigzag(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            out.push(rest as u8);
            return;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits_and_merge() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        (1..=500).for_each(|ms| one.record(ms * 1_000));
        (501..=1_000).for_each(|ms| other.record(ms * 1_000));
        one.merge(&other);
        let percentiles = one.percentiles();
        assert_eq!(percentiles.count, 1_000);
        assert!((percentiles.p50_ms - 500.0).abs() < 1.0);
        assert!((percentiles.p99_ms - 990.0).abs() < 1.0);
        assert!((percentiles.max_ms - 1_000.0).abs() < 1.0);
        assert_eq!(Latencies::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn what_came_before_it_was_sent_is_counted_apart() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        for us in [-1, -2_000_000, 0, 5_000] {
            one.record(us);
        }
        other.record(-7);
        one.merge(&other);
        let percentiles = one.percentiles();
        assert_eq!((percentiles.count, percentiles.early), (2, 3));
        assert!((percentiles.p90_ms - 5.0).abs() < 0.1, "{percentiles:?}");
        one.clear();
        assert_eq!(one.percentiles(), Percentiles::default());
    }

    #[test]
    fn the_log_holds_every_count() {
        let mut latencies = Latencies::default();
        for us in [1, 2, 2, 1_000, 70_000_000] {
            latencies.record(us);
        }
        let mut log = Vec::new();
        latencies.write_log(&mut log, 1_500, 10.0).unwrap();
        let log = String::from_utf8(log).unwrap();
        let line = log.lines().last().unwrap();
        assert!(line.starts_with("0.000,10.000,70"), "{line}");
        let bytes = STANDARD.decode(line.rsplit(',').next().unwrap()).unwrap();
        assert_eq!(bytes[..4], [0x1c, 0x84, 0x93, 0x04]);
        let mut content = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[8..]).read_to_end(&mut content).unwrap();
        assert_eq!(content[..4], [0x1c, 0x84, 0x93, 0x03]);
        // Read back by the format's rules: cells 0, 1 and 2 stand for their
        // values, 1,000 for its own.
        let mut cells = content[40..].iter().copied();
        let mut next = || {
            let (mut value, mut shift) = (0_u64, 0);
            loop {
                let byte = cells.next()?;
                value |= u64::from(byte & 0x7F) << shift;
                shift += 7;
                if byte < 0x80 {
                    return Some((value >> 1) as i64 ^ -((value & 1) as i64));
                }
            }
        };
        assert_eq!([next(), next(), next()], [Some(-1), Some(1), Some(2)]);
        assert_eq!([next(), next()], [Some(-997), Some(1)]);
        assert!(next().unwrap() < 0);
        assert_eq!([next(), next()], [Some(1), None]);
    }
}
