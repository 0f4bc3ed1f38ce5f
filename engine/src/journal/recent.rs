//! The newest segments in memory: consumers that keep up read no object.

use std::collections::VecDeque;
use std::sync::Arc;

use protos::journal::Segment;

const SEGMENTS_MAX: usize = 256;
/// Of encoded bytes, which are known without walking a segment. Decoded it
/// takes several times as many, the most where it is mainly events: this bound
/// is a choice with room for that.
const BYTES_MAX: u64 = 8 << 20;

/// A run of consecutive segments ending at the newest, bounded in number and
/// bytes; the oldest gives way first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    segments: VecDeque<(Arc<Segment>, u64)>,
    bytes: u64,
}

impl Recent {
    pub(super) fn push(&mut self, segment: Arc<Segment>, bytes: u64) {
        self.segments.push_back((segment, bytes));
        self.bytes += bytes;
        while self.segments.len() > SEGMENTS_MAX
            || (self.bytes > BYTES_MAX && self.segments.len() > 1)
        {
            let (_, gone) = self.segments.pop_front().expect("more than one is there");
            self.bytes -= gone;
        }
    }

    /// The first of the newest segments that make up half of what there is room
    /// for; the newest is one of them. 0 while there is none.
    pub(super) fn fresh_from(&self) -> u64 {
        let mut bytes = 0;
        let fresh = self.segments.iter().rev().take(SEGMENTS_MAX / 2).take_while(|(_, size)| {
            bytes += size;
            bytes <= BYTES_MAX / 2
        });
        let oldest = fresh.last().or(self.segments.back());
        oldest.map_or(0, |(segment, _)| segment.seq)
    }

    pub(super) fn get(&self, seq: u64) -> Option<Arc<Segment>> {
        let first = self.segments.front()?.0.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.segments.get(index).map(|(segment, _)| Arc::clone(segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u64) -> Arc<Segment> {
        Arc::new(Segment { seq, ..Segment::default() })
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut recent = Recent::default();
        assert!(recent.get(10).is_none());
        for seq in 10..10 + SEGMENTS_MAX as u64 + 5 {
            recent.push(segment(seq), 1);
        }
        assert!(recent.get(14).is_none());
        assert_eq!(recent.get(15).unwrap().seq, 15);
        assert_eq!(recent.get(10 + SEGMENTS_MAX as u64 + 4).unwrap().seq, 270);
        assert!(recent.get(271).is_none());
    }

    #[test]
    fn half_of_the_room_is_fresh_and_the_newest_always() {
        let mut recent = Recent::default();
        assert_eq!(recent.fresh_from(), 0);
        recent.push(segment(1), BYTES_MAX);
        assert_eq!(recent.fresh_from(), 1);
        recent.push(segment(2), BYTES_MAX / 4);
        recent.push(segment(3), BYTES_MAX / 4);
        assert_eq!(recent.fresh_from(), 2);
        recent.push(segment(4), 1);
        assert_eq!(recent.fresh_from(), 3);
        (5..5 + SEGMENTS_MAX as u64).for_each(|seq| recent.push(segment(seq), 1));
        assert_eq!(recent.fresh_from(), 5 + SEGMENTS_MAX as u64 / 2);
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_stays() {
        let mut recent = Recent::default();
        recent.push(segment(1), BYTES_MAX / 2);
        recent.push(segment(2), BYTES_MAX / 2 + 1);
        assert!(recent.get(1).is_none());
        recent.push(segment(3), BYTES_MAX * 2);
        assert!(recent.get(2).is_none());
        assert_eq!(recent.get(3).unwrap().seq, 3);
    }
}
