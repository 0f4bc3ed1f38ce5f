//! Pings as a table of Parquet, as one would write them by default.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use protos::telemetry::VehiclePing;

/// arrow-rs defaults, with zstd level 1.
pub(super) fn default_properties() -> WriterProperties {
    let level = ZstdLevel::try_new(1).expect("zstd has a level 1");
    WriterProperties::builder().set_compression(Compression::ZSTD(level)).build()
}

/// Writes `rounds` to a new file.
pub(super) fn write(
    path: &Path,
    rounds: impl Iterator<Item = Vec<VehiclePing>>,
) -> anyhow::Result<()> {
    let mut writer = writer(File::create(path)?)?;
    for pings in rounds {
        writer.write(&batch(&pings))?;
    }
    writer.close()?;
    Ok(())
}

/// A writer of [`batch`]es.
pub(super) fn writer<W: Write + Send>(to: W) -> anyhow::Result<ArrowWriter<W>> {
    Ok(ArrowWriter::try_new(to, schema(), Some(default_properties()))?)
}

/// `pings` as rows.
pub(super) fn batch(pings: &[VehiclePing]) -> RecordBatch {
    let number = |of: fn(&VehiclePing) -> Option<f64>| -> ArrayRef {
        Arc::new(pings.iter().map(of).collect::<Float64Array>())
    };
    let ids = pings.iter().map(|ping| Some(&ping.vehicle_id));
    let times = pings.iter().map(|ping| ping.event_time_us);
    let seqs = pings.iter().map(|ping| ping.seq.map(u64::cast_signed));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        number(|ping| Some(ping.lat)),
        number(|ping| Some(ping.lon)),
        Arc::new(seqs.collect::<Int64Array>()),
        number(|ping| ping.accuracy_m),
        number(|ping| ping.speed_mps),
        number(|ping| ping.heading_deg),
        number(|ping| ping.odometer_m),
        number(|ping| ping.fuel_percent),
        Arc::new(pings.iter().map(|ping| ping.ignition).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are the schema's")
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let number = |name| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("vehicle_id", DataType::Utf8, false),
        Field::new("event_time", time, false),
        number("lat"),
        number("lon"),
        Field::new("seq", DataType::Int64, true),
        number("accuracy_m"),
        number("speed_mps"),
        number("heading_deg"),
        number("odometer_m"),
        number("fuel_percent"),
        Field::new("ignition", DataType::Boolean, true),
    ]))
}
