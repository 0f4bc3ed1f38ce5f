//! The envelope round every stored object: what it is, how long, and a
//! checksum over all of it, so that a short or altered object is refused by
//! name and never half read.
//!
//! Little-endian layout, format 1:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | magic `\x89FLTJRN\n` |
//! | 8 | 2 | format |
//! | 10 | 1 | kind: 1 segment, 2 snapshot, 3 genesis, 4 fence set |
//! | 11 | 1 | zero |
//! | 12 | 8 | length of the body before compression |
//! | 20 | 8 | length of the compressed body |
//! | 28 | n | body, in one frame of zstd or several, of any level |
//! | 28 + n | 4 | CRC-32C of everything before |
//!
//! Magic, format and the trailing checksum over everything before it keep
//! their places in every later format: that is how an older engine tells a
//! newer object from a damaged one.

use std::fmt;
use std::io::{Cursor, Read};

use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use protos::journal::{Genesis, Segment, SegmentKind, Snapshot};
use zstd::bulk::Compressor;

/// The newest format this engine reads, and the one it writes.
pub const FORMAT: u16 = 1;

const MAGIC: &[u8; 8] = b"\x89FLTJRN\n";
const HEADER_BYTES: usize = 28;
const COMPRESSED_LENGTH_AT: usize = 20;
const CHECKSUM_BYTES: usize = 4;
const ZSTD_LEVEL: i32 = 1;
/// Snapshots are written again and again, each in place of another, and wait to
/// be read for nothing but speed: half the time of level 1, both ways, for an
/// eighth more bytes.
const SNAPSHOT_LEVEL: i32 = -3;
/// What an encoder keeps of the memory for a segment; a larger one is rare.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Bytes of a segment's body in which its head is looked for: its journal's id and
/// numbers come before.
const HEAD_BYTES_MAX: usize = 1024;
/// Number of the last field of a [`SegmentHead`].
const SEGMENT_KIND: u32 = 7;
/// Number of the field of a [`Snapshot`] that holds the core's state.
const SNAPSHOT_CORE: u32 = 8;
/// Its key and its length.
const FIELD_HEAD_BYTES_MAX: usize = 1 + 10;
/// Far above any snapshot; keeps a wrong length from asking for all memory.
const BODY_BYTES_MAX: u64 = 16 << 30;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A journal segment.
    Segment = 1,
    /// The state of a shard.
    Snapshot = 2,
    /// The identity of a journal.
    Genesis = 3,
    /// A fence set, as the geofence crate encodes it.
    FenceSet = 4,
}

/// An object that cannot be used; nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {fault}")]
pub struct FrameError {
    /// Name of the object in its store.
    pub name: String,
    /// What is wrong with it.
    pub fault: FrameFault,
}

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The object ends before its content does.
    #[error("truncated: {actual} bytes, {expected} expected")]
    Truncated {
        /// Bytes the object should have; at least so many where its own
        /// header is cut.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// It does not begin like an object of this engine.
    #[error("bad magic: not written by this engine, or overwritten")]
    BadMagic,
    /// Whole, but written by a newer engine: run that one.
    #[error("format {found} is newer than this engine reads ({FORMAT}): run the newer engine")]
    NewerFormat {
        /// The format it has.
        found: u32,
    },
    /// Some bit is not what was written.
    #[error("checksum mismatch: {stored:#010x} stored, {computed:#010x} computed")]
    Checksum {
        /// The checksum in the object.
        stored: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The checksum holds and the content still makes no sense.
    #[error("malformed: {0}")]
    Malformed(String),
}

impl FrameFault {
    pub(super) fn of(self, name: impl Into<String>) -> FrameError {
        FrameError { name: name.into(), fault: self }
    }
}

/// Encodes a segment: the bytes of its object.
pub fn encode_segment(segment: &Segment) -> Bytes {
    SegmentEncoder::default().encode(segment)
}

/// Encodes one segment after another, each as by itself: what that needs in
/// memory, megabytes that the system would clear anew for every segment, is
/// kept from one to the next.
#[derive(Default)]
pub struct SegmentEncoder {
    body: Vec<u8>,
    compressed: Vec<u8>,
    compressor: Option<Compressor<'static>>,
}

impl SegmentEncoder {
    /// The bytes of its object.
    pub fn encode(&mut self, segment: &Segment) -> Bytes {
        self.body.clear();
        segment.encode(&mut self.body).expect("a vector has room");
        self.compressed.clear();
        let compressor = self.compressor.get_or_insert_with(|| compressor(ZSTD_LEVEL));
        compress(compressor, &self.body, &mut self.compressed);
        let frame = frame(Kind::Segment, self.body.len(), &self.compressed);
        if self.body.capacity() > KEPT_BYTES_MAX {
            (self.body, self.compressed) = Default::default();
        }
        frame
    }
}

impl fmt::Debug for SegmentEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentEncoder").field("kept", &self.body.capacity()).finish()
    }
}

/// Encodes a snapshot: the bytes of its object.
pub fn encode_snapshot(snapshot: &Snapshot) -> Bytes {
    let mut encoder = SnapshotEncoder::new(snapshot, 0);
    encoder.add(&snapshot.core);
    encoder.finish()
}

/// Encodes a snapshot whose core's state comes in parts.
///
/// The state is nearly all of it, up to gigabytes: each part is compressed, into
/// the frame, before the next one comes, and neither is ever held whole as it was
/// nor copied. So the parts are frames of zstd's by themselves, behind one of the
/// rest, for which room is left until the length of the state is known.
pub struct SnapshotEncoder {
    rest: Vec<u8>,
    /// Bytes before the first part.
    room: usize,
    frame: Vec<u8>,
    core_bytes: usize,
    compressor: Compressor<'static>,
}

impl SnapshotEncoder {
    /// Of all of `snapshot` but the core's state. Of `bytes_expected` the object has
    /// room at once: to grow, it would be copied, and there be twice meanwhile.
    pub fn new(snapshot: &Snapshot, bytes_expected: usize) -> Self {
        let rest = Snapshot { core: Bytes::new(), ..snapshot.clone() }.encode_to_vec();
        let room = HEADER_BYTES + zstd::compress_bound(rest.len() + FIELD_HEAD_BYTES_MAX);
        let mut frame = Vec::with_capacity(room.max(bytes_expected));
        frame.resize(room, 0);
        Self { rest, room, frame, core_bytes: 0, compressor: compressor(SNAPSHOT_LEVEL) }
    }

    /// Appends a part of the core's state.
    pub fn add(&mut self, core: &[u8]) {
        self.core_bytes += core.len();
        compress(&mut self.compressor, core, &mut self.frame);
    }

    /// The bytes of its object.
    pub fn finish(mut self) -> Bytes {
        encode_key(SNAPSHOT_CORE, WireType::LengthDelimited, &mut self.rest);
        encode_varint(self.core_bytes as u64, &mut self.rest);
        let mut before = Vec::new();
        put_header(&mut before, Kind::Snapshot, self.rest.len() + self.core_bytes);
        compress(&mut self.compressor, &self.rest, &mut before);
        let start = self.room - before.len();
        self.frame[start..self.room].copy_from_slice(&before);
        finish(self.frame, start)
    }
}

/// Encodes a genesis: the bytes of its object.
pub fn encode_genesis(genesis: &Genesis) -> Bytes {
    encode(Kind::Genesis, &genesis.encode_to_vec())
}

/// Frames `body` as an object of `kind`.
pub fn encode(kind: Kind, body: &[u8]) -> Bytes {
    let mut compressed = Vec::new();
    compress(&mut compressor(ZSTD_LEVEL), body, &mut compressed);
    frame(kind, body.len(), &compressed)
}

fn compressor(level: i32) -> Compressor<'static> {
    Compressor::new(level).expect("zstd knows the level")
}

/// Appends `body`, compressed, to `out`.
fn compress(compressor: &mut Compressor<'static>, body: &[u8], out: &mut Vec<u8>) {
    out.reserve(zstd::compress_bound(body.len()));
    let mut end = Cursor::new(&mut *out);
    end.set_position(end.get_ref().len() as u64);
    compressor
        .compress_to_buffer(body, &mut end)
        .expect("zstd compresses any input into a buffer of its own bound");
}

fn frame(kind: Kind, body_bytes: usize, compressed: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(HEADER_BYTES + compressed.len() + CHECKSUM_BYTES);
    put_header(&mut frame, kind, body_bytes);
    frame.put_slice(compressed);
    finish(frame, 0)
}

/// All before the body; its compressed length is not known yet.
fn put_header(frame: &mut Vec<u8>, kind: Kind, body_bytes: usize) {
    frame.put_slice(MAGIC);
    frame.put_u16_le(FORMAT);
    frame.put_u8(kind as u8);
    frame.put_u8(0);
    frame.put_u64_le(body_bytes as u64);
    frame.put_u64_le(0);
}

/// A frame from `start` on that ends with its body, with the length of that and the
/// checksum.
fn finish(mut bytes: Vec<u8>, start: usize) -> Bytes {
    let frame = &mut bytes[start..];
    let compressed = (frame.len() - HEADER_BYTES) as u64;
    frame[COMPRESSED_LENGTH_AT..HEADER_BYTES].copy_from_slice(&compressed.to_le_bytes());
    let checksum = crc32c::crc32c(frame);
    bytes.put_u32_le(checksum);
    Bytes::from(bytes).slice(start..)
}

/// Decodes a segment; `name` is what an error calls it.
///
/// # Errors
/// Says what is wrong with the object; nothing of it is returned.
pub fn decode_segment(bytes: &[u8], name: &str) -> Result<Segment, FrameError> {
    decode_message(Kind::Segment, bytes, name)
}

/// What housekeeping asks of a segment. The rest is checked by the frame's
/// checksum, and neither unpacked nor built.
#[derive(Clone, PartialEq, Message)]
pub struct SegmentHead {
    /// As in [`Segment`].
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// As in [`Segment`].
    #[prost(enumeration = "SegmentKind", tag = "7")]
    pub kind: i32,
}

/// Decodes the head of a segment; `name` is what an error calls it.
///
/// # Errors
/// Says what is wrong with the object; nothing of it is returned.
pub fn decode_segment_head(bytes: &[u8], name: &str) -> Result<SegmentHead, FrameError> {
    match begun(bytes).map_err(|fault| fault.of(name))? {
        Some(head) => Ok(head),
        None => decode_message(Kind::Segment, bytes, name),
    }
}

/// The head of a segment from the beginning of its body, where this engine puts
/// it; `None` if more has to be read to know.
fn begun(bytes: &[u8]) -> Result<Option<SegmentHead>, FrameFault> {
    let Packed { compressed, .. } = unframed(Kind::Segment, bytes)?;
    let mut start = Vec::with_capacity(HEAD_BYTES_MAX);
    let read = zstd::Decoder::with_buffer(compressed)
        .and_then(|body| body.take(HEAD_BYTES_MAX as u64).read_to_end(&mut start));
    Ok(read.ok().and_then(|_| head_of(&start)))
}

/// The head, if the fields before those that are no part of it are whole.
fn head_of(start: &[u8]) -> Option<SegmentHead> {
    let mut rest = start;
    loop {
        let fields = &start[..start.len() - rest.len()];
        let (tag, wire) = decode_key(&mut rest).ok()?;
        if tag > SEGMENT_KIND {
            return SegmentHead::decode(fields).ok();
        }
        skip_field(wire, tag, &mut rest, DecodeContext::default()).ok()?;
    }
}

/// Decodes a snapshot; `name` is what an error calls it.
///
/// # Errors
/// Says what is wrong with the object; nothing of it is returned.
pub fn decode_snapshot(bytes: &[u8], name: &str) -> Result<Snapshot, FrameError> {
    decode_message(Kind::Snapshot, bytes, name)
}

/// Decodes a genesis; `name` is what an error calls it.
///
/// # Errors
/// Says what is wrong with the object; nothing of it is returned.
pub fn decode_genesis(bytes: &[u8], name: &str) -> Result<Genesis, FrameError> {
    decode_message(Kind::Genesis, bytes, name)
}

fn decode_message<M: Message + Default>(
    kind: Kind,
    bytes: &[u8],
    name: &str,
) -> Result<M, FrameError> {
    let body = decode(kind, bytes, name)?;
    M::decode(body).map_err(|error| FrameFault::Malformed(error.to_string()).of(name))
}

/// The body of a frame of `kind`; `name` is what an error calls it.
///
/// # Errors
/// Says what is wrong with the object; nothing of it is returned.
pub fn decode(kind: Kind, bytes: &[u8], name: &str) -> Result<Bytes, FrameError> {
    open(kind, bytes).map_err(|fault| fault.of(name))
}

fn open(kind: Kind, bytes: &[u8]) -> Result<Bytes, FrameFault> {
    let Packed { compressed, body_bytes } = unframed(kind, bytes)?;
    let body = zstd::bulk::decompress(compressed, body_bytes as usize)
        .map_err(|error| FrameFault::Malformed(format!("zstd: {error}")))?;
    if body.len() as u64 != body_bytes {
        return Err(FrameFault::Malformed("lengths disagree".to_owned()));
    }
    Ok(body.into())
}

/// What is in a frame.
struct Packed<'a> {
    compressed: &'a [u8],
    /// Length before compression.
    body_bytes: u64,
}

/// What is in a frame of `kind`, which is whole and unaltered.
fn unframed(kind: Kind, bytes: &[u8]) -> Result<Packed<'_>, FrameFault> {
    let actual = bytes.len() as u64;
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(FrameFault::BadMagic);
    }
    if bytes.len() < HEADER_BYTES + CHECKSUM_BYTES {
        let expected = (HEADER_BYTES + CHECKSUM_BYTES) as u64;
        return Err(FrameFault::Truncated { expected, actual });
    }
    let (content, stored) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    let stored = u32::from_le_bytes(stored.try_into().expect("split off four bytes"));
    let computed = crc32c::crc32c(content);
    let format = u16::from_le_bytes([bytes[8], bytes[9]]);
    let (body_bytes, compressed_length) =
        (length_at(bytes, 12), length_at(bytes, COMPRESSED_LENGTH_AT));
    if stored != computed {
        // The length field can be believed only so far as to name the likely
        // cause; either way the object is refused.
        let expected = compressed_length.saturating_add((HEADER_BYTES + CHECKSUM_BYTES) as u64);
        return Err(if format == FORMAT && actual < expected {
            FrameFault::Truncated { expected, actual }
        } else {
            FrameFault::Checksum { stored, computed }
        });
    }
    if format > FORMAT {
        return Err(FrameFault::NewerFormat { found: format.into() });
    }
    if format != FORMAT {
        return Err(FrameFault::Malformed(format!("no format {format} was ever written")));
    }
    if bytes[10] != kind as u8 {
        return Err(FrameFault::Malformed(format!("kind {} where {kind:?} belongs", bytes[10])));
    }
    let compressed = &content[HEADER_BYTES..];
    if compressed.len() as u64 != compressed_length || body_bytes > BODY_BYTES_MAX {
        return Err(FrameFault::Malformed("lengths disagree".to_owned()));
    }
    Ok(Packed { compressed, body_bytes })
}

fn length_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes were sliced"))
}

#[cfg(test)]
mod tests;
