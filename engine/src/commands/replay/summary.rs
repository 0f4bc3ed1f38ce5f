//! What a replay did, in `summary.json` and on the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use geofence::{Counters, DISPOSITION_NAMES, TimeMs, is_disposition};
use serde_json::{Map, Value, json};

use crate::explain::words::time;

/// The figures of a replay.
pub(super) struct Summary {
    /// Pings and rejects read, duplicates included.
    pub(super) read: u64,
    /// Event times of the first and the last ping by that time.
    pub(super) event_times: Option<(TimeMs, TimeMs)>,
    pub(super) vehicles: u64,
    /// Counts of the core: dispositions, duplicates and refusals.
    pub(super) counters: Counters,
    pub(super) events: BTreeMap<String, u64>,
    pub(super) liveness: BTreeMap<String, u64>,
    pub(super) operations: u64,
    pub(super) dead_letters: u64,
    pub(super) wall_seconds: f64,
    pub(super) cpu_seconds: Option<f64>,
    pub(super) peak_rss_bytes: Option<u64>,
}

impl Summary {
    fn archived(&self) -> u64 {
        DISPOSITION_NAMES.iter().map(|name| self.counters.get(name)).sum()
    }

    fn dispositions(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DISPOSITION_NAMES
            .iter()
            .map(|name| (*name, self.counters.get(name)))
            .filter(|(_, n)| *n > 0)
    }

    fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counters.iter().filter(|(name, _)| *name != "duplicate" && !is_disposition(name))
    }

    /// As JSON, with a line break at the end.
    pub(super) fn json(&self) -> String {
        let counts = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            Value::Object(
                counts.map(|(name, n)| (name.to_owned(), json!(n))).collect::<Map<_, _>>(),
            )
        };
        let value = json!({
            "pings": {
                "read": self.read,
                "archived": self.archived(),
                "duplicate": self.counters.get("duplicate"),
                "dead_letters": self.dead_letters,
            },
            "vehicles": self.vehicles,
            "event_time_first": self.event_times.map(|(first, _)| time(first)),
            "event_time_last": self.event_times.map(|(_, last)| time(last)),
            "dispositions": counts(&mut self.dispositions()),
            "refusals": counts(&mut self.refusals()),
            "events": self.events,
            "liveness": self.liveness,
            "operations": self.operations,
            "wall_seconds": round_ms(self.wall_seconds),
            "cpu_seconds": self.cpu_seconds.map(round_ms),
            "pings_per_second": (self.read as f64 / self.wall_seconds).round(),
            "peak_rss_bytes": self.peak_rss_bytes,
        });
        format!("{value:#}\n")
    }

    /// For people.
    pub(super) fn text(&self, out: &Path) -> String {
        let mut text = String::new();
        let rate = self.read as f64 / self.wall_seconds;
        let _ = writeln!(
            text,
            "{} pings of {} vehicles in {:.1} s ({:.0}/s): {} archived, {} known already, {} refused",
            self.read,
            self.vehicles,
            self.wall_seconds,
            rate,
            self.archived(),
            self.counters.get("duplicate"),
            self.dead_letters,
        );
        if let Some((first, last)) = self.event_times {
            let _ = writeln!(text, "measured from {} to {}", time(first), time(last));
        }
        if let (Some(cpu), Some(rss)) = (self.cpu_seconds, self.peak_rss_bytes) {
            let per_ping = match self.read {
                0 => String::new(),
                read => format!(" ({:.2} µs a ping)", cpu * 1e6 / read as f64),
            };
            let mib = rss >> 20;
            let _ = writeln!(text, "{cpu:.1} s of CPU{per_ping}, {mib} MiB of memory at the most");
        }
        let tables = [
            (
                "pings, by what became of them",
                &mut self.dispositions() as &mut dyn Iterator<Item = _>,
            ),
            ("refused conclusions", &mut self.refusals()),
        ];
        for (title, counts) in tables {
            table(&mut text, title, counts);
        }
        let owned = |map: &BTreeMap<String, u64>| map.clone().into_iter().collect::<Vec<_>>();
        table(&mut text, "events", &mut owned(&self.events).into_iter());
        table(&mut text, "liveness", &mut owned(&self.liveness).into_iter());
        let _ = writeln!(text, "output in {}", out.display());
        text
    }
}

fn table<N: AsRef<str>>(
    text: &mut String,
    title: &str,
    counts: &mut dyn Iterator<Item = (N, u64)>,
) {
    let mut counts = counts.peekable();
    if counts.peek().is_some() {
        let _ = writeln!(text, "{title}:");
    }
    for (name, n) in counts {
        let _ = writeln!(text, "  {n:>10}  {}", name.as_ref());
    }
}

fn round_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
