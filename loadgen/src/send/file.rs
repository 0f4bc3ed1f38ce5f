//! To a file, as fast as it goes: NDJSON, Parquet, or protobuf with a length
//! before each ping.

mod parquet;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};

use self::parquet::PingFile;
use crate::stream::{Counts, Deliveries, Delivery, What};
use crate::truth::Record;
use crate::wire::Encoder;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Level at which files are compressed.
const ZSTD_LEVEL: i32 = 1;

/// How pings are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A JSON object a line, with `receive_time`, as `fleetstream replay` reads
    /// it. Malformed messages have no such line and are left out.
    Ndjson,
    /// The same pings in columns, which `fleetstream replay` reads too.
    Parquet,
    /// Each message behind its length as a varint.
    Delimited,
}

impl Layout {
    /// By the file's name: `.ndjson`, `.parquet` or `.pb`, and whether it is to be
    /// compressed, which `.zst` behind that asks for.
    ///
    /// # Errors
    /// It is another name, or Parquet to be compressed once more.
    pub fn of(path: &Path) -> anyhow::Result<(Self, bool)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (plain, compressed) = match name.strip_suffix(".zst") {
            Some(plain) => (plain, true),
            None => (&*name, false),
        };
        let layout = match plain.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ndjson") => Self::Ndjson,
            Some("pb") => Self::Delimited,
            Some("parquet") if compressed => {
                bail!("{}: Parquet compresses by itself; leave .zst out", path.display())
            }
            Some("parquet") => Self::Parquet,
            _ => {
                bail!("{}: expected .ndjson, .ndjson.zst, .parquet, .pb or .pb.zst", path.display())
            }
        };
        Ok((layout, compressed))
    }
}

/// Writes a whole stream to `path`, compressed if it ends in `.zst`. The truth
/// goes to `take`, each delivery to `seen`. Counts what is in the file.
///
/// # Errors
/// The file cannot be written, or its name says no layout.
pub fn write(
    path: &Path,
    mut stream: impl Deliveries,
    encoder: Encoder,
    start_ms: i64,
    take: &mut dyn FnMut(Record),
    seen: &mut dyn FnMut(&Delivery),
) -> anyhow::Result<Counts> {
    let failed = || format!("writing {}", path.display());
    let (layout, compressed) = Layout::of(path)?;
    let file = File::create(path).with_context(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut pings = Pings { stream: &mut stream, encoder, start_ms, take, seen };
    if layout == Layout::Parquet {
        pings.write_parquet(out).with_context(failed)?;
    } else if compressed {
        let mut out = zstd::Encoder::new(out, ZSTD_LEVEL).with_context(failed)?;
        pings
            .write_all(&mut out, layout)
            .and_then(|()| out.finish()?.flush())
            .with_context(failed)?;
    } else {
        pings.write_all(&mut out, layout).and_then(|()| out.flush()).with_context(failed)?;
    }
    let counts = stream.counts();
    Ok(match layout {
        Layout::Delimited => counts,
        // What is left out is none of what is due.
        Layout::Ndjson | Layout::Parquet => Counts { malformed: Default::default(), ..counts },
    })
}

/// A stream on its way to a file.
struct Pings<'a, D> {
    stream: &'a mut D,
    encoder: Encoder,
    start_ms: i64,
    take: &'a mut dyn FnMut(Record),
    seen: &'a mut dyn FnMut(&Delivery),
}

impl<D: Deliveries> Pings<'_, D> {
    fn write_all(&mut self, out: &mut impl Write, layout: Layout) -> io::Result<()> {
        let (mut message, mut length) = (Vec::new(), Vec::new());
        while let Some(delivery) = self.stream.next(self.take) {
            message.clear();
            if layout == Layout::Delimited {
                self.encoder.protobuf(&delivery, &mut message);
                length.clear();
                prost::encode_length_delimiter(message.len(), &mut length)
                    .expect("a Vec takes every byte");
                out.write_all(&length)?;
            } else if is_ping(&delivery) {
                let receive_ms = self.start_ms + delivery.send_ms;
                self.encoder.json_line(&delivery.ping, Some(receive_ms), &mut message);
            } else {
                continue;
            }
            out.write_all(&message)?;
            (self.seen)(&delivery);
        }
        Ok(())
    }

    fn write_parquet(&mut self, out: impl Write + Send) -> anyhow::Result<()> {
        let mut file = PingFile::new(out)?;
        while let Some(delivery) = self.stream.next(self.take) {
            if is_ping(&delivery) {
                let receive_ms = self.start_ms + delivery.send_ms;
                file.push(self.encoder.fields(&delivery.ping), receive_ms)?;
                (self.seen)(&delivery);
            }
        }
        Ok(file.finish()?.flush()?)
    }
}

fn is_ping(delivery: &Delivery) -> bool {
    !matches!(delivery.what, What::Malformed(_))
}

#[cfg(test)]
mod tests {
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    use prost::Message;
    use protos::telemetry::VehiclePing;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::profile::Profile;
    use crate::stream::Stream;

    /// The bytes of the profile `smoke` with every dial on.
    fn written(name: &str, seed: u64) -> Vec<u8> {
        let mut profile = Profile::load("hostile").unwrap();
        profile.load = Profile::load("smoke").unwrap().load;
        profile.fleet = crate::profile::FleetFile { vehicles: 100, blocks: 12, ..profile.fleet };
        profile.fleet.fences = 64;
        profile.seed = seed;
        let world = profile.world(None).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        let start_ms = 1_767_592_800_000;
        let (mut truth, mut messages) = (0, 0);
        let stream = Stream::new(&world);
        let counts = write(
            &path,
            stream,
            Encoder::new(start_ms, ""),
            start_ms,
            &mut |_| truth += 1,
            &mut |_| messages += 1,
        )
        .unwrap();
        assert!(truth > 0);
        let malformed: u64 = counts.malformed.iter().sum();
        assert_eq!(counts.pings + counts.copies + malformed, messages, "all that is due is there");
        std::fs::read(path).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_everywhere() {
        // Golden: change it only together with what fleets do.
        assert_eq!(xxh3_64(&written("pings.pb", 1)), GOLDEN_PROTOBUF);
        assert_eq!(xxh3_64(&written("pings.ndjson", 1)), GOLDEN_NDJSON);
        assert_ne!(written("pings.pb", 1), written("pings.pb", 2));
    }

    const GOLDEN_PROTOBUF: u64 = 17_759_645_395_625_892_563;
    const GOLDEN_NDJSON: u64 = 1_471_959_381_014_545_728;

    #[test]
    fn both_layouts_hold_the_same_pings_compressed_or_not() {
        let delimited = written("pings.pb", 3);
        let mut rest = delimited.as_slice();
        let mut pings = 0;
        while !rest.is_empty() {
            let length = prost::decode_length_delimiter(&mut rest).unwrap();
            let (message, after) = rest.split_at(length);
            let decoded = VehiclePing::decode(message);
            pings += usize::from(decoded.is_ok_and(|ping| ping.ping_id.is_none()));
            rest = after;
        }
        let lines = written("pings.ndjson", 3);
        assert_eq!(lines.iter().filter(|&&byte| byte == b'\n').count(), pings);
        let compressed = written("pings.ndjson.zst", 3);
        assert_eq!(zstd::decode_all(compressed.as_slice()).unwrap(), lines);
        let columns = bytes::Bytes::from(written("pings.parquet", 3));
        let columns = SerializedFileReader::new(columns).unwrap();
        assert_eq!(columns.metadata().file_metadata().num_rows() as usize, pings);
    }

    #[test]
    fn parquet_is_not_compressed_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pings.parquet.zst");
        let world = Profile::load("smoke").unwrap().world(None).unwrap();
        let encoder = Encoder::new(0, "");
        let refused =
            write(&path, Stream::new(&world), encoder, 0, &mut |_| {}, &mut |_| {}).unwrap_err();
        assert!(refused.to_string().contains("leave .zst out"), "{refused}");
        assert!(!path.exists());
    }
}
