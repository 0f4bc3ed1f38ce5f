//! Pings as Parquet: the columns that `fleetstream replay` reads.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use protos::telemetry::VehiclePing;

/// Rows that are gathered before they are encoded.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group, which is in memory until it is whole.
const GROUP_ROWS: usize = 128 * 1024;

/// What a ping says and when the source is given it, each under its name.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let column = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let required = |name: &str, data_type: DataType| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        required("vehicle_id", DataType::Utf8),
        column("seq", DataType::Int64),
        required("event_time", time()),
        required("lat", DataType::Float64),
        required("lon", DataType::Float64),
        column("accuracy_m", DataType::Float64),
        column("speed_mps", DataType::Float64),
        column("heading_deg", DataType::Float64),
        column("ignition", DataType::Boolean),
        required("receive_time", time()),
    ]))
});

/// A file of pings in the making.
pub(super) struct PingFile<W: Write + Send> {
    writer: ArrowWriter<W>,
    rows: Rows,
}

#[derive(Default)]
struct Rows {
    vehicle_id: StringBuilder,
    seq: Int64Builder,
    event_time: TimestampMicrosecondBuilder,
    lat: Float64Builder,
    lon: Float64Builder,
    accuracy_m: Float64Builder,
    speed_mps: Float64Builder,
    heading_deg: Float64Builder,
    ignition: BooleanBuilder,
    receive_time: TimestampMicrosecondBuilder,
    count: usize,
}

impl<W: Write + Send> PingFile<W> {
    pub(super) fn new(out: W) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(out, SCHEMA.clone(), Some(properties))?;
        Ok(Self { writer, rows: Rows::default() })
    }

    pub(super) fn push(&mut self, ping: &VehiclePing, receive_ms: i64) -> Result<(), ParquetError> {
        self.rows.push(ping, receive_ms);
        if self.rows.count == BATCH_ROWS {
            self.writer.write(&self.rows.take())?;
        }
        Ok(())
    }

    /// Writes what is left, and the end of the file.
    pub(super) fn finish(mut self) -> Result<W, ParquetError> {
        self.writer.write(&self.rows.take())?;
        self.writer.into_inner()
    }
}

impl Rows {
    fn push(&mut self, ping: &VehiclePing, receive_ms: i64) {
        self.vehicle_id.append_value(&ping.vehicle_id);
        self.seq.append_option(ping.seq.and_then(|seq| i64::try_from(seq).ok()));
        self.event_time.append_value(ping.event_time_us);
        self.lat.append_value(ping.lat);
        self.lon.append_value(ping.lon);
        self.accuracy_m.append_option(ping.accuracy_m);
        self.speed_mps.append_option(ping.speed_mps);
        self.heading_deg.append_option(ping.heading_deg);
        self.ignition.append_option(ping.ignition);
        self.receive_time.append_value(receive_ms * 1000);
        self.count += 1;
    }

    fn take(&mut self) -> RecordBatch {
        self.count = 0;
        let columns = vec![
            Arc::new(self.vehicle_id.finish()) as _,
            Arc::new(self.seq.finish()) as _,
            Arc::new(self.event_time.finish().with_timezone("UTC")) as _,
            Arc::new(self.lat.finish()) as _,
            Arc::new(self.lon.finish()) as _,
            Arc::new(self.accuracy_m.finish()) as _,
            Arc::new(self.speed_mps.finish()) as _,
            Arc::new(self.heading_deg.finish()) as _,
            Arc::new(self.ignition.finish()) as _,
            Arc::new(self.receive_time.finish().with_timezone("UTC")) as _,
        ];
        RecordBatch::try_new(SCHEMA.clone(), columns)
            .expect("every column has a value for each row, or a gap where it may")
    }
}
