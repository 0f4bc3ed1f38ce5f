//! Recorded traces, sent again: at a multiple of their speed or at a fixed
//! rate, vehicles cloned to reach it. Nothing is known of what really happened,
//! so there is no truth; everything else is measured.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use geofence::Position;
use serde::Deserialize;

use crate::stream::{Counts, Deliveries, Delivery, Ping, What};
use crate::truth::Record;

/// How fast traces go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many times as fast as recorded.
    Speed(f64),
    /// So many pings a second, evenly, clones included.
    Rate(u32),
}

/// Traces of vehicles in order of time.
#[derive(Clone, Debug)]
pub struct Traces {
    rows: Vec<Row>,
    vehicles: u32,
    clones: u32,
    pace: Pace,
    keep_times: bool,
}

/// A row as it is read.
#[derive(Deserialize)]
struct Line {
    vehicle_id: String,
    event_time: jiff::Timestamp,
    lat: f64,
    lon: f64,
    speed_mps: Option<f32>,
    heading_deg: Option<f32>,
    accuracy_m: Option<f64>,
    ignition: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    ping: Ping,
    /// Milliseconds since the first row.
    t_ms: i64,
}

impl Traces {
    /// Reads CSV files with a header, plain or `.zst`, with at least the columns
    /// `vehicle_id`, `event_time` (RFC 3339), `lat` and `lon`. Each vehicle
    /// appears as `clones` vehicles, at least 1. With `keep_times` pings keep
    /// the times they were recorded with, for an engine with `clock = "event"`;
    /// otherwise they are taken when they are due. Returns the traces and the
    /// time of the first row, milliseconds since the epoch.
    ///
    /// # Errors
    /// A file or a row that cannot be read, by its name and number; no rows.
    pub fn read(
        paths: &[impl AsRef<Path>],
        clones: u32,
        pace: Pace,
        keep_times: bool,
    ) -> anyhow::Result<(Self, i64)> {
        let (mut rows, mut numbers) = (Vec::new(), HashMap::new());
        for path in paths {
            let path = path.as_ref();
            read_file(path, &mut rows, &mut numbers)
                .with_context(|| format!("reading {}", path.display()))?;
        }
        ensure!(!rows.is_empty(), "the traces have no rows");
        rows.sort_by_key(|row: &Row| row.t_ms);
        let first_ms = rows[0].t_ms;
        let mut seqs = vec![0_u32; numbers.len()];
        for row in &mut rows {
            row.t_ms -= first_ms;
            let seq = &mut seqs[row.ping.vehicle as usize];
            *seq += 1;
            row.ping.seq = *seq;
        }
        let vehicles = u32::try_from(numbers.len()).context("vehicles")?;
        Ok((Self { rows, vehicles, clones: clones.max(1), pace, keep_times }, first_ms))
    }

    /// Vehicles, clones included.
    #[must_use]
    pub fn vehicles(&self) -> u32 {
        self.vehicles.saturating_mul(self.clones)
    }

    /// Whether pings keep the times they were recorded with.
    #[must_use]
    pub fn keeps_times(&self) -> bool {
        self.keep_times
    }

    /// Pings, clones included.
    #[must_use]
    pub fn pings(&self) -> u64 {
        self.rows.len() as u64 * u64::from(self.clones)
    }

    /// When the last ping is due, milliseconds since the start.
    #[must_use]
    pub fn length_ms(&self) -> i64 {
        self.due_ms(self.pings().saturating_sub(1)) + 1
    }

    /// The latest event time, milliseconds since the start.
    #[must_use]
    pub fn newest_ms(&self) -> i64 {
        match self.rows.last() {
            Some(row) if self.keep_times => row.t_ms,
            _ => self.length_ms(),
        }
    }

    /// When ping `number` is due: clones follow each other.
    fn due_ms(&self, number: u64) -> i64 {
        match self.pace {
            Pace::Rate(rate) => (number * 1000 / u64::from(rate.max(1))) as i64,
            Pace::Speed(factor) => {
                let row = &self.rows[(number / u64::from(self.clones)) as usize];
                (row.t_ms as f64 / factor) as i64
            }
        }
    }

    /// Everything that is sent.
    #[must_use]
    pub fn deliveries(&self) -> TraceDeliveries<'_> {
        TraceDeliveries { traces: self, number: 0, stopped: false }
    }
}

fn read_file(
    path: &Path,
    rows: &mut Vec<Row>,
    numbers: &mut HashMap<String, u32>,
) -> anyhow::Result<()> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        bail!("gzip is not read here: unpack it, or compress it with zstd");
    }
    let compressed = path.extension().is_some_and(|extension| extension == "zst");
    let input: Box<dyn Read> = if compressed {
        Box::new(zstd::Decoder::new(file)?)
    } else {
        Box::new(BufReader::new(file))
    };
    let mut reader = csv::Reader::from_reader(input);
    // Asked for by itself: rows would end where it cannot be read, and say nothing.
    reader.headers().context("the header")?;
    for (index, line) in reader.into_deserialize().enumerate() {
        let number = index + 1;
        let line: Line = line.with_context(|| format!("row {number}"))?;
        let next = numbers.len() as u32;
        let vehicle = *numbers.entry(line.vehicle_id).or_insert(next);
        let position = Position::from_degrees(line.lat, line.lon)
            .with_context(|| format!("row {number}: no position"))?;
        let ping = Ping {
            vehicle,
            seq: 0,
            event_ms: 0,
            position,
            accuracy_m: line.accuracy_m,
            speed_mps: line.speed_mps,
            heading_deg: line.heading_deg,
            engine_on: line.ignition,
        };
        rows.push(Row { ping, t_ms: line.event_time.as_millisecond() });
    }
    Ok(())
}

/// See [`Traces::deliveries`].
#[derive(Clone, Debug)]
pub struct TraceDeliveries<'t> {
    traces: &'t Traces,
    number: u64,
    stopped: bool,
}

impl Deliveries for TraceDeliveries<'_> {
    fn due_ms(&mut self, _: &mut dyn FnMut(Record)) -> Option<i64> {
        let is_there = self.number < self.traces.pings() && !self.stopped;
        is_there.then(|| self.traces.due_ms(self.number))
    }

    fn next(&mut self, take: &mut dyn FnMut(Record)) -> Option<Delivery> {
        let send_ms = self.due_ms(take)?;
        let traces = self.traces;
        let clones = u64::from(traces.clones);
        let row = &traces.rows[(self.number / clones) as usize];
        let clone = (self.number % clones) as u32;
        self.number += 1;
        let ping = Ping {
            vehicle: row.ping.vehicle + clone * traces.vehicles,
            event_ms: if traces.keep_times { row.t_ms } else { send_ms },
            ..row.ping
        };
        Some(Delivery { send_ms, what: What::Ping, ping })
    }

    fn stop(&mut self, _: &mut dyn FnMut(Record)) {
        self.stopped = true;
    }

    fn counts(&self) -> Counts {
        Counts { pings: self.number, ..Counts::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(clones: u32, pace: Pace, keep_times: bool) -> Traces {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("buses.csv");
        let text = "vehicle_id,event_time,lat,lon,speed_mps,other\n\
                    b,2015-09-06T05:00:10Z,30.1,-97.1,,x\n\
                    a,2015-09-06T05:00:00Z,30.0,-97.0,1.5,x\n\
                    a,2015-09-06T05:01:00Z,30.2,-97.2,2,x\n";
        std::fs::write(&path, text).unwrap();
        let (traces, first_ms) = Traces::read(&[path], clones, pace, keep_times).unwrap();
        assert_eq!(first_ms, 1_441_515_600_000);
        traces
    }

    fn all(traces: &Traces) -> Vec<(i64, u32, u32, i64)> {
        let mut deliveries = traces.deliveries();
        std::iter::from_fn(|| deliveries.next(&mut |_| {}))
            .map(|d| (d.send_ms, d.ping.vehicle, d.ping.seq, d.ping.event_ms))
            .collect()
    }

    #[test]
    fn rows_go_in_order_of_time_at_a_multiple_of_their_speed() {
        let traces = traces(1, Pace::Speed(10.0), true);
        let (a, b) = (1, 0);
        let expected = [(0, a, 1, 0), (1_000, b, 1, 10_000), (6_000, a, 2, 60_000)];
        assert_eq!(all(&traces), expected);
        assert_eq!((traces.length_ms(), traces.vehicles()), (6_001, 2));
        assert_eq!(traces.newest_ms(), 60_000);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let good = directory.path().join("good.csv");
        std::fs::write(&good, "vehicle_id,event_time,lat,lon\na,2015-09-06T05:00:00Z,30,-97\n")
            .unwrap();
        let cut = directory.path().join("cut.csv.zst");
        let whole = zstd::encode_all(&std::fs::read(&good).unwrap()[..], 0).unwrap();
        std::fs::write(&cut, &whole[..whole.len() - 8]).unwrap();
        for bad in [cut.as_path(), directory.path()] {
            let read = Traces::read(&[good.as_path(), bad], 1, Pace::Speed(1.0), false);
            let told = format!("{:#}", read.unwrap_err());
            assert!(told.contains(&bad.display().to_string()), "{told}");
        }
    }

    /// A speed of 0 would make a vehicle stand that goes.
    #[test]
    fn what_a_row_does_not_tell_is_not_made_up() {
        let traces = traces(1, Pace::Speed(10.0), true);
        let mut deliveries = traces.deliveries();
        let pings: Vec<_> = std::iter::from_fn(|| deliveries.next(&mut |_| {})).collect();
        let speeds: Vec<_> = pings.iter().map(|sent| sent.ping.speed_mps).collect();
        assert_eq!(speeds, [Some(1.5), None, Some(2.0)]);
        assert!(pings.iter().all(|sent| sent.ping.accuracy_m.is_none()));
    }

    #[test]
    fn clones_are_vehicles_of_their_own_and_make_up_the_rate() {
        let traces = traces(3, Pace::Rate(100), false);
        let sent = all(&traces);
        assert_eq!(sent.len(), 9);
        assert_eq!(
            sent.iter().map(|d| d.0).collect::<Vec<_>>(),
            [0, 10, 20, 30, 40, 50, 60, 70, 80]
        );
        assert!(sent.iter().all(|d| d.0 == d.3));
        let mut vehicles: Vec<u32> = sent.iter().map(|d| d.1).collect();
        vehicles.sort_unstable();
        vehicles.dedup();
        assert_eq!(vehicles, [0, 1, 2, 3, 4, 5]);
    }
}
