//! A record of the truth, and its line of NDJSON.

use std::io::{self, BufRead, Write};

use protos::json::Object;
use serde::Deserialize;

/// What happened: the kinds that the truth knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `geofence_enter`.
    Enter,
    /// `geofence_exit`.
    Exit,
    /// `geofence_cross`; the record's detail is the last way out.
    Cross,
    /// `geofence_dwell`; the record's detail is the threshold.
    Dwell,
    /// `geofence_visit`.
    Visit,
    /// `stationary_start`.
    StationaryStart,
    /// `stationary_end`.
    StationaryEnd,
    /// `idle_start`.
    IdleStart,
    /// `idle_end`.
    IdleEnd,
    /// `vehicle_offline`.
    Offline,
    /// `vehicle_online`.
    Online,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Enter,
        Self::Exit,
        Self::Cross,
        Self::Dwell,
        Self::Visit,
        Self::StationaryStart,
        Self::StationaryEnd,
        Self::IdleStart,
        Self::IdleEnd,
        Self::Offline,
        Self::Online,
    ];

    /// As events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enter => "geofence_enter",
            Self::Exit => "geofence_exit",
            Self::Cross => "geofence_cross",
            Self::Dwell => "geofence_dwell",
            Self::Visit => "geofence_visit",
            Self::StationaryStart => "stationary_start",
            Self::StationaryEnd => "stationary_end",
            Self::IdleStart => "idle_start",
            Self::IdleEnd => "idle_end",
            Self::Offline => "vehicle_offline",
            Self::Online => "vehicle_online",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number of the vehicle.
    pub vehicle: u32,
    /// What.
    pub kind: Kind,
    /// Number of the fence, where one is concerned.
    pub fence: Option<u32>,
    /// When, milliseconds since the start of the run.
    pub t_ms: i64,
    /// Whether the event must be found; otherwise it may be.
    pub required: bool,
    /// [`Kind::Cross`]: the last way out, milliseconds since the start.
    /// [`Kind::Dwell`]: the threshold, milliseconds. Otherwise 0.
    pub detail_ms: i64,
}

impl Record {
    /// The same by a clock that is ahead by `by_ms`.
    #[must_use]
    pub fn shifted(self, by_ms: i64) -> Self {
        let detail_ms = self.detail_ms + if self.kind == Kind::Cross { by_ms } else { 0 };
        Self { t_ms: self.t_ms + by_ms, detail_ms, ..self }
    }
}

/// The id of vehicle `number`, as it is sent. The prefix keeps the vehicles of
/// two runs apart that the same target sees.
#[must_use]
pub fn vehicle_id(prefix: &str, number: u32) -> String {
    format!("{prefix}v{number:07}")
}

/// The number of the vehicle with this id; `None` for one of another run.
#[must_use]
pub fn vehicle_number(prefix: &str, id: &str) -> Option<u32> {
    let digits = id.strip_prefix(prefix)?.strip_prefix('v')?;
    let plain = digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// How the records of one run are written: times as RFC 3339, vehicles and
/// fences by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Start of the run, milliseconds since the epoch.
    pub start_ms: i64,
    /// What vehicles' ids begin with.
    pub prefix: String,
}

impl Names {
    /// Before this nothing of the run can have been received, milliseconds since
    /// the epoch: a minute's room for clocks that differ.
    #[must_use]
    pub fn received_from_ms(&self) -> i64 {
        self.start_ms - 60_000
    }
}

/// Writes a record as a line of JSON. `fence_id` is that of its fence; `line`
/// is memory to use.
///
/// # Errors
/// Those of `out`.
pub fn write_record(
    out: &mut impl Write,
    line: &mut Vec<u8>,
    record: &Record,
    names: &Names,
    fence_id: &str,
) -> io::Result<()> {
    let start_ms = names.start_ms;
    line.clear();
    let mut object = Object::open(line);
    object
        .text("vehicle_id", &vehicle_id(&names.prefix, record.vehicle))
        .text("kind", record.kind.name())
        .text_unless_empty("fence_id", fence_id)
        .time("time", start_ms + record.t_ms)
        .flag("required", record.required);
    match record.kind {
        Kind::Cross => {
            object.time("out_time", start_ms + record.detail_ms);
        }
        Kind::Dwell => {
            object.integer("threshold_s", record.detail_ms.unsigned_abs() / 1000);
        }
        _ => {}
    }
    object.close();
    line.push(b'\n');
    out.write_all(line)
}

/// A line as it is read.
#[derive(Deserialize)]
struct Line {
    vehicle_id: String,
    kind: String,
    #[serde(default)]
    fence_id: String,
    time: jiff::Timestamp,
    required: bool,
    out_time: Option<jiff::Timestamp>,
    threshold_s: Option<i64>,
}

/// Reads what [`write_record`] wrote; `fence` gives a fence's number.
///
/// # Errors
/// A line that is none, by its number.
pub fn read_records(
    lines: impl BufRead,
    names: &Names,
    fence: impl Fn(&str) -> Option<u32>,
    mut take: impl FnMut(Record),
) -> anyhow::Result<()> {
    for (number, line) in lines.lines().enumerate() {
        let bad = |what: &str| anyhow::anyhow!("line {} of the truth: {what}", number + 1);
        let line: Line = serde_json::from_str(&line?).map_err(|error| bad(&error.to_string()))?;
        let kind = Kind::named(&line.kind).ok_or_else(|| bad("unknown kind"))?;
        let since_start = |time: jiff::Timestamp| time.as_millisecond() - names.start_ms;
        take(Record {
            vehicle: vehicle_number(&names.prefix, &line.vehicle_id)
                .ok_or_else(|| bad("unknown vehicle"))?,
            kind,
            fence: match line.fence_id.as_str() {
                "" => None,
                id => Some(fence(id).ok_or_else(|| bad("unknown fence"))?),
            },
            t_ms: since_start(line.time),
            required: line.required,
            detail_ms: match kind {
                Kind::Cross => since_start(line.out_time.ok_or_else(|| bad("no out_time"))?),
                Kind::Dwell => line.threshold_s.ok_or_else(|| bad("no threshold_s"))? * 1000,
                _ => 0,
            },
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was() {
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        let record = |kind, fence, detail_ms| Record {
            vehicle: 42,
            kind,
            fence,
            t_ms: 12_345,
            required: true,
            detail_ms,
        };
        let records = [
            record(Kind::Enter, Some(1), 0),
            record(Kind::Cross, Some(0), 13_000),
            record(Kind::Dwell, Some(1), 300_000),
            Record { required: false, ..record(Kind::IdleEnd, None, 0) },
        ];
        let ids = ["gate", "yard"];
        let (mut out, mut line) = (Vec::new(), Vec::new());
        for record in &records {
            let id = record.fence.map_or("", |number| ids[number as usize]);
            write_record(&mut out, &mut line, record, &names, id).unwrap();
        }
        let mut read = Vec::new();
        let number = |id: &str| ids.iter().position(|known| *known == id).map(|n| n as u32);
        read_records(out.as_slice(), &names, number, |record| read.push(record)).unwrap();
        assert_eq!(read, records);
    }

    #[test]
    fn vehicles_of_another_run_have_no_number() {
        assert_eq!(vehicle_number("a-", "a-v0000042"), Some(42));
        assert_eq!(vehicle_number("a-", &vehicle_id("a-", 12_345_678)), Some(12_345_678));
        for other in ["v0000042", "b-v0000042", "a-v42", "a-v000004x", "a-v+000042"] {
            assert_eq!(vehicle_number("a-", other), None, "{other}");
        }
    }
}
