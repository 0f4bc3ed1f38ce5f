//! One operation on an event, as the engine emits it, from JSON or protobuf.

use std::collections::HashMap;

use protos::events::fleet_event::Detail;
use protos::events::{self, FleetEvent};
use serde::Deserialize;

use super::latencies::is_of_a_ping;
use crate::fences::Fences;
use crate::truth::{Kind, Names, vehicle_number};

/// What an operation does to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It holds.
    Assert,
    /// It holds with other values.
    Amend,
    /// It does not hold.
    Retract,
}

/// One operation. Times are milliseconds since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, 128 bits.
    pub id: u128,
    /// What it does.
    pub op: Op,
    /// The higher one wins.
    pub revision: u64,
    /// What happened; `None` for kinds that the truth does not know.
    pub kind: Option<Kind>,
    /// To which vehicle; `None` for one that is not of this fleet.
    pub vehicle: Option<u32>,
    /// At which fence.
    pub fence: Option<u32>,
    /// When.
    pub t_ms: i64,
    /// The true time lies between these two, where they are given.
    pub interval_ms: Option<(i64, i64)>,
    /// The threshold of a dwell, milliseconds; otherwise 0.
    pub threshold_ms: i64,
    /// Learnt from a ping that came late.
    pub late: bool,
}

/// Reads events of one run.
#[derive(Debug)]
pub struct EventReader {
    names: Names,
    fences: HashMap<String, u32>,
}

impl EventReader {
    /// For the run with these names.
    #[must_use]
    pub fn new(fences: &Fences, names: Names) -> Self {
        let numbered =
            fences.all().iter().zip(0..).map(|(fence, number)| (fence.id.clone(), number));
        Self { names, fences: numbered.collect() }
    }

    /// Reads the JSON object of an event; a folded one, without operation and
    /// revision, holds.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(&self, json: &[u8]) -> anyhow::Result<Event> {
        self.event(&serde_json::from_slice(json)?)
    }

    /// The same, and when the target received the ping that decided it,
    /// milliseconds since the start; `None` for what no ping decided in order.
    ///
    /// # Errors
    /// It is none.
    pub fn with_receipt(&self, json: &[u8]) -> anyhow::Result<(Event, Option<i64>)> {
        let line: Line = serde_json::from_slice(json)?;
        let event = self.event(&line)?;
        let in_order = event.op == Op::Assert && !event.late;
        let observed_at =
            line.observed_at.filter(|_| is_of_a_ping(event.kind, &line.reason, in_order));
        Ok((event, observed_at.map(|at| at.as_millisecond() - self.names.start_ms)))
    }

    fn event(&self, line: &Line) -> anyhow::Result<Event> {
        let kind = Kind::named(&line.kind);
        let since_start = |time: jiff::Timestamp| time.as_millisecond() - self.names.start_ms;
        Ok(Event {
            id: u128::from_str_radix(&line.event_id, 16)?,
            op: match line.op.as_deref() {
                None | Some("assert") => Op::Assert,
                Some("amend") => Op::Amend,
                Some("retract") => Op::Retract,
                Some(other) => anyhow::bail!("no operation is called {other:?}"),
            },
            revision: line.revision,
            kind,
            vehicle: vehicle_number(&self.names.prefix, &line.vehicle_id),
            fence: self.fences.get(&line.fence_id).copied(),
            t_ms: since_start(line.event_time),
            interval_ms: line.not_before.map(since_start).zip(line.not_after.map(since_start)),
            threshold_ms: match (kind, line.threshold_s) {
                (Some(Kind::Dwell), Some(seconds)) => (seconds * 1e3) as i64,
                _ => 0,
            },
            late: line.late,
        })
    }

    /// Takes an event from its message.
    ///
    /// # Errors
    /// Its id or operation is none.
    pub fn from_message(&self, message: &FleetEvent) -> anyhow::Result<Event> {
        anyhow::ensure!(!message.event_id.is_none(), "an event has an id");
        let since_start = |ms: i64| ms - self.names.start_ms;
        let given = message.not_before_ms != 0 && message.not_after_ms != 0;
        let interval_ms = (since_start(message.not_before_ms), since_start(message.not_after_ms));
        Ok(Event {
            id: message.event_id.number(),
            op: match events::Op::try_from(message.op) {
                Ok(events::Op::Assert) => Op::Assert,
                Ok(events::Op::Amend) => Op::Amend,
                Ok(events::Op::Retract) => Op::Retract,
                _ => anyhow::bail!("no operation has the number {}", message.op),
            },
            revision: message.revision,
            kind: Kind::named(protos::event_json::kind(message)),
            vehicle: vehicle_number(&self.names.prefix, &message.vehicle_id),
            fence: self.fences.get(message.fence_id.as_str()).copied(),
            t_ms: since_start(message.event_time_ms),
            interval_ms: given.then_some(interval_ms),
            threshold_ms: match &message.detail {
                Some(Detail::GeofenceDwell(dwell)) => i64::from(dwell.threshold_s) * 1000,
                _ => 0,
            },
            late: message.late,
        })
    }
}

#[derive(Deserialize)]
struct Line {
    event_id: String,
    op: Option<String>,
    #[serde(default)]
    revision: u64,
    kind: String,
    #[serde(default)]
    vehicle_id: String,
    #[serde(default)]
    fence_id: String,
    event_time: jiff::Timestamp,
    observed_at: Option<jiff::Timestamp>,
    not_before: Option<jiff::Timestamp>,
    not_after: Option<jiff::Timestamp>,
    threshold_s: Option<f64>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    late: bool,
}

#[cfg(test)]
mod tests {
    use protos::event_json::{Rendering, push_event};
    use protos::events::GeofenceDwell;

    use super::*;

    #[test]
    fn json_and_message_say_the_same() {
        let fences = br#"{"type":"Feature","id":"depot","properties":{"radius_m":50},
            "geometry":{"type":"Point","coordinates":[10.02,50.005]}}"#;
        let reader = EventReader::new(
            &Fences::from_geojson(fences).unwrap(),
            Names { start_ms: 1_000_000, prefix: "run-".into() },
        );
        let message = FleetEvent {
            event_id: events::Id::new(17 << 70),
            op: events::Op::Amend.into(),
            revision: 12,
            vehicle_id: "run-v0000042".into(),
            fence_id: "depot".into(),
            event_time_ms: 1_310_000,
            not_before_ms: 1_309_000,
            not_after_ms: 1_311_000,
            late: true,
            detail: Some(Detail::GeofenceDwell(GeofenceDwell { threshold_s: 300 })),
            ..FleetEvent::default()
        };
        let expected = Event {
            id: 17 << 70,
            op: Op::Amend,
            revision: 12,
            kind: Some(Kind::Dwell),
            vehicle: Some(42),
            fence: Some(0),
            t_ms: 310_000,
            interval_ms: Some((309_000, 311_000)),
            threshold_ms: 300_000,
            late: true,
        };
        assert_eq!(reader.from_message(&message).unwrap(), expected);
        let mut json = Vec::new();
        push_event(&mut json, &message, Rendering::Full);
        assert_eq!(reader.from_json(&json).unwrap(), expected);
        json.clear();
        push_event(&mut json, &message, Rendering::Folded);
        let folded = reader.from_json(&json).unwrap();
        assert_eq!(folded, Event { op: Op::Assert, revision: 0, late: false, ..expected });
    }
    #[test]
    fn a_receipt_is_known_of_what_a_ping_decided_in_order() {
        let reader = EventReader::new(
            &Fences::from_geojson(br#"{"type":"FeatureCollection","features":[]}"#).unwrap(),
            Names { start_ms: 1_000_000, prefix: String::new() },
        );
        let receipt = |message: &FleetEvent| {
            let mut json = Vec::new();
            push_event(&mut json, message, Rendering::Full);
            reader.with_receipt(&json).unwrap().1
        };
        let enter = FleetEvent {
            event_id: events::Id::new(1),
            op: events::Op::Assert.into(),
            event_time_ms: 1_001_000,
            observed_at_ms: 1_002_000,
            reason: events::Reason::Crossed.into(),
            detail: Some(Detail::GeofenceEnter(events::GeofenceEnter {})),
            ..FleetEvent::default()
        };
        assert_eq!(receipt(&enter), Some(2_000));
        for none in [
            FleetEvent { late: true, ..enter.clone() },
            FleetEvent { op: events::Op::Amend.into(), ..enter.clone() },
            FleetEvent { reason: events::Reason::FenceCreated.into(), ..enter.clone() },
            FleetEvent {
                detail: Some(Detail::GeofenceDwell(GeofenceDwell { threshold_s: 300 })),
                ..enter.clone()
            },
        ] {
            assert_eq!(receipt(&none), None, "{none:?}");
        }
    }
}
