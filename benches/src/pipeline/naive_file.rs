//! A file of pings to Parquet as one would do it in an afternoon.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{Array as _, RecordBatch};
use engine::process_stats;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::properties::WriterProperties;
use protos::telemetry::VehiclePing;
use serde_json::Value;
use sinks::schema;

use super::sample::Sample;
use super::table;
use crate::city::Ring;
use crate::naive::{NaiveDetector, NaiveEvent, NaiveIndex};

/// Reads `pings`, judges them by `fences`, writes them to `out` with the
/// defaults of arrow-rs and their events as lines beside it.
pub(super) fn judge(pings: &Path, fences: &Path, out: &Path) -> anyhow::Result<Sample> {
    std::fs::create_dir_all(out)?;
    timed(|| {
        let mut detector = NaiveDetector::new(NaiveIndex::new(&rings_of(&std::fs::read(fences)?)?));
        let mut lines = BufWriter::new(File::create(out.join("events.ndjson"))?);
        let mut events = Vec::new();
        let rows = pass(pings, out, table::default_properties(), |batch| {
            for ping in pings_of(batch)? {
                detector.apply(&ping, &mut events);
            }
            for event in events.drain(..) {
                write_event(&mut lines, &event)?;
            }
            Ok(())
        })?;
        lines.flush()?;
        Ok(rows)
    })
}

/// Reads `pings` and writes them to `out` as the engine's archive is written.
pub(super) fn copy(pings: &Path, out: &Path) -> anyhow::Result<Sample> {
    std::fs::create_dir_all(out)?;
    timed(|| pass(pings, out, schema::PINGS_PACKING.properties(schema::PINGS), |_| Ok(())))
}

fn timed(act: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<Sample> {
    let (wall, cpu_s) = (Instant::now(), process_stats::cpu_seconds());
    let operations = act()?;
    let spent = process_stats::cpu_seconds().zip(cpu_s).map(|(now, before)| now - before);
    let cpu_s = spent.context("CPU times are known on Linux")?;
    let wall_s = wall.elapsed().as_secs_f64();
    Ok(Sample { operations, cpu_s, wall_s, ..Sample::default() }.with_own_memory())
}

/// From file to file, each batch shown to `look`; the rows.
fn pass(
    pings: &Path,
    out: &Path,
    properties: WriterProperties,
    mut look: impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let reader = open(pings)?;
    let to = File::create(out.join("pings.parquet"))?;
    let mut writer = ArrowWriter::try_new(to, reader.schema(), Some(properties))?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        look(&batch)?;
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(rows)
}

/// The rows of a Parquet file.
pub(super) fn open(path: &Path) -> anyhow::Result<WithSchema> {
    // Types as Parquet has them, whatever the writing library held them in.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
    let schema = builder.schema().clone();
    Ok(WithSchema { schema, batches: builder.with_batch_size(8_192).build()? })
}

/// A reader that says what it reads.
pub(super) struct WithSchema {
    schema: arrow_schema::SchemaRef,
    batches: ParquetRecordBatchReader,
}

impl WithSchema {
    pub(super) fn schema(&self) -> arrow_schema::SchemaRef {
        self.schema.clone()
    }
}

impl Iterator for WithSchema {
    type Item = Result<RecordBatch, arrow_schema::ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

fn pings_of(batch: &RecordBatch) -> anyhow::Result<impl Iterator<Item = VehiclePing>> {
    let column = |name: &str| batch.column_by_name(name).with_context(|| format!("no {name}"));
    let ids = column("vehicle_id")?.as_string_opt::<i32>().context("vehicle_id is no text")?;
    let lats = column("lat")?.as_primitive_opt::<Float64Type>().context("lat is no double")?;
    let lons = column("lon")?.as_primitive_opt::<Float64Type>().context("lon is no double")?;
    let times = column("event_time")?;
    let micros = times.as_primitive_opt::<TimestampMicrosecondType>();
    let millis = times.as_primitive_opt::<TimestampMillisecondType>();
    let (times, unit_us) = match (micros, millis) {
        (Some(micros), _) => (micros.values(), 1),
        (None, Some(millis)) => (millis.values(), 1000),
        (None, None) => anyhow::bail!("event_time is no time"),
    };
    Ok((0..ids.len()).map(move |row| VehiclePing {
        vehicle_id: ids.value(row).to_owned(),
        event_time_us: times[row] * unit_us,
        lat: lats.value(row),
        lon: lons.value(row),
        ..VehiclePing::default()
    }))
}

fn write_event(lines: &mut impl std::io::Write, event: &NaiveEvent) -> std::io::Result<()> {
    let NaiveEvent { vehicle_id, fence, enter, time_us } = event;
    let fence = fence.map_or(-1, |fence| fence as i64);
    writeln!(
        lines,
        r#"{{"vehicle_id":"{vehicle_id}","fence":{fence},"enter":{enter},"time_us":{time_us}}}"#
    )
}

/// The outer rings of the polygons in GeoJSON; their holes are left out.
pub(super) fn rings_of(text: &[u8]) -> anyhow::Result<Vec<Ring>> {
    let document: Value = serde_json::from_slice(text)?;
    let features = document["features"].as_array().context("no features")?;
    let mut rings = Vec::new();
    for feature in features {
        let coordinates = &feature["geometry"]["coordinates"];
        let parts = match feature["geometry"]["type"].as_str() {
            Some("Polygon") => vec![coordinates],
            Some("MultiPolygon") => coordinates.as_array().into_iter().flatten().collect(),
            _ => Vec::new(),
        };
        rings.extend(parts.into_iter().filter_map(|part| ring(&part[0])));
    }
    Ok(rings)
}

fn ring(corners: &Value) -> Option<Ring> {
    let corner = |corner: &Value| Some((corner[0].as_f64()?, corner[1].as_f64()?));
    let mut ring: Ring = corners.as_array()?.iter().map(corner).collect::<Option<_>>()?;
    // The first corner, repeated.
    ring.pop();
    Some(ring)
}
