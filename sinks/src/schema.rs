//! The columns of the tables `pings` and `events`: names, types, units. The
//! one place they are decided, for the Parquet files and for a warehouse that
//! holds the same tables.
//!
//! Integers are 64 bits with a sign throughout, because that is all BigQuery
//! has; a producer's `seq` above 2^63 − 1 reads as 2^63 − 1.

mod packing;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::file::properties::WriterProperties;

pub use self::packing::{EVENTS_PACKING, PINGS_PACKING, Packing};

/// One column, as every store of the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name; closes with the unit where there is one.
    pub name: &'static str,
    /// Type of its values.
    pub kind: ColumnKind,
    /// Whether a row may lack it.
    pub nullable: bool,
    /// Unit of measure; empty where there is none.
    pub unit: &'static str,
    /// What it says, for readers of the table.
    pub description: &'static str,
}

/// Type of a column, and what its values look like, which decides how Parquet
/// packs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text of few distinct values: Utf8; BigQuery STRING.
    Name,
    /// Text that hardly repeats: Utf8; BigQuery STRING.
    Text,
    /// Well-known text of a point, `POINT(lon lat)`: Utf8; BigQuery GEOGRAPHY.
    Point,
    /// 64-bit integer; BigQuery INT64.
    Integer,
    /// Double, of few distinct values or of many; BigQuery FLOAT64.
    Number,
    /// Double of many distinct values, each in rows that lie close together;
    /// BigQuery FLOAT64.
    Measure,
    /// Boolean; BigQuery BOOL.
    Flag,
    /// Microseconds since the Unix epoch, UTC, each close to the row's before;
    /// BigQuery TIMESTAMP.
    Time,
    /// The same, of a step between pings: equal in rows that lie close together,
    /// far apart otherwise.
    Moment,
    /// Days since the Unix epoch; BigQuery DATE.
    Date,
}

impl ColumnKind {
    fn data_type(self) -> DataType {
        match self {
            Self::Name | Self::Text | Self::Point => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Number | Self::Measure => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time | Self::Moment => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Self::Date => DataType::Date32,
        }
    }
}

const fn column(
    name: &'static str,
    kind: ColumnKind,
    unit: &'static str,
    description: &'static str,
) -> Column {
    Column { name, kind, nullable: true, unit, description }
}

const fn required(
    name: &'static str,
    kind: ColumnKind,
    unit: &'static str,
    description: &'static str,
) -> Column {
    Column { name, kind, nullable: false, unit, description }
}

use ColumnKind::{Date, Flag, Integer, Measure, Moment, Name, Number, Point, Text, Time};

/// Table `pings`: every distinct ping once, partitioned by `day`.
#[rustfmt::skip]
pub const PINGS: &[Column] = &[
    required("vehicle_id", Name, "", "The vehicle that reported."),
    column("ping_id", Text, "", "The producer's own id of the ping."),
    column("seq", Integer, "", "The producer's sequence number."),
    required("event_time", Time, "", "When the device took the fix."),
    required("lat", Number, "degrees", "WGS 84 latitude, rounded to 1e-7."),
    required("lon", Number, "degrees", "WGS 84 longitude, rounded to 1e-7."),
    column("altitude_m", Number, "m", "Height above the WGS 84 ellipsoid."),
    column("accuracy_m", Number, "m", "Radius that holds the true position with 68 % probability."),
    column("speed_mps", Number, "m/s", "Speed over ground."),
    column("heading_deg", Number, "degrees", "Course over ground, clockwise from true north."),
    column("odometer_m", Number, "m", "Odometer reading."),
    column("ignition", Flag, "", "Ignition switched on."),
    column("engine_rpm", Number, "1/min", "Engine speed."),
    column("fuel_percent", Number, "%", "Fuel level."),
    column("battery_percent", Number, "%", "Battery level."),
    column("driver_id", Name, "", "Driver."),
    column("route_id", Name, "", "Route."),
    column("trip_id", Name, "", "Trip."),
    required("location", Point, "", "The position as well-known text, POINT(lon lat)."),
    required("receive_time", Time, "", "When the source was given the ping."),
    column("message_id", Text, "", "Id of the message at its source."),
    required("disposition", Name, "", "on_time, late, too_late, future, ancient, rollover_suspected or superseded; refused stands for a ping that BigQuery would not take."),
    column("supersedes", Text, "", "Identity of the ping of the same vehicle and time that this one replaced."),
    required("shard", Integer, "", "Shard that owns the vehicle."),
    required("journal_seq", Integer, "", "Journal segment that holds the ping."),
    required("day", Date, "", "Date of event_time, held within 31 days before and one after the day of receipt."),
];

/// Table `events`: every operation on an event, partitioned by `day`. Fold by
/// `event_id`: the highest `revision` wins, a retract hides.
#[rustfmt::skip]
pub const EVENTS: &[Column] = &[
    required("event_id", Text, "", "Stable id of the event."),
    column("op", Name, "", "assert, amend or retract."),
    required("revision", Integer, "", "Journal segment that carries the operation; grows."),
    required("kind", Name, "", "Kind of the event, such as geofence_enter."),
    column("vehicle_id", Name, "", "The vehicle concerned."),
    column("fence_id", Name, "", "The fence concerned."),
    column("fence_version", Integer, "", "Version of the fence, 1 for its first shape."),
    column("visit_id", Text, "", "Shared by the events of one visit."),
    column("episode_id", Text, "", "Shared by the events of one stationary or idle episode."),
    required("event_time", Time, "", "When it happened."),
    column("not_before", Moment, "", "Earliest time it can have happened."),
    column("not_after", Moment, "", "Latest time it can have happened."),
    column("observed_at", Moment, "", "Receive time of the ping that decided it."),
    column("lat", Number, "degrees", "WGS 84 latitude of the cause."),
    column("lon", Number, "degrees", "WGS 84 longitude of the cause."),
    column("distance_m", Measure, "m", "Signed distance of the cause to the fence's edge, positive inside."),
    column("accuracy_m", Number, "m", "68 % radius of the cause."),
    column("confidence", Number, "", "Probability that the cause lies inside the fence, 0 to 1."),
    column("reason", Name, "", "Why it happened, such as crossed or first_seen; refused where BigQuery would not take the rest."),
    required("late", Flag, "", "Learnt from a ping that arrived behind its vehicle's watermark."),
    column("replaces", Text, "", "Id of the event that a correction retracts in favour of this one."),
    required("schema_version", Integer, "", "Version of the event's schema."),
    column("enter_time", Time, "", "geofence_visit: when it began."),
    column("duration_s", Measure, "s", "geofence_visit, stationary_end, idle_end: end minus start."),
    column("certain_s", Number, "s", "geofence_visit: last inside ping minus first."),
    column("possible_s", Number, "s", "geofence_visit: latest possible exit minus earliest possible enter."),
    column("max_gap_s", Number, "s", "geofence_visit: largest step between two inside pings."),
    column("pings", Integer, "", "geofence_visit: inside pings."),
    column("out_time", Time, "", "geofence_cross: the last way out."),
    column("inside_m", Number, "m", "geofence_cross: length of the path inside."),
    column("threshold_s", Number, "s", "geofence_dwell, vehicle_offline: the threshold that was reached."),
    column("silence_s", Number, "s", "vehicle_online: the silence that ended."),
    column("source", Name, "", "source_stalled, source_recovered: the source."),
    column("location", Point, "", "The cause's position as well-known text, POINT(lon lat)."),
    required("shard", Integer, "", "Shard that owns the vehicle."),
    required("journal_seq", Integer, "", "Journal segment that holds the operation."),
    required("day", Date, "", "Date of event_time, held within 31 days before and one after the day of observation."),
];

/// A table's Arrow schema and how Parquet files of it are written.
#[derive(Debug)]
pub(crate) struct TableSchema {
    pub(crate) arrow: SchemaRef,
    pub(crate) properties: WriterProperties,
}

impl TableSchema {
    pub(crate) fn pings() -> &'static Self {
        static PINGS_SCHEMA: LazyLock<TableSchema> =
            LazyLock::new(|| TableSchema::new(PINGS, PINGS_PACKING));
        &PINGS_SCHEMA
    }

    pub(crate) fn events() -> &'static Self {
        static EVENTS_SCHEMA: LazyLock<TableSchema> =
            LazyLock::new(|| TableSchema::new(EVENTS, EVENTS_PACKING));
        &EVENTS_SCHEMA
    }

    fn new(columns: &[Column], packing: Packing) -> Self {
        let fields: Vec<Field> = columns.iter().map(field).collect();
        Self { arrow: Arc::new(Schema::new(fields)), properties: packing.properties(columns) }
    }
}

fn field(column: &Column) -> Field {
    let mut metadata = HashMap::from([("description".to_owned(), column.description.to_owned())]);
    if !column.unit.is_empty() {
        metadata.insert("unit".to_owned(), column.unit.to_owned());
    }
    Field::new(column.name, column.kind.data_type(), column.nullable).with_metadata(metadata)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_column_is_described_and_named_once() {
        for table in [PINGS, EVENTS] {
            let names: HashSet<_> = table.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), table.len());
            for column in table {
                assert!(column.description.ends_with('.'), "{}", column.name);
                let unit_suffix = ["_m", "_s", "_mps", "_deg", "_percent", "_rpm"]
                    .iter()
                    .any(|suffix| column.name.ends_with(suffix));
                assert!(!unit_suffix || !column.unit.is_empty(), "{} has no unit", column.name);
            }
        }
    }
}
