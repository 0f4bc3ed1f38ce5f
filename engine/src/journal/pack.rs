//! Packs: consecutive segments joined byte for byte, with an index at the
//! end, so that a day is a hundred objects and not 432,000.
//!
//! Little-endian layout, format 1:
//!
//! | bytes | content |
//! |---|---|
//! | … | the frames of the segments, one after another, unchanged |
//! | 8 each | length of each frame |
//! | 8 | first seq |
//! | 4 | number of segments |
//! | 2 | format |
//! | 2 | zero |
//! | 8 | magic `\x89FLTPAK\n` |
//! | 4 | CRC-32C of the lengths and of everything after them |
//!
//! Each frame keeps its own checksum, so the pack's covers the index alone.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{FrameError, FrameFault};

/// Most segments in a pack.
pub const SEGMENTS_MAX: usize = 4096;
/// Longest index with its trailer: reading so many bytes from the end of a
/// pack is always enough.
pub const FOOTER_BYTES_MAX: u64 = (TRAILER_BYTES + 8 * SEGMENTS_MAX) as u64;

const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"\x89FLTPAK\n";
const TRAILER_BYTES: usize = 28;

/// A pack in the making: the frames of consecutive segments, joined as they come, so
/// that none is held twice.
#[derive(Debug)]
pub struct PackBuilder {
    first_seq: u64,
    pack: BytesMut,
    lengths: Vec<u64>,
}

impl PackBuilder {
    /// For up to `segments` from `first_seq` on, whose frames have `frame_bytes` together,
    /// as far as is known.
    #[must_use]
    pub fn new(first_seq: u64, segments: usize, frame_bytes: u64) -> Self {
        let room = frame_bytes as usize + 8 * segments + TRAILER_BYTES;
        let pack = BytesMut::with_capacity(room);
        Self { first_seq, pack, lengths: Vec::with_capacity(segments) }
    }

    /// Appends the frame of the next segment.
    pub fn push(&mut self, frame: &[u8]) {
        self.pack.put_slice(frame);
        self.lengths.push(frame.len() as u64);
    }

    /// The bytes of its object.
    ///
    /// # Panics
    /// With no frame, or more than [`SEGMENTS_MAX`].
    #[must_use]
    pub fn finish(self) -> Bytes {
        let Self { first_seq, mut pack, lengths } = self;
        let segments = lengths.len();
        assert!((1..=SEGMENTS_MAX).contains(&segments), "a pack holds 1 to {SEGMENTS_MAX}");
        let content = pack.len();
        for length in lengths {
            pack.put_u64_le(length);
        }
        pack.put_u64_le(first_seq);
        pack.put_u32_le(segments as u32);
        pack.put_u16_le(FORMAT);
        pack.put_u16_le(0);
        pack.put_slice(MAGIC);
        pack.put_u32_le(crc32c::crc32c(&pack[content..]));
        pack.freeze()
    }
}

/// Where each segment of a pack lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackIndex {
    first_seq: u64,
    /// Offset of each frame, and the end of the last.
    offsets: Vec<u64>,
}

impl PackIndex {
    /// Reads the index from the last bytes of a pack of `pack_bytes` bytes:
    /// at least [`FOOTER_BYTES_MAX`] of them, or all there are. `name` is what
    /// an error calls the pack.
    ///
    /// # Errors
    /// Says what is wrong with the pack.
    pub fn parse(end: &[u8], pack_bytes: u64, name: &str) -> Result<Self, FrameError> {
        Self::open(end, pack_bytes).map_err(|fault| fault.of(name))
    }

    fn open(end: &[u8], pack_bytes: u64) -> Result<Self, FrameFault> {
        let actual = pack_bytes;
        let Some(trailer_at) = end.len().checked_sub(TRAILER_BYTES) else {
            return Err(FrameFault::Truncated { expected: TRAILER_BYTES as u64, actual });
        };
        let trailer = &end[trailer_at..];
        if &trailer[16..24] != MAGIC {
            return Err(FrameFault::BadMagic);
        }
        let count = u32_at(trailer, 8) as usize;
        let Some(index_at) = trailer_at.checked_sub(8 * count.min(SEGMENTS_MAX)) else {
            let expected = (TRAILER_BYTES + 8 * count) as u64;
            return Err(FrameFault::Truncated { expected, actual });
        };
        let stored = u32_at(trailer, 24);
        let computed = crc32c::crc32c(&end[index_at..end.len() - 4]);
        if stored != computed {
            return Err(FrameFault::Checksum { stored, computed });
        }
        let format = u16::from_le_bytes([trailer[12], trailer[13]]);
        if format > FORMAT {
            return Err(FrameFault::NewerFormat { found: format.into() });
        }
        if count == 0 || count > SEGMENTS_MAX {
            return Err(FrameFault::Malformed(format!("{count} segments")));
        }
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0_u64);
        for length in end[index_at..trailer_at].chunks_exact(8) {
            let length = u64_at(length, 0);
            let start = *offsets.last().expect("the first offset was pushed");
            let stop = start.checked_add(length);
            offsets.push(stop.ok_or_else(|| FrameFault::Malformed("lengths overflow".into()))?);
        }
        let content = *offsets.last().expect("the first offset was pushed");
        let expected = content.saturating_add((TRAILER_BYTES + 8 * count) as u64);
        match actual {
            _ if actual == expected => Ok(Self { first_seq: u64_at(trailer, 0), offsets }),
            _ if actual < expected => Err(FrameFault::Truncated { expected, actual }),
            _ => Err(FrameFault::Malformed("longer than its segments".into())),
        }
    }

    /// First and last seq in the pack.
    pub fn seqs(&self) -> (u64, u64) {
        (self.first_seq, self.first_seq + (self.offsets.len() as u64 - 2))
    }

    /// The bytes of the frame of `seq` within the pack; `None` if it is not
    /// in it.
    pub fn range(&self, seq: u64) -> Option<Range<u64>> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        Some(*self.offsets.get(index)?..*self.offsets.get(index + 1)?)
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes were sliced"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack() -> Bytes {
        let mut pack = PackBuilder::new(7, 3, 4);
        for frame in ["one", "", "3"] {
            pack.push(frame.as_bytes());
        }
        pack.finish()
    }

    #[test]
    fn the_index_finds_each_segment() {
        let pack = pack();
        let index = PackIndex::parse(&pack, pack.len() as u64, "p").unwrap();
        assert_eq!(index.seqs(), (7, 9));
        assert_eq!(index.range(7), Some(0..3));
        assert_eq!(index.range(8), Some(3..3));
        assert_eq!(index.range(9), Some(3..4));
        assert_eq!(index.range(6), None);
        assert_eq!(index.range(10), None);
    }

    #[test]
    fn the_footer_alone_is_enough() {
        let pack = pack();
        let whole = PackIndex::parse(&pack, pack.len() as u64, "p").unwrap();
        assert_eq!(PackIndex::parse(&pack[4..], pack.len() as u64, "p"), Ok(whole));
    }

    #[test]
    fn every_cut_and_every_flip_of_the_footer_is_refused() {
        let pack = pack();
        for length in 0..pack.len() {
            let error = PackIndex::parse(&pack[..length], length as u64, "the pack").unwrap_err();
            assert!(error.to_string().starts_with("the pack: "), "{error}");
        }
        for bit in 4 * 8..pack.len() * 8 {
            let mut flipped = pack.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(PackIndex::parse(&flipped, pack.len() as u64, "p").is_err(), "bit {bit}");
        }
    }
}
