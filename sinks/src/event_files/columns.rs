//! Arrow builders of the table `events`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use geofence::Position;
use protos::event_json::{kind, op_name, reason_name};
use protos::events::FleetEvent;
use protos::events::fleet_event::Detail;
use protos::journal::Segment;

use crate::day::Day;
use crate::rolling::Columns;
use crate::{builders, wkt};

/// One builder a column, in the order of [`crate::schema::EVENTS`].
pub(crate) struct EventColumns {
    event_id: StringBuilder,
    op: StringBuilder,
    revision: Int64Builder,
    kind: StringBuilder,
    vehicle_id: StringBuilder,
    fence_id: StringBuilder,
    fence_version: Int64Builder,
    visit_id: StringBuilder,
    episode_id: StringBuilder,
    event_time: TimestampMicrosecondBuilder,
    not_before: TimestampMicrosecondBuilder,
    not_after: TimestampMicrosecondBuilder,
    observed_at: TimestampMicrosecondBuilder,
    lat: Float64Builder,
    lon: Float64Builder,
    distance_m: Float64Builder,
    accuracy_m: Float64Builder,
    confidence: Float64Builder,
    reason: StringBuilder,
    late: BooleanBuilder,
    replaces: StringBuilder,
    schema_version: Int64Builder,
    enter_time: TimestampMicrosecondBuilder,
    duration_s: Float64Builder,
    certain_s: Float64Builder,
    possible_s: Float64Builder,
    max_gap_s: Float64Builder,
    pings: Int64Builder,
    out_time: TimestampMicrosecondBuilder,
    inside_m: Float64Builder,
    threshold_s: Float64Builder,
    silence_s: Float64Builder,
    source: StringBuilder,
    location: StringBuilder,
    shard: Int64Builder,
    journal_seq: Int64Builder,
    day: Date32Builder,
}

/// The fields of all kinds side by side; a kind sets its own.
#[derive(Default)]
struct KindFields<'a> {
    enter_time_ms: Option<i64>,
    duration_s: Option<f64>,
    certain_s: Option<f64>,
    possible_s: Option<f64>,
    max_gap_s: Option<f64>,
    pings: Option<u64>,
    out_time_ms: Option<i64>,
    inside_m: Option<f64>,
    threshold_s: Option<f64>,
    silence_s: Option<f64>,
    source: Option<&'a str>,
}

impl EventColumns {
    /// Appends one row; `location` is scratch.
    pub(super) fn push(
        &mut self,
        segment: &Segment,
        event: &FleetEvent,
        day: Day,
        location: &mut String,
    ) {
        self.push_envelope(event, kind(event), unless_empty(reason_name(event.reason)));
        self.push_kind_fields(&kind_fields(event));
        let position =
            event.lat.zip(event.lon).and_then(|(lat, lon)| Position::from_degrees(lat, lon));
        self.location.append_option(position.map(|position| {
            wkt::point(location, position);
            &*location
        }));
        self.push_origin(segment, day);
    }

    /// Of an operation that was refused: which of which event, so that the
    /// fold comes out, and that the rest was refused.
    pub(super) fn push_keys(&mut self, segment: &Segment, event: &FleetEvent, day: Day) {
        let keys = FleetEvent {
            event_id: event.event_id.clone(),
            op: event.op,
            revision: event.revision,
            vehicle_id: event.vehicle_id.clone(),
            event_time_ms: builders::storable_ms(event.event_time_ms),
            late: event.late,
            schema_version: event.schema_version,
            ..FleetEvent::default()
        };
        self.push_envelope(&keys, kind(event), Some("refused"));
        self.push_kind_fields(&KindFields::default());
        self.location.append_null();
        self.push_origin(segment, day);
    }

    fn push_origin(&mut self, segment: &Segment, day: Day) {
        self.shard.append_value(segment.shard.into());
        self.journal_seq.append_value(segment.seq.cast_signed());
        self.day.append_value(day.days_since_epoch());
    }

    fn push_envelope(&mut self, event: &FleetEvent, kind: &str, reason: Option<&str>) {
        self.event_id.append_value(&event.event_id);
        self.op.append_option(unless_empty(op_name(event.op)));
        self.revision.append_value(event.revision.cast_signed());
        self.kind.append_value(kind);
        self.vehicle_id.append_option(unless_empty(&event.vehicle_id));
        self.fence_id.append_option(unless_empty(&event.fence_id));
        let fence_version = (event.fence_version != 0).then_some(event.fence_version.into());
        self.fence_version.append_option(fence_version);
        self.visit_id.append_option(unless_empty(&event.visit_id));
        self.episode_id.append_option(unless_empty(&event.episode_id));
        self.event_time.append_value(builders::microseconds(event.event_time_ms));
        self.not_before.append_option(unless_zero(event.not_before_ms));
        self.not_after.append_option(unless_zero(event.not_after_ms));
        self.observed_at.append_option(unless_zero(event.observed_at_ms));
        self.lat.append_option(event.lat);
        self.lon.append_option(event.lon);
        self.distance_m.append_option(event.distance_m);
        self.accuracy_m.append_option(event.accuracy_m);
        self.confidence.append_option(event.confidence);
        self.reason.append_option(reason);
        self.late.append_value(event.late);
        self.replaces.append_option(unless_empty(&event.replaces));
        self.schema_version.append_value(event.schema_version.into());
    }

    fn push_kind_fields(&mut self, fields: &KindFields<'_>) {
        self.enter_time.append_option(fields.enter_time_ms.map(builders::microseconds));
        self.duration_s.append_option(fields.duration_s);
        self.certain_s.append_option(fields.certain_s);
        self.possible_s.append_option(fields.possible_s);
        self.max_gap_s.append_option(fields.max_gap_s);
        self.pings.append_option(fields.pings.map(u64::cast_signed));
        self.out_time.append_option(fields.out_time_ms.map(builders::microseconds));
        self.inside_m.append_option(fields.inside_m);
        self.threshold_s.append_option(fields.threshold_s);
        self.silence_s.append_option(fields.silence_s);
        self.source.append_option(fields.source);
    }
}

fn kind_fields(event: &FleetEvent) -> KindFields<'_> {
    let none = KindFields::default();
    match &event.detail {
        None
        | Some(
            Detail::GeofenceEnter(_)
            | Detail::GeofenceExit(_)
            | Detail::StationaryStart(_)
            | Detail::IdleStart(_),
        ) => none,
        Some(Detail::GeofenceCross(cross)) => KindFields {
            out_time_ms: Some(cross.out_time_ms),
            inside_m: Some(cross.inside_m),
            ..none
        },
        Some(Detail::GeofenceDwell(dwell)) => {
            KindFields { threshold_s: Some(dwell.threshold_s.into()), ..none }
        }
        Some(Detail::GeofenceVisit(visit)) => KindFields {
            enter_time_ms: Some(visit.enter_time_ms),
            duration_s: Some(visit.duration_s),
            certain_s: Some(visit.certain_s),
            possible_s: Some(visit.possible_s),
            max_gap_s: Some(visit.max_gap_s),
            pings: Some(visit.pings),
            ..none
        },
        Some(Detail::StationaryEnd(end)) => KindFields { duration_s: Some(end.duration_s), ..none },
        Some(Detail::IdleEnd(end)) => KindFields { duration_s: Some(end.duration_s), ..none },
        Some(Detail::VehicleOffline(offline)) => {
            KindFields { threshold_s: Some(offline.threshold_s), ..none }
        }
        Some(Detail::VehicleOnline(online)) => {
            KindFields { silence_s: Some(online.silence_s), ..none }
        }
        Some(Detail::SourceStalled(stalled)) => {
            KindFields { source: Some(&stalled.source), ..none }
        }
        Some(Detail::SourceRecovered(recovered)) => {
            KindFields { source: Some(&recovered.source), ..none }
        }
    }
}

fn unless_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn unless_zero(ms: i64) -> Option<i64> {
    (ms != 0).then(|| builders::microseconds(ms))
}

impl Columns for EventColumns {
    fn with_capacity(rows: usize) -> Self {
        let text = || StringBuilder::with_capacity(rows, rows * 16);
        let number = || Float64Builder::with_capacity(rows);
        let integer = || Int64Builder::with_capacity(rows);
        let time = || builders::times(rows);
        Self {
            event_id: text(),
            op: text(),
            revision: integer(),
            kind: text(),
            vehicle_id: text(),
            fence_id: text(),
            fence_version: integer(),
            visit_id: text(),
            episode_id: text(),
            event_time: time(),
            not_before: time(),
            not_after: time(),
            observed_at: time(),
            lat: number(),
            lon: number(),
            distance_m: number(),
            accuracy_m: number(),
            confidence: number(),
            reason: text(),
            late: BooleanBuilder::with_capacity(rows),
            replaces: text(),
            schema_version: integer(),
            enter_time: time(),
            duration_s: number(),
            certain_s: number(),
            possible_s: number(),
            max_gap_s: number(),
            pings: integer(),
            out_time: time(),
            inside_m: number(),
            threshold_s: number(),
            silence_s: number(),
            source: text(),
            location: text(),
            shard: integer(),
            journal_seq: integer(),
            day: Date32Builder::with_capacity(rows),
        }
    }

    fn rows(&self) -> usize {
        builders::rows(&self.day)
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.event_id.finish()),
            Arc::new(self.op.finish()),
            Arc::new(self.revision.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.vehicle_id.finish()),
            Arc::new(self.fence_id.finish()),
            Arc::new(self.fence_version.finish()),
            Arc::new(self.visit_id.finish()),
            Arc::new(self.episode_id.finish()),
            Arc::new(self.event_time.finish()),
            Arc::new(self.not_before.finish()),
            Arc::new(self.not_after.finish()),
            Arc::new(self.observed_at.finish()),
            Arc::new(self.lat.finish()),
            Arc::new(self.lon.finish()),
            Arc::new(self.distance_m.finish()),
            Arc::new(self.accuracy_m.finish()),
            Arc::new(self.confidence.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.late.finish()),
            Arc::new(self.replaces.finish()),
            Arc::new(self.schema_version.finish()),
            Arc::new(self.enter_time.finish()),
            Arc::new(self.duration_s.finish()),
            Arc::new(self.certain_s.finish()),
            Arc::new(self.possible_s.finish()),
            Arc::new(self.max_gap_s.finish()),
            Arc::new(self.pings.finish()),
            Arc::new(self.out_time.finish()),
            Arc::new(self.inside_m.finish()),
            Arc::new(self.threshold_s.finish()),
            Arc::new(self.silence_s.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.location.finish()),
            Arc::new(self.shard.finish()),
            Arc::new(self.journal_seq.finish()),
            Arc::new(self.day.finish()),
        ]
    }
}
