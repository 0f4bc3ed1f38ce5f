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

use crate::builders::{self, Points, Sparse};
use crate::day::Day;
use crate::rolling::Columns;

/// One builder a column, in the order of [`crate::schema::EVENTS`].
pub(crate) struct EventColumns {
    event_id: StringBuilder,
    op: Sparse<StringBuilder>,
    revision: Int64Builder,
    kind: StringBuilder,
    vehicle_id: Sparse<StringBuilder>,
    fence_id: Sparse<StringBuilder>,
    fence_version: Sparse<Int64Builder>,
    visit_id: Sparse<StringBuilder>,
    episode_id: Sparse<StringBuilder>,
    event_time: TimestampMicrosecondBuilder,
    not_before: Sparse<TimestampMicrosecondBuilder>,
    not_after: Sparse<TimestampMicrosecondBuilder>,
    observed_at: Sparse<TimestampMicrosecondBuilder>,
    lat: Sparse<Float64Builder>,
    lon: Sparse<Float64Builder>,
    distance_m: Sparse<Float64Builder>,
    accuracy_m: Sparse<Float64Builder>,
    confidence: Sparse<Float64Builder>,
    reason: Sparse<StringBuilder>,
    late: BooleanBuilder,
    replaces: Sparse<StringBuilder>,
    schema_version: Int64Builder,
    enter_time: Sparse<TimestampMicrosecondBuilder>,
    duration_s: Sparse<Float64Builder>,
    certain_s: Sparse<Float64Builder>,
    possible_s: Sparse<Float64Builder>,
    max_gap_s: Sparse<Float64Builder>,
    pings: Sparse<Int64Builder>,
    out_time: Sparse<TimestampMicrosecondBuilder>,
    inside_m: Sparse<Float64Builder>,
    threshold_s: Sparse<Float64Builder>,
    silence_s: Sparse<Float64Builder>,
    source: Sparse<StringBuilder>,
    location: Points,
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
    /// Appends one row.
    pub(super) fn push(&mut self, segment: &Segment, event: &FleetEvent, day: Day) {
        self.push_envelope(event, kind(event), unless_empty(reason_name(event.reason)));
        self.push_kind_fields(&kind_fields(event));
        let position =
            event.lat.zip(event.lon).and_then(|(lat, lon)| Position::from_degrees(lat, lon));
        if let Some(position) = position {
            self.location.set(self.rows(), position);
        }
        self.push_origin(segment, day);
    }

    /// Of an operation that was refused: which of which event, so that the
    /// fold comes out, and that the rest was refused.
    pub(super) fn push_keys(&mut self, segment: &Segment, event: &FleetEvent, day: Day) {
        let keys = FleetEvent {
            event_id: event.event_id,
            op: event.op,
            revision: event.revision,
            vehicle_id: event.vehicle_id.clone(),
            event_time_ms: builders::storable_ms(event.event_time_ms),
            late: event.late,
            schema_version: event.schema_version,
            ..FleetEvent::default()
        };
        self.push_envelope(&keys, kind(event), Some("refused"));
        self.push_origin(segment, day);
    }

    fn push_origin(&mut self, segment: &Segment, day: Day) {
        self.shard.append_value(segment.shard.into());
        self.journal_seq.append_value(segment.seq.cast_signed());
        self.day.append_value(day.days_since_epoch());
    }

    fn push_envelope(&mut self, event: &FleetEvent, kind: &str, reason: Option<&str>) {
        let row = self.rows();
        self.event_id.append_value(&*event.event_id.text());
        self.op.set(row, unless_empty(op_name(event.op)));
        self.revision.append_value(event.revision.cast_signed());
        self.kind.append_value(kind);
        self.vehicle_id.set(row, unless_empty(&event.vehicle_id));
        self.fence_id.set(row, unless_empty(&event.fence_id));
        let fence_version = (event.fence_version != 0).then_some(event.fence_version.into());
        self.fence_version.set(row, fence_version);
        self.visit_id.set(row, unless_empty(&event.visit_id.text()));
        self.episode_id.set(row, unless_empty(&event.episode_id.text()));
        self.event_time.append_value(builders::microseconds(event.event_time_ms));
        self.not_before.set(row, unless_zero(event.not_before_ms));
        self.not_after.set(row, unless_zero(event.not_after_ms));
        self.observed_at.set(row, unless_zero(event.observed_at_ms));
        self.lat.set(row, event.lat);
        self.lon.set(row, event.lon);
        self.distance_m.set(row, event.distance_m);
        self.accuracy_m.set(row, event.accuracy_m);
        self.confidence.set(row, event.confidence);
        self.reason.set(row, reason);
        self.late.append_value(event.late);
        self.replaces.set(row, unless_empty(&event.replaces.text()));
        self.schema_version.append_value(event.schema_version.into());
    }

    fn push_kind_fields(&mut self, fields: &KindFields<'_>) {
        let row = self.rows();
        self.enter_time.set(row, fields.enter_time_ms.map(builders::microseconds));
        self.duration_s.set(row, fields.duration_s);
        self.certain_s.set(row, fields.certain_s);
        self.possible_s.set(row, fields.possible_s);
        self.max_gap_s.set(row, fields.max_gap_s);
        self.pings.set(row, fields.pings.map(u64::cast_signed));
        self.out_time.set(row, fields.out_time_ms.map(builders::microseconds));
        self.inside_m.set(row, fields.inside_m);
        self.threshold_s.set(row, fields.threshold_s);
        self.silence_s.set(row, fields.silence_s);
        self.source.set(row, fields.source);
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
        let text = |bytes| StringBuilder::with_capacity(rows, rows * bytes);
        let number = || Float64Builder::with_capacity(rows);
        let integer = || Int64Builder::with_capacity(rows);
        let time = || builders::times(rows);
        Self {
            event_id: text(32),
            op: Sparse::new(text(8)),
            revision: integer(),
            kind: text(16),
            vehicle_id: Sparse::new(text(12)),
            fence_id: Sparse::new(text(24)),
            fence_version: Sparse::new(integer()),
            visit_id: Sparse::new(text(32)),
            episode_id: Sparse::new(text(0)),
            event_time: time(),
            not_before: Sparse::new(time()),
            not_after: Sparse::new(time()),
            observed_at: Sparse::new(time()),
            lat: Sparse::new(number()),
            lon: Sparse::new(number()),
            distance_m: Sparse::new(number()),
            accuracy_m: Sparse::new(number()),
            confidence: Sparse::new(number()),
            reason: Sparse::new(text(12)),
            late: BooleanBuilder::with_capacity(rows),
            replaces: Sparse::new(text(0)),
            schema_version: integer(),
            enter_time: Sparse::new(time()),
            duration_s: Sparse::new(number()),
            certain_s: Sparse::new(number()),
            possible_s: Sparse::new(number()),
            max_gap_s: Sparse::new(number()),
            pings: Sparse::new(integer()),
            out_time: Sparse::new(time()),
            inside_m: Sparse::new(number()),
            threshold_s: Sparse::new(number()),
            silence_s: Sparse::new(number()),
            source: Sparse::new(text(0)),
            location: Points::with_capacity(rows),
            shard: integer(),
            journal_seq: integer(),
            day: Date32Builder::with_capacity(rows),
        }
    }

    fn rows(&self) -> usize {
        builders::rows(&self.day)
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        let rows = self.rows();
        vec![
            Arc::new(self.event_id.finish()),
            self.op.finish(rows),
            Arc::new(self.revision.finish()),
            Arc::new(self.kind.finish()),
            self.vehicle_id.finish(rows),
            self.fence_id.finish(rows),
            self.fence_version.finish(rows),
            self.visit_id.finish(rows),
            self.episode_id.finish(rows),
            Arc::new(self.event_time.finish()),
            self.not_before.finish(rows),
            self.not_after.finish(rows),
            self.observed_at.finish(rows),
            self.lat.finish(rows),
            self.lon.finish(rows),
            self.distance_m.finish(rows),
            self.accuracy_m.finish(rows),
            self.confidence.finish(rows),
            self.reason.finish(rows),
            Arc::new(self.late.finish()),
            self.replaces.finish(rows),
            Arc::new(self.schema_version.finish()),
            self.enter_time.finish(rows),
            self.duration_s.finish(rows),
            self.certain_s.finish(rows),
            self.possible_s.finish(rows),
            self.max_gap_s.finish(rows),
            self.pings.finish(rows),
            self.out_time.finish(rows),
            self.inside_m.finish(rows),
            self.threshold_s.finish(rows),
            self.silence_s.finish(rows),
            self.source.finish(rows),
            self.location.finish(rows),
            Arc::new(self.shard.finish()),
            Arc::new(self.journal_seq.finish()),
            Arc::new(self.day.finish()),
        ]
    }
}
