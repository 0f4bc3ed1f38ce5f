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
use crate::builders::{self, Points, Sparse};
use crate::day::Day;
use crate::rolling::Columns;

/// What one row is made of.
pub(super) struct PingRow<'a> {
    /// Its position is not read.
    pub(super) view: &'a PingView<'a>,
    pub(super) position: Position,
    pub(super) ping: &'a RunPing<'a>,
    pub(super) origin: Origin,
    pub(super) day: Day,
}

/// One builder a column, in the order of [`crate::schema::PINGS`].
pub(crate) struct PingColumns {
    vehicle_id: StringBuilder,
    ping_id: Sparse<StringBuilder>,
    seq: Sparse<Int64Builder>,
    event_time: TimestampMicrosecondBuilder,
    lat: Float64Builder,
    lon: Float64Builder,
    altitude_m: Sparse<Float64Builder>,
    accuracy_m: Sparse<Float64Builder>,
    speed_mps: Sparse<Float64Builder>,
    heading_deg: Sparse<Float64Builder>,
    odometer_m: Sparse<Float64Builder>,
    ignition: Sparse<BooleanBuilder>,
    engine_rpm: Sparse<Float64Builder>,
    fuel_percent: Sparse<Float64Builder>,
    battery_percent: Sparse<Float64Builder>,
    driver_id: Sparse<StringBuilder>,
    route_id: Sparse<StringBuilder>,
    trip_id: Sparse<StringBuilder>,
    location: Points,
    receive_time: TimestampMicrosecondBuilder,
    message_id: Sparse<StringBuilder>,
    disposition: StringBuilder,
    supersedes: Sparse<StringBuilder>,
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
        let (at, view) = (self.rows(), row.view);
        self.vehicle_id.append_value(view.vehicle_id);
        self.ping_id.set(at, view.ping_id);
        // Past what the column holds the largest is as good as any.
        self.seq.set(at, view.seq.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX)));
        self.event_time.append_value(view.event_time_us);
        self.lat.append_value(row.position.lat_deg());
        self.lon.append_value(row.position.lon_deg());
        self.altitude_m.set(at, view.altitude_m);
        self.accuracy_m.set(at, view.accuracy_m);
        self.speed_mps.set(at, view.speed_mps);
        self.heading_deg.set(at, view.heading_deg);
        self.odometer_m.set(at, view.odometer_m);
        self.ignition.set(at, view.ignition);
        self.engine_rpm.set(at, view.engine_rpm);
        self.fuel_percent.set(at, view.fuel_percent);
        self.battery_percent.set(at, view.battery_percent);
        self.driver_id.set(at, view.driver_id);
        self.route_id.set(at, view.route_id);
        self.trip_id.set(at, view.trip_id);
        self.location.set(at, row.position);
        self.receive_time.append_value(builders::microseconds(row.ping.receive_time_ms));
        self.message_id.set(at, row.ping.message_id);
        self.disposition.append_value(row.ping.disposition);
        self.supersedes.set(at, row.ping.supersedes);
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
            ping_id: Sparse::new(text(0)),
            seq: Sparse::new(Int64Builder::with_capacity(rows)),
            event_time: builders::times(rows),
            lat: number(),
            lon: number(),
            altitude_m: Sparse::new(number()),
            accuracy_m: Sparse::new(number()),
            speed_mps: Sparse::new(number()),
            heading_deg: Sparse::new(number()),
            odometer_m: Sparse::new(number()),
            ignition: Sparse::new(BooleanBuilder::with_capacity(rows)),
            engine_rpm: Sparse::new(number()),
            fuel_percent: Sparse::new(number()),
            battery_percent: Sparse::new(number()),
            driver_id: Sparse::new(text(0)),
            route_id: Sparse::new(text(4)),
            trip_id: Sparse::new(text(8)),
            location: Points::with_capacity(rows),
            receive_time: builders::times(rows),
            message_id: Sparse::new(text(0)),
            disposition: text(8),
            supersedes: Sparse::new(text(0)),
            shard: Int64Builder::with_capacity(rows),
            journal_seq: Int64Builder::with_capacity(rows),
            day: Date32Builder::with_capacity(rows),
        }
    }

    fn rows(&self) -> usize {
        builders::rows(&self.day)
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        let rows = self.rows();
        vec![
            Arc::new(self.vehicle_id.finish()),
            self.ping_id.finish(rows),
            self.seq.finish(rows),
            Arc::new(self.event_time.finish()),
            Arc::new(self.lat.finish()),
            Arc::new(self.lon.finish()),
            self.altitude_m.finish(rows),
            self.accuracy_m.finish(rows),
            self.speed_mps.finish(rows),
            self.heading_deg.finish(rows),
            self.odometer_m.finish(rows),
            self.ignition.finish(rows),
            self.engine_rpm.finish(rows),
            self.fuel_percent.finish(rows),
            self.battery_percent.finish(rows),
            self.driver_id.finish(rows),
            self.route_id.finish(rows),
            self.trip_id.finish(rows),
            self.location.finish(rows),
            Arc::new(self.receive_time.finish()),
            self.message_id.finish(rows),
            Arc::new(self.disposition.finish()),
            self.supersedes.finish(rows),
            Arc::new(self.shard.finish()),
            Arc::new(self.journal_seq.finish()),
            Arc::new(self.day.finish()),
        ]
    }
}
