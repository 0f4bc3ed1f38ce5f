//! Arrow builders of the table `pings`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use geofence::Position;
use protos::PingView;

use super::Origin;
use super::run::RunPing;
use crate::builders;
use crate::day::Day;
use crate::rolling::Columns;

/// What one row is made of.
pub(super) struct PingRow<'a> {
    /// Its position is not read.
    pub(super) view: &'a PingView<'a>,
    pub(super) position: Position,
    /// The position as well-known text.
    pub(super) location: &'a str,
    pub(super) ping: &'a RunPing<'a>,
    pub(super) origin: Origin,
    pub(super) day: Day,
}

/// One builder a column, in the order of [`crate::schema::PINGS`].
pub(crate) struct PingColumns {
    vehicle_id: StringBuilder,
    ping_id: StringBuilder,
    seq: Int64Builder,
    event_time: TimestampMicrosecondBuilder,
    lat: Float64Builder,
    lon: Float64Builder,
    altitude_m: Float64Builder,
    accuracy_m: Float64Builder,
    speed_mps: Float64Builder,
    heading_deg: Float64Builder,
    odometer_m: Float64Builder,
    ignition: BooleanBuilder,
    engine_rpm: Float64Builder,
    fuel_percent: Float64Builder,
    battery_percent: Float64Builder,
    driver_id: StringBuilder,
    route_id: StringBuilder,
    trip_id: StringBuilder,
    location: StringBuilder,
    receive_time: TimestampMicrosecondBuilder,
    message_id: StringBuilder,
    disposition: StringBuilder,
    supersedes: StringBuilder,
    shard: Int64Builder,
    journal_seq: Int64Builder,
    day: Date32Builder,
}

impl PingColumns {
    /// Of a ping that was refused: who, where, when, and that it was refused.
    pub(super) fn push_keys(&mut self, row: &PingRow<'_>) {
        let keys = PingView {
            vehicle_id: row.view.vehicle_id,
            event_time_us: builders::storable(row.view.event_time_us),
            ..PingView::default()
        };
        self.push(&PingRow {
            view: &keys,
            ping: &RunPing {
                disposition: "refused",
                message_id: None,
                supersedes: None,
                receive_time_ms: builders::storable_ms(row.ping.receive_time_ms),
                ..*row.ping
            },
            ..*row
        });
    }

    pub(super) fn push(&mut self, row: &PingRow<'_>) {
        let view = row.view;
        self.vehicle_id.append_value(view.vehicle_id);
        self.ping_id.append_option(view.ping_id);
        // Past what the column holds the largest is as good as any.
        self.seq.append_option(view.seq.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX)));
        self.event_time.append_value(view.event_time_us);
        self.lat.append_value(row.position.lat_deg());
        self.lon.append_value(row.position.lon_deg());
        self.altitude_m.append_option(view.altitude_m);
        self.accuracy_m.append_option(view.accuracy_m);
        self.speed_mps.append_option(view.speed_mps);
        self.heading_deg.append_option(view.heading_deg);
        self.odometer_m.append_option(view.odometer_m);
        self.ignition.append_option(view.ignition);
        self.engine_rpm.append_option(view.engine_rpm);
        self.fuel_percent.append_option(view.fuel_percent);
        self.battery_percent.append_option(view.battery_percent);
        self.driver_id.append_option(view.driver_id);
        self.route_id.append_option(view.route_id);
        self.trip_id.append_option(view.trip_id);
        self.location.append_value(row.location);
        self.receive_time.append_value(builders::microseconds(row.ping.receive_time_ms));
        self.message_id.append_option(row.ping.message_id);
        self.disposition.append_value(row.ping.disposition);
        self.supersedes.append_option(row.ping.supersedes);
        self.shard.append_value(row.origin.shard);
        self.journal_seq.append_value(row.origin.journal_seq);
        self.day.append_value(row.day.days_since_epoch());
    }
}

impl Columns for PingColumns {
    fn with_capacity(rows: usize) -> Self {
        let text = |bytes| StringBuilder::with_capacity(rows, rows * bytes);
        let number = || Float64Builder::with_capacity(rows);
        Self {
            vehicle_id: text(12),
            ping_id: text(0),
            seq: Int64Builder::with_capacity(rows),
            event_time: builders::times(rows),
            lat: number(),
            lon: number(),
            altitude_m: number(),
            accuracy_m: number(),
            speed_mps: number(),
            heading_deg: number(),
            odometer_m: number(),
            ignition: BooleanBuilder::with_capacity(rows),
            engine_rpm: number(),
            fuel_percent: number(),
            battery_percent: number(),
            driver_id: text(0),
            route_id: text(4),
            trip_id: text(8),
            location: text(32),
            receive_time: builders::times(rows),
            message_id: text(0),
            disposition: text(8),
            supersedes: text(0),
            shard: Int64Builder::with_capacity(rows),
            journal_seq: Int64Builder::with_capacity(rows),
            day: Date32Builder::with_capacity(rows),
        }
    }

    fn rows(&self) -> usize {
        builders::rows(&self.day)
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.vehicle_id.finish()),
            Arc::new(self.ping_id.finish()),
            Arc::new(self.seq.finish()),
            Arc::new(self.event_time.finish()),
            Arc::new(self.lat.finish()),
            Arc::new(self.lon.finish()),
            Arc::new(self.altitude_m.finish()),
            Arc::new(self.accuracy_m.finish()),
            Arc::new(self.speed_mps.finish()),
            Arc::new(self.heading_deg.finish()),
            Arc::new(self.odometer_m.finish()),
            Arc::new(self.ignition.finish()),
            Arc::new(self.engine_rpm.finish()),
            Arc::new(self.fuel_percent.finish()),
            Arc::new(self.battery_percent.finish()),
            Arc::new(self.driver_id.finish()),
            Arc::new(self.route_id.finish()),
            Arc::new(self.trip_id.finish()),
            Arc::new(self.location.finish()),
            Arc::new(self.receive_time.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.disposition.finish()),
            Arc::new(self.supersedes.finish()),
            Arc::new(self.shard.finish()),
            Arc::new(self.journal_seq.finish()),
            Arc::new(self.day.finish()),
        ]
    }
}
