//! The hot window of one vehicle: every fix that a late ping may still be
//! compared with, in order of event time.
//!
//! Fixes lie in chunks. A ping in order goes to the end of the last one and
//! touches nothing else; what is forgotten leaves by whole chunks, which the
//! next vehicle that needs one takes over.

mod chunk;

use std::collections::VecDeque;

use crate::fix::Fix;
use crate::lists::RareList;
use crate::{Identity, TimeMs};
use chunk::Chunk;

/// Bytes that one fix of a window counts for in the limit of all windows: some
/// 55 of a full chunk, and a share of the checkpoints. Which fixes give way
/// follows from this number, so it is part of the core's behaviour.
pub(crate) const FIX_BYTES: u64 = 80;

/// What became of a fix offered to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// Its time had no fix yet.
    New,
    /// It takes the place of the fix with this identity.
    Supersedes(Identity),
    /// The fix that stands for its time stays.
    Superseded,
    /// Known already.
    Duplicate,
}

/// Fixes by event time; of several with one time the winner comes first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The last chunk; `None` while there is no fix.
    tail: Option<Box<Chunk>>,
    /// Those before it, in order. None is empty.
    earlier: RareList<Box<Chunk>>,
    len: u32,
}

/// Chunks that no window holds, to be used again.
#[derive(Debug, Default)]
pub(crate) struct SpareChunks(VecDeque<Box<Chunk>>);

/// Spare chunks kept at the most: 7 MiB of them.
const SPARES_MAX: usize = 16_384;

/// The place of a fix: chunk, and number in it. The end is behind the last
/// fix of the tail.
#[derive(Clone, Copy, PartialEq, Eq)]
struct At {
    chunk: usize,
    fix: usize,
}

impl SpareChunks {
    /// A chunk of `fix` alone.
    fn begin(&mut self, fix: &Fix) -> Box<Chunk> {
        match self.0.pop_back() {
            Some(mut chunk) => {
                chunk.begin(fix);
                chunk
            }
            None => Box::new(Chunk::of(fix)),
        }
    }

    fn keep(&mut self, chunk: Box<Chunk>) {
        if self.0.len() < SPARES_MAX {
            self.0.push_back(chunk);
        }
    }
}

impl Window {
    /// A window of these fixes, in order.
    pub(crate) fn restore(fixes: impl IntoIterator<Item = Fix>) -> Self {
        let mut window = Self::default();
        let mut spares = SpareChunks::default();
        for fix in fixes {
            window.push(&fix, &mut spares);
        }
        window
    }

    /// All fixes, in order.
    pub(crate) fn fixes(&self) -> impl Iterator<Item = Fix> + '_ {
        self.from(At { chunk: 0, fix: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Has asked for what tells which fixes come last.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let Some(tail) = &self.tail {
            tail.prefetch();
        }
    }

    /// Has asked for the last two fixes and where the next goes to.
    #[inline]
    pub(crate) fn prefetch_fixes(&self) {
        let Some(tail) = &self.tail else { return };
        tail.prefetch_last();
        if tail.len() == 1
            && let Some(before) = self.earlier.last()
        {
            before.prefetch_end();
        }
    }

    /// Files `fix` under its time.
    #[inline]
    pub(crate) fn insert(&mut self, fix: &Fix, spares: &mut SpareChunks) -> Inserted {
        if self.tail.as_ref().is_none_or(|tail| tail.last_t() < fix.t) {
            self.push(fix, spares);
            return Inserted::New;
        }
        self.insert_among(fix, spares)
    }

    /// [`Self::insert`] of a fix that is not later than all others.
    fn insert_among(&mut self, fix: &Fix, spares: &mut SpareChunks) -> Inserted {
        let end = self.upper_bound(fix.t);
        let mut start = end;
        while let Some(before) = self.before(start)
            && self.chunk(before.chunk).t(before.fix) == fix.t
        {
            if self.chunk(before.chunk).identity(before.fix) == fix.identity {
                return Inserted::Duplicate;
            }
            start = before;
        }
        if start == end {
            self.insert_at(end, fix, spares);
            return Inserted::New;
        }
        let winner = self.from(start).next().expect("it is at the fix's time");
        if fix.wins_over(&winner) {
            self.insert_at(start, fix, spares);
            Inserted::Supersedes(winner.identity)
        } else {
            self.insert_at(end, fix, spares);
            Inserted::Superseded
        }
    }

    /// The fixes that stand for their time, after `after` and up to `through`.
    pub(crate) fn winners(&self, after: TimeMs, through: TimeMs) -> impl Iterator<Item = Fix> + '_ {
        let mut last = None;
        let after = self.from(self.upper_bound(after));
        after.take_while(move |fix| fix.t <= through).filter(move |fix| {
            let first_of_its_time = last != Some(fix.t);
            last = Some(fix.t);
            first_of_its_time
        })
    }

    /// The first of [`Self::winners`], without what an iterator costs.
    #[inline]
    pub(crate) fn first_winner(&self, after: TimeMs, through: TimeMs) -> Option<Fix> {
        let at = self.upper_bound(after);
        let chunk = self.chunk_at(at.chunk)?;
        (at.fix < chunk.len() && chunk.t(at.fix) <= through).then(|| chunk.fix(at.fix))
    }

    /// The last fix; of several with its time not the winner.
    #[inline]
    pub(crate) fn last(&self) -> Option<Fix> {
        self.tail.as_ref().map(|tail| tail.fix(tail.len() - 1))
    }

    /// Time of the first fix after `after`.
    pub(crate) fn next_after(&self, after: TimeMs) -> Option<TimeMs> {
        let at = self.upper_bound(after);
        let chunk = self.chunk_at(at.chunk)?;
        (at.fix < chunk.len()).then(|| chunk.t(at.fix))
    }

    /// Forgets the fixes up to and including `through`.
    pub(crate) fn forget_through(&mut self, through: TimeMs, spares: &mut SpareChunks) {
        let gone = self.earlier.iter().take_while(|chunk| chunk.last_t() <= through).count();
        for chunk in self.earlier.drain_first(gone) {
            self.len -= chunk.len() as u32;
            spares.keep(chunk);
        }
        if self.earlier.is_empty()
            && let Some(tail) = self.tail.take_if(|tail| tail.last_t() <= through)
        {
            self.len -= tail.len() as u32;
            spares.keep(tail);
        }
        if let Some(first) = self.earlier.first_mut().or(self.tail.as_mut()) {
            let count = first.count_through(through);
            first.forget_first(count);
            self.len -= count as u32;
        }
    }

    /// Appends a fix that is before none of the others.
    #[inline]
    fn push(&mut self, fix: &Fix, spares: &mut SpareChunks) {
        self.len += 1;
        if !self.tail.as_mut().is_some_and(|tail| tail.push(fix)) {
            self.earlier.extend(self.tail.replace(spares.begin(fix)));
        }
    }

    /// Puts `fix` before the one at `at`.
    fn insert_at(&mut self, at: At, fix: &Fix, spares: &mut SpareChunks) {
        if at == self.end() {
            return self.push(fix, spares);
        }
        self.len += 1;
        let chunk = self.chunk_mut(at.chunk);
        if chunk.insert(at.fix, fix) {
            return;
        }
        if at.fix == 0 {
            let fits = at.chunk > 0 && {
                let before = self.chunk_mut(at.chunk - 1);
                before.push(fix)
            };
            if !fits {
                self.earlier.insert(at.chunk, spares.begin(fix));
            }
            return;
        }
        // Full, or of other times: in two, and the fix to the end of the first
        // part or between them.
        let mut rest = spares.begin(fix);
        let chunk = self.chunk_mut(at.chunk);
        chunk.split_into(at.fix, &mut rest);
        let fits = chunk.insert(at.fix, fix);
        self.insert_chunk(at.chunk + 1, rest);
        if !fits {
            self.insert_chunk(at.chunk + 1, spares.begin(fix));
        }
    }

    fn insert_chunk(&mut self, place: usize, chunk: Box<Chunk>) {
        if place > self.earlier.len() {
            self.earlier.extend(self.tail.replace(chunk));
        } else {
            self.earlier.insert(place, chunk);
        }
    }

    fn from(&self, mut at: At) -> impl Iterator<Item = Fix> + '_ {
        std::iter::from_fn(move || {
            let chunk = self.chunk_at(at.chunk)?;
            if at.fix == chunk.len() {
                return None;
            }
            let fix = chunk.fix(at.fix);
            at.fix += 1;
            if at.fix == chunk.len() {
                at = At { chunk: at.chunk + 1, fix: 0 };
            }
            Some(fix)
        })
    }

    fn chunk_at(&self, place: usize) -> Option<&Chunk> {
        if place == self.earlier.len() {
            self.tail.as_deref()
        } else {
            self.earlier.get(place).map(|chunk| &**chunk)
        }
    }

    fn chunk(&self, place: usize) -> &Chunk {
        self.chunk_at(place).expect("places of fixes are in chunks")
    }

    fn chunk_mut(&mut self, place: usize) -> &mut Chunk {
        let chunk = if place == self.earlier.len() {
            self.tail.as_mut()
        } else {
            self.earlier.get_mut(place)
        };
        chunk.expect("places of fixes are in chunks")
    }

    fn end(&self) -> At {
        At { chunk: self.earlier.len(), fix: self.tail.as_ref().map_or(0, |tail| tail.len()) }
    }

    fn before(&self, at: At) -> Option<At> {
        match at {
            At { chunk: 0, fix: 0 } => None,
            At { chunk, fix: 0 } => {
                Some(At { chunk: chunk - 1, fix: self.chunk(chunk - 1).len() - 1 })
            }
            At { chunk, fix } => Some(At { chunk, fix: fix - 1 }),
        }
    }

    /// Behind the last fix with a time of at most `t`. Most pings come in
    /// order, so the search starts at the end.
    fn upper_bound(&self, t: TimeMs) -> At {
        let Some(tail) = &self.tail else { return At { chunk: 0, fix: 0 } };
        let last = self.earlier.len();
        let fix = tail.count_through(t);
        if fix > 0 {
            return At { chunk: last, fix };
        }
        if self.earlier.last().is_none_or(|before| before.last_t() <= t) {
            return At { chunk: last, fix: 0 };
        }
        let chunk = self.earlier.partition_point(|chunk| chunk.last_t() <= t);
        let fix = self.earlier.get(chunk).map_or(0, |chunk| chunk.count_through(t));
        At { chunk, fix }
    }
}

#[cfg(test)]
mod tests;
