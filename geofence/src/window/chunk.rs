//! A few neighbouring fixes, packed: what they share is written once.

use crate::fix::Fix;
use crate::number::Number32;
use crate::{Identity, Position, TimeMs};

/// Fixes of a chunk at the most.
pub(super) const CHUNK_FIXES: usize = 8;

/// Fixes in order of time, each told by its difference from the fix that the
/// chunk was begun for. Whatever is packed comes back bit for bit.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    base: Base,
    len: u32,
    fixes: [Packed; CHUNK_FIXES],
}

/// What the fixes of a chunk are measured from.
#[derive(Clone, Copy, Debug)]
struct Base {
    t: i64,
    /// From event to receive time, milliseconds.
    lag: i64,
}

/// A fix in 52 bytes. Only what a producer cannot make jump is told by its
/// difference: a chunk for each fix would cost eight times the memory.
#[derive(Clone, Copy, Debug, Default)]
struct Packed {
    identity: [u32; 4],
    lat: i32,
    lon: i32,
    t: i32,
    lag: i32,
    seq: [u32; 2],
    accuracy: Number32,
    speed: Number32,
    engine: Option<bool>,
}

impl Base {
    fn of(fix: &Fix) -> Self {
        Self { t: fix.t.0, lag: lag(fix) }
    }

    /// Event time and lag of `fix`, each by its difference.
    fn differences(self, fix: &Fix) -> [i64; 2] {
        [fix.t.0.wrapping_sub(self.t), lag(fix).wrapping_sub(self.lag)]
    }

    /// Whether the differences of `fix` fit into a packed one.
    fn is_near(self, fix: &Fix) -> bool {
        self.differences(fix).iter().all(|difference| i32::try_from(*difference).is_ok())
    }
}

fn lag(fix: &Fix) -> i64 {
    fix.received.0.wrapping_sub(fix.t.0)
}

impl Packed {
    /// `fix` as told from `base`, which it is near.
    fn new(fix: &Fix, base: Base) -> Self {
        let [t, lag] = base.differences(fix).map(|difference| difference as i32);
        Self {
            identity: [0, 32, 64, 96].map(|shift| (fix.identity.0 >> shift) as u32),
            lat: fix.position.lat,
            lon: fix.position.lon,
            t,
            lag,
            seq: [fix.seq as u32, (fix.seq >> 32) as u32],
            accuracy: fix.accuracy,
            speed: fix.speed_mps,
            engine: fix.engine,
        }
    }

    fn t(&self, base: Base) -> TimeMs {
        TimeMs(base.t.wrapping_add(i64::from(self.t)))
    }

    fn identity(&self) -> Identity {
        let word = |i: usize| u128::from(self.identity[i]) << (32 * i);
        Identity(word(0) | word(1) | word(2) | word(3))
    }

    fn unpack(&self, base: Base) -> Fix {
        let t = self.t(base);
        Fix {
            identity: self.identity(),
            t,
            received: TimeMs(t.0.wrapping_add(base.lag.wrapping_add(i64::from(self.lag)))),
            seq: u64::from(self.seq[0]) | u64::from(self.seq[1]) << 32,
            position: Position { lat: self.lat, lon: self.lon },
            accuracy: self.accuracy,
            speed_mps: self.speed,
            engine: self.engine,
        }
    }
}

impl Chunk {
    /// A chunk of this fix alone.
    pub(super) fn of(fix: &Fix) -> Self {
        let base = Base::of(fix);
        Self { base, len: 0, fixes: [Packed::default(); CHUNK_FIXES] }.begun(fix)
    }

    fn begun(mut self, fix: &Fix) -> Self {
        self.begin(fix);
        self
    }

    /// Empties the chunk and begins it anew for `fix`.
    pub(super) fn begin(&mut self, fix: &Fix) {
        self.base = Base::of(fix);
        self.fixes[0] = Packed::new(fix, self.base);
        self.len = 1;
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Has asked for all but the fixes.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch::lines_of(&self.base);
        prefetch::lines_of(&self.len);
    }

    /// Has asked for the time of the last fix but one, the last fix, and where
    /// the next goes to.
    #[inline]
    pub(super) fn prefetch_last(&self) {
        let next = self.len();
        if let Some(fix) = next.checked_sub(2).and_then(|i| self.fixes.get(i)) {
            prefetch::lines_of(&fix.t);
        }
        self.fixes.get(next - 1).into_iter().for_each(prefetch::lines_of);
        self.fixes.get(next).into_iter().for_each(prefetch::lines_of);
    }

    /// Has asked for what [`Self::last_t`] reads of a chunk that is full, as those
    /// before the last mostly are.
    #[inline]
    pub(super) fn prefetch_end(&self) {
        self.prefetch();
        prefetch::lines_of(&self.fixes[CHUNK_FIXES - 1].t);
    }

    fn held(&self) -> &[Packed] {
        &self.fixes[..self.len()]
    }

    /// Time of fix `i`.
    pub(super) fn t(&self, i: usize) -> TimeMs {
        self.held()[i].t(self.base)
    }

    pub(super) fn last_t(&self) -> TimeMs {
        self.t(self.len() - 1)
    }

    pub(super) fn identity(&self, i: usize) -> Identity {
        self.held()[i].identity()
    }

    pub(super) fn fix(&self, i: usize) -> Fix {
        self.held()[i].unpack(self.base)
    }

    /// How many fixes have a time of at most `t`. Asks the last ones first: it
    /// is mostly those that are asked for, and a fix fills a line of memory.
    #[inline]
    pub(super) fn count_through(&self, t: TimeMs) -> usize {
        self.held().iter().rposition(|fix| fix.t(self.base) <= t).map_or(0, |last| last + 1)
    }

    /// Puts `fix` at place `i`. Returns whether it fits.
    pub(super) fn insert(&mut self, i: usize, fix: &Fix) -> bool {
        let len = self.len();
        if len == CHUNK_FIXES || !self.base.is_near(fix) {
            return false;
        }
        self.fixes.copy_within(i..len, i + 1);
        self.fixes[i] = Packed::new(fix, self.base);
        self.len += 1;
        true
    }

    /// Puts `fix` behind the others. Returns whether it fits.
    #[inline]
    pub(super) fn push(&mut self, fix: &Fix) -> bool {
        let Some(place) = self.fixes.get_mut(self.len as usize) else { return false };
        if !self.base.is_near(fix) {
            return false;
        }
        *place = Packed::new(fix, self.base);
        self.len += 1;
        true
    }

    /// Makes `rest` the fixes from place `i` on, which must be some, and keeps
    /// those before, which must be some too.
    pub(super) fn split_into(&mut self, i: usize, rest: &mut Self) {
        rest.base = self.base;
        let moved = &self.fixes[i..self.len()];
        rest.fixes[..moved.len()].copy_from_slice(moved);
        rest.len = moved.len() as u32;
        self.len = i as u32;
    }

    /// Forgets the first `count` fixes, and keeps some.
    pub(super) fn forget_first(&mut self, count: usize) {
        let held = count..self.len();
        self.fixes.copy_within(held, 0);
        self.len -= count as u32;
    }
}
