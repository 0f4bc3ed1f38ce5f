//! What a cell knows, in one run of words: the fences that cover it whole,
//! those that must be asked, and those whose outline crosses it.
//!
//! ```text
//! head                                       how many of each, see [`Head`]
//! fence × covering
//! fence × asked
//! (fence, wide << 16 | narrow << 1 | above,  for each crossing one
//!  narrow edge × narrow, wide edge × wide) × crossing
//! ```
//!
//! Places are relative to the cell's south-western corner. An edge runs from
//! its western end by (dx, dy), northwards if vertical; whole, not clipped. A
//! narrow edge is the two ends, x and y packed as 16 bits each; a wide one x,
//! y, dx, dy of 32 bits: it spans less than half a turn, and so fits.
//!
//! `above` is the parity of the edges that pass north of a place without
//! touching the cell. Along the cell it changes below an end of an edge of
//! the cell that lies north of it, where the outline goes on out of the cell's
//! sight: there, an edge that is none of the outline's lies far north of the
//! cell, from that end's meridian eastwards.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Words of a narrow edge and of a wide one.
const NARROW: usize = 2;
const WIDE: usize = 4;
/// Edges of a fence in one cell, of each width, are no more than these.
pub(super) const EDGES_MAX: usize = (1 << 15) - 1;

/// Words past the last run, so that some can be read without a look at where
/// it ends.
const SPARE: usize = 4;

/// Goes with where a run begins that has more than fences that cover the cell:
/// those who look for outlines need not read the others.
pub(super) const MORE: u32 = 1 << 31;

/// How many fences of each kind a run has. Mostly one word: covering in 10
/// bits, asked in 6, crossing in 15. With the uppermost bit set the numbers
/// are the three words that follow.
#[derive(Clone, Copy)]
struct Head {
    /// Words of the head itself.
    words: usize,
    covering: usize,
    asked: usize,
    crossing: usize,
}

const COVERING_BITS: u32 = 10;
const ASKED_BITS: u32 = 6;
const CROSSING_BITS: u32 = 15;
const LONG: u32 = 1 << 31;

impl Head {
    #[inline]
    fn read(words: &[u32]) -> Self {
        let head = words[0];
        if head & LONG == 0 {
            let part = |from: u32, bits: u32| (head >> from & ((1 << bits) - 1)) as usize;
            Self {
                words: 1,
                covering: part(0, COVERING_BITS),
                asked: part(COVERING_BITS, ASKED_BITS),
                crossing: part(COVERING_BITS + ASKED_BITS, CROSSING_BITS),
            }
        } else {
            let [covering, asked, crossing] = [1, 2, 3].map(|i| words[i] as usize);
            Self { words: 4, covering, asked, crossing }
        }
    }

    fn write(covering: usize, asked: usize, crossing: usize, words: &mut Vec<u32>) {
        let numbers = [covering, asked, crossing];
        let bits = [COVERING_BITS, ASKED_BITS, CROSSING_BITS];
        if numbers.iter().zip(bits).all(|(number, bits)| *number < 1 << bits) {
            let [covering, asked, crossing] = numbers.map(|number| number as u32);
            words.push(covering | (asked | crossing << ASKED_BITS) << COVERING_BITS);
        } else {
            words.push(LONG);
            words.extend(numbers.map(|number| number as u32));
        }
    }

    /// Where the fences that cross begin.
    #[inline]
    fn outlines_at(self) -> usize {
        self.words + self.covering + self.asked
    }
}

/// Appends to `out`, ascending, every fence of the run at the start of `words`
/// that holds the place (x, y), `asked` deciding on those that must be asked.
/// `words` go on to the end of the band's.
#[inline]
pub(super) fn query(
    words: &[u32],
    x: i64,
    y: i64,
    out: &mut Vec<u32>,
    mut asked: impl FnMut(u32) -> bool,
) {
    let head = Head::read(words);
    let covering = &words[head.words..];
    let first = out.len();
    if head.covering <= SPARE {
        // As many every time, so that nothing depends on how many there are.
        out.extend_from_slice(&covering[..SPARE]);
        out.truncate(first + head.covering);
    } else {
        out.extend_from_slice(&covering[..head.covering]);
    }
    if head.asked > 0 {
        let fences = &covering[head.covering..][..head.asked];
        out.extend(fences.iter().copied().filter(|fence| asked(*fence)));
        sort(&mut out[first..]);
    }
    if head.crossing > 0 {
        let mut rest = &words[head.outlines_at()..];
        for _ in 0..head.crossing {
            let crossing = Crossing::read(rest);
            rest = crossing.rest;
            let before = out.len();
            out.push(crossing.fence);
            out.truncate(before + usize::from(crossing.holds(x, y)));
        }
        sort(&mut out[first..]);
    }
}

/// Sorts what is mostly one or two numbers.
#[inline]
pub(super) fn sort(fences: &mut [u32]) {
    /// Up to so many are sorted by insertion.
    const FEW: usize = 8;
    if fences.len() > FEW {
        fences.sort_unstable();
        return;
    }
    for end in 1..fences.len() {
        let mut place = end;
        while place > 0 && fences[place - 1] > fences[place] {
            fences.swap(place - 1, place);
            place -= 1;
        }
    }
}

/// A closed box, relative to the cell's corner like the edges: its south-western
/// corner and its north-eastern one.
pub(super) type Bounds = ((i64, i64), (i64, i64));

/// Calls `found` for every fence of the run at the start of `words` that must
/// be asked, or has an edge whose box meets `bounds`; but for those that
/// `passes_over` names.
#[inline]
pub(super) fn outlines(
    words: &[u32],
    bounds: Bounds,
    passes_over: impl Fn(u32) -> bool,
    mut found: impl FnMut(u32),
) {
    let head = Head::read(words);
    let asked = &words[head.words + head.covering..][..head.asked];
    asked.iter().filter(|fence| !passes_over(**fence)).for_each(|fence| found(*fence));
    let mut rest = &words[head.outlines_at()..];
    for _ in 0..head.crossing {
        let crossing = Crossing::read(rest);
        rest = crossing.rest;
        if !passes_over(crossing.fence) && crossing.meets(bounds) {
            found(crossing.fence);
        }
    }
}

/// Whether no fence of the run at the start of `words` must be asked, and none has
/// an edge whose box meets `bounds`.
#[inline]
pub(super) fn is_clear(words: &[u32], bounds: Bounds) -> bool {
    let head = Head::read(words);
    if head.asked > 0 {
        return false;
    }
    let mut rest = &words[head.outlines_at()..];
    (0..head.crossing).all(|_| {
        let crossing = Crossing::read(rest);
        rest = crossing.rest;
        !crossing.meets(bounds)
    })
}

/// A fence whose outline crosses the cell.
struct Crossing<'a> {
    fence: u32,
    above: u32,
    narrow: &'a [u32],
    wide: &'a [u32],
    /// What follows it.
    rest: &'a [u32],
}

/// An edge from its western end.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) dx: i64,
    pub(super) dy: i64,
}

impl<'a> Crossing<'a> {
    #[inline]
    fn read(words: &'a [u32]) -> Self {
        let (fence, counts) = (words[0], words[1]);
        let narrow = (counts as usize >> 1 & EDGES_MAX) * NARROW;
        let wide = (counts as usize >> 16) * WIDE;
        let (narrow, rest) = words[2..].split_at(narrow);
        let (wide, rest) = rest.split_at(wide);
        Self { fence, above: counts & 1, narrow, wide, rest }
    }

    #[inline]
    fn lines(&self) -> impl Iterator<Item = Line> {
        let narrow = self.narrow.chunks_exact(NARROW).map(Line::narrow);
        narrow.chain(self.wide.chunks_exact(WIDE).map(Line::wide))
    }

    /// Whether the fence holds the place: whether an odd number of edges pass
    /// north of it, an edge reaching from its western end to just before its
    /// eastern one. A place on an edge is inside.
    #[inline]
    fn holds(&self, x: i64, y: i64) -> bool {
        let (mut parity, mut level) = (self.above, false);
        // Two loops, since a chained iterator asks where it is each time.
        let mut rest = self.narrow;
        while let Some((edge, after)) = rest.split_first_chunk::<NARROW>() {
            Line::narrow(edge).pass(x, y, &mut parity, &mut level);
            rest = after;
        }
        let mut rest = self.wide;
        while let Some((edge, after)) = rest.split_first_chunk::<WIDE>() {
            Line::wide(edge).pass(x, y, &mut parity, &mut level);
            rest = after;
        }
        if level && self.lines().any(|line| line.is_under(x, y)) {
            return true;
        }
        parity == 1
    }

    /// Whether the box of some edge meets `bounds`.
    #[inline]
    fn meets(&self, bounds: Bounds) -> bool {
        let (narrow, _) = self.narrow.as_chunks::<NARROW>();
        let (wide, _) = self.wide.as_chunks::<WIDE>();
        narrow.iter().any(|edge| Line::narrow(edge).meets(bounds))
            || wide.iter().any(|edge| Line::wide(edge).meets(bounds))
    }
}

impl Line {
    #[inline]
    fn narrow(words: &[u32]) -> Self {
        let low = |word: u32| i64::from(word as i16);
        let high = |word: u32| i64::from(word as i32 >> 16);
        let (x, y) = (low(words[0]), high(words[0]));
        Self { x, y, dx: low(words[1]) - x, dy: high(words[1]) - y }
    }

    #[inline]
    fn wide(words: &[u32]) -> Self {
        let [x, y, dx, dy] = [0, 1, 2, 3].map(|i| i64::from(words[i] as i32));
        Self { x, y, dx, dy }
    }

    /// Positive where the line through the edge passes south of the place,
    /// negative where it passes north.
    ///
    /// Products stay within `i64`: dx and dy are below 1.8e9, the place is less
    /// than 1.81e9 from the edge's end, so that a product is below 3.3e18 and a
    /// difference of two below 6.6e18.
    #[inline]
    pub(super) fn height(self, x: i64, y: i64) -> i64 {
        (y - self.y) * self.dx - (x - self.x) * self.dy
    }

    /// Changes `parity` where the edge passes north of the place; `level` says
    /// whether the place may lie on it.
    #[inline]
    fn pass(self, x: i64, y: i64, parity: &mut u32, level: &mut bool) {
        let east = x - self.x;
        let height = self.height(x, y);
        *parity ^= u32::from((0 <= east) & (east < self.dx) & (height < 0));
        *level |= height == 0;
    }

    /// Whether the edge's box meets `bounds`.
    #[inline]
    fn meets(self, (low, high): Bounds) -> bool {
        let Self { x, y, dx, dy } = self;
        x <= high.0 && x + dx >= low.0 && y + dy.min(0) <= high.1 && y + dy.max(0) >= low.1
    }

    /// Whether the place lies on the edge, its ends included.
    fn is_under(self, x: i64, y: i64) -> bool {
        let (east, north) = (x - self.x, y - self.y);
        self.height(x, y) == 0
            && (0..=self.dx).contains(&east)
            && (self.dy.min(0)..=self.dy.max(0)).contains(&north)
    }
}

/// Makes one band after the other; its memory serves again.
#[derive(Debug, Default)]
pub(super) struct RunWriter {
    /// Where each cell's run begins, and [`MORE`]; then the runs.
    words: Vec<u32>,
    /// Cells of the band: the run of those that know of nothing comes first.
    cells: u32,
    /// Where runs without edges begin, by the number of fences to be asked,
    /// these, and the fences that cover.
    known: BTreeMap<Vec<u32>, u32>,
    key: Vec<u32>,
}

impl RunWriter {
    /// Begins a band of so many cells, which know of nothing yet.
    pub(super) fn begin_band(&mut self, cells: u32) {
        self.words.clear();
        self.words.resize(cells as usize, cells);
        Head::write(0, 0, 0, &mut self.words);
        self.cells = cells;
        self.known.clear();
    }

    /// Says of a cell, by its number in the band, where its run begins, and
    /// [`MORE`].
    #[inline]
    pub(super) fn set(&mut self, cell: usize, start: u32) {
        self.words[cell] = start;
    }

    /// Where the run of a cell begins that no outline crosses, of the fences
    /// that cover it and those to be asked, and [`MORE`].
    pub(super) fn uncrossed(&mut self, covering: &[u32], asked: &[u32]) -> u32 {
        self.key.clear();
        self.key.push(asked.len() as u32);
        self.key.extend_from_slice(asked);
        self.key.extend_from_slice(covering);
        if self.key.len() == 1 {
            return self.cells;
        }
        if let Some(start) = self.known.get(self.key.as_slice()) {
            return *start;
        }
        let start = self.begin(covering, asked, 0);
        self.known.insert(self.key.clone(), start);
        start
    }

    /// Writes the run of a cell that outlines cross, each with words of
    /// [`Crossings`](super::crossings::Crossings), and returns where it begins,
    /// and [`MORE`].
    pub(super) fn crossed<'a>(
        &mut self,
        covering: &[u32],
        asked: &[u32],
        crossings: impl ExactSizeIterator<Item = &'a [u32]>,
    ) -> u32 {
        let start = self.begin(covering, asked, crossings.len());
        crossings.for_each(|words| self.words.extend_from_slice(words));
        start
    }

    fn begin(&mut self, covering: &[u32], asked: &[u32], crossing: usize) -> u32 {
        let start = self.words.len();
        Head::write(covering.len(), asked.len(), crossing, &mut self.words);
        self.words.extend_from_slice(covering);
        self.words.extend_from_slice(asked);
        let start = u32::try_from(start).ok().filter(|start| start & MORE == 0);
        let more = if asked.len() + crossing > 0 { MORE } else { 0 };
        start.expect("a tile's runs are bounded, see its budget") | more
    }

    /// The band.
    pub(super) fn finish(&mut self) -> Arc<[u32]> {
        self.words.extend([0; SPARE]);
        self.words.as_slice().into()
    }
}
