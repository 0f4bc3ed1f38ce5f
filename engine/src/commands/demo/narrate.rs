//! Events of the demo in words, a few a second, and their totals.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use indicatif::ProgressBar;
use protos::event_json::{kind, reason_name};
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Op};
use protos::journal::Segment;
use tokio::time::Instant;

use super::time_of_day;
use crate::exit;
use crate::shard::Follower;

/// Events of one kind are told this far apart; the totals count them all.
const TELL_EVERY: Duration = Duration::from_millis(400);

/// Tells what happens and counts it.
pub(super) struct Narrator {
    follower: Follower,
    bar: ProgressBar,
    /// Names of the fences by id.
    names: HashMap<String, String>,
    told: HashMap<&'static str, Instant>,
    counts: BTreeMap<&'static str, u64>,
    corrections: u64,
    pings: u64,
}

impl Narrator {
    pub(super) fn new(
        follower: Follower,
        bar: ProgressBar,
        names: HashMap<String, String>,
    ) -> Self {
        Self {
            follower,
            bar,
            names,
            told: HashMap::new(),
            counts: BTreeMap::new(),
            corrections: 0,
            pings: 0,
        }
    }

    /// Follows until the journal fails.
    pub(super) async fn run(&mut self) -> anyhow::Error {
        loop {
            match self.follower.next().await {
                Ok(segment) => {
                    if let Err(error) = self.tell(&segment) {
                        return error;
                    }
                }
                Err(error) => return error.into(),
            }
        }
    }

    /// Tells what is committed by now.
    pub(super) async fn catch_up(&mut self) -> anyhow::Result<()> {
        while let Some(segment) = self.follower.next_committed().await? {
            self.tell(&segment)?;
        }
        Ok(())
    }

    fn tell(&mut self, segment: &Segment) -> anyhow::Result<()> {
        for recorded in &segment.inputs {
            if let Some(protos::journal::input::Input::Pings(run)) = &recorded.input {
                self.pings += run.payload_lengths.len() as u64;
            }
        }
        let mut lines = String::new();
        for event in &segment.events {
            let kind = kind(event);
            if event.op() != Op::Assert {
                self.corrections += 1;
                continue;
            }
            *self.counts.entry(kind).or_default() += 1;
            let now = Instant::now();
            let due = self.told.get(kind).is_none_or(|told| now - *told >= TELL_EVERY);
            if due && let Some(line) = self.in_words(event) {
                self.told.insert(kind, now);
                let _ = writeln!(lines, "{line}");
            }
        }
        match lines.is_empty() {
            true => Ok(()),
            false => self.bar.suspend(|| exit::print(&lines)),
        }
    }

    /// One line; `None` for visits, which their exits tell already.
    fn in_words(&self, event: &FleetEvent) -> Option<String> {
        let fence = event.fence_id.as_str();
        let fence = self.names.get(fence).map_or(fence, String::as_str);
        let what = match event.detail.as_ref()? {
            Detail::GeofenceEnter(_) => format!("enters {fence}"),
            Detail::GeofenceExit(_) => format!("leaves {fence}"),
            Detail::GeofenceCross(cross) => {
                format!("passes {:.0} m through {fence}", cross.inside_m)
            }
            Detail::GeofenceDwell(dwell) => {
                format!("has been in {fence} for {}", minutes(f64::from(dwell.threshold_s)))
            }
            Detail::GeofenceVisit(_) => return None,
            Detail::StationaryStart(_) => "stands".to_owned(),
            Detail::StationaryEnd(end) => format!("moves on after {}", minutes(end.duration_s)),
            Detail::IdleStart(_) => "stands with the engine on".to_owned(),
            Detail::IdleEnd(end) => format!("idled for {}", minutes(end.duration_s)),
            Detail::VehicleOffline(_) => "has fallen silent".to_owned(),
            Detail::VehicleOnline(online) => {
                format!("is back after {}", minutes(online.silence_s))
            }
            Detail::SourceStalled(source) => format!("source {} has stalled", source.source),
            Detail::SourceRecovered(source) => format!("source {} is back", source.source),
        };
        let why = match reason_name(event.reason) {
            "" => String::new(),
            why => format!("  ({})", why.replace('_', " ")),
        };
        Some(format!(
            "{}  bus {:<6} {what}{why}",
            time_of_day(event.event_time_ms),
            event.vehicle_id
        ))
    }

    /// The totals of what was followed, which is `what` of the day.
    pub(super) fn summary(&self, what: &str, vehicles: usize) -> String {
        if self.pings == 0 {
            return format!("\n{what}: no pings; {vehicles} buses are known\n");
        }
        let mut text = String::new();
        let _ = writeln!(text, "\n{what}: {} pings of {vehicles} buses became", self.pings);
        for (kind, count) in &self.counts {
            let _ = writeln!(text, "  {count:>8}  {kind}");
        }
        if self.corrections > 0 {
            let _ = writeln!(text, "  {:>8}  corrections of events told earlier", self.corrections);
        }
        text
    }
}

fn minutes(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
