//! A straight step through an outline: which stretches of it lie inside.
//!
//! Exact: where the step meets an edge is a fraction of integers, and
//! fractions are compared by cross-multiplication. Numerators and denominators
//! stay below 1e19 · 2, so that the products fit `i128`. Only the answer is
//! rounded to `f64`.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::edge::Edge;
use super::envelope::Envelope;

/// From `start` by `by`, in units of longitude and latitude;
/// each of `by` at most half a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) start: (i64, i64),
    pub(super) by: (i64, i64),
}

impl Step {
    pub(super) fn envelope(&self) -> Envelope {
        let (from, by) = (self.start, self.by);
        let to = (from.0 + by.0, from.1 + by.1);
        Envelope {
            west: from.0.min(to.0),
            east: from.0.max(to.0),
            south: from.1.min(to.1),
            north: from.1.max(to.1),
        }
    }
}

/// A fraction of the step from 0 to 1, `den` > 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fraction {
    num: i128,
    den: i128,
}

impl Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.num * other.den).cmp(&(other.num * self.den))
    }

    fn value(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

/// What happens where the step meets the outline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    /// It touches an edge, which is inside, and nothing changes.
    Touch,
    /// It goes over to the other side.
    Cross,
    /// It begins to run along an edge.
    Join,
    /// It leaves an edge it ran along.
    Leave,
}

/// Stretches inside, as fractions of a step; mostly one.
pub(crate) type Stretches = SmallVec<[(f64, f64); 2]>;

/// What the edges of an outline are to a step, in any order.
pub(super) type Marks = SmallVec<[(Fraction, Mark); 4]>;

/// Where a step of some length meets an outline, in order.
pub(super) struct Meetings<'a>(&'a [(Fraction, Mark)]);

impl<'a> Meetings<'a> {
    /// By the [`mark`] of every edge that may meet the step.
    pub(super) fn of(marks: &'a mut Marks) -> Self {
        marks.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Self(marks)
    }

    /// The side of the step's first infinitesimal piece, moved a yet smaller
    /// bit to the left, as it follows from the side of its end; `None` if the
    /// end lies on an edge, where the side of the end says nothing.
    pub(super) fn inside_ahead(&self, inside_at_end: bool) -> Option<bool> {
        let ends_on_edge = self.0.last().is_some_and(|(at, _)| at.num == at.den);
        let crosses = |&&(at, mark): &&(Fraction, Mark)| mark == Mark::Cross && at.num > 0;
        let crossed = self.0.iter().filter(crosses).count() % 2 == 1;
        (!ends_on_edge).then_some(inside_at_end ^ crossed)
    }

    /// The maximal stretches of the closed step inside the closed shape:
    /// sorted, disjoint; a touch is a stretch of no length.
    ///
    /// `inside` is the side of the step's first infinitesimal piece, moved a
    /// yet smaller bit to the left; the walk below is of the step so moved,
    /// which meets no vertex, and `Mark`s put back what the move leaves out.
    pub(super) fn stretches(&self, inside: bool) -> Stretches {
        let mut found = Stretches::new();
        let mut inside = inside;
        let mut along = 0;
        let mut since = inside.then_some(0.0);
        for here in self.0.chunk_by(|a, b| a.0.cmp(&b.0) == Ordering::Equal) {
            let at = here[0].0;
            for &(_, mark) in here {
                match mark {
                    Mark::Touch => {}
                    // Crossed before the first piece, which `inside` knows.
                    Mark::Cross => inside ^= at.num > 0,
                    Mark::Join => along += 1,
                    Mark::Leave => along -= 1,
                }
            }
            let at = at.value().max(found.last().map_or(0.0, |last| last.1));
            match (since, inside || along > 0) {
                (Some(_), true) => {}
                (Some(start), false) => {
                    found.push((start, at));
                    since = None;
                }
                (None, true) => since = Some(at),
                (None, false) => found.push((at, at)),
            }
        }
        found.extend(since.map(|start| (start, 1.0)));
        found
    }
}

/// Adds to `marks` what the edge, moved by `turn`, is to the step.
pub(super) fn mark(step: Step, edge: Edge, turn: i64, marks: &mut Marks) {
    let (dx, dy) = step.by;
    // Seen from the step's start.
    let a = (edge.west.x + turn - step.start.0, edge.west.y - step.start.1);
    let b = (edge.east.x + turn - step.start.0, edge.east.y - step.start.1);
    let apart = |a: i64, b: i64, d: i64| a.max(b) < d.min(0) || a.min(b) > d.max(0);
    if apart(a.0, b.0, dx) || apart(a.1, b.1, dy) {
        return;
    }
    let wide = |(x, y): (i64, i64)| (i128::from(x), i128::from(y));
    let (a, b, d) = (wide(a), wide(b), wide((dx, dy)));
    let cross = |p: (i128, i128), q: (i128, i128)| p.0 * q.1 - p.1 * q.0;
    let (side_a, side_b) = (cross(d, a), cross(d, b));
    if side_a == 0 && side_b == 0 {
        let length2 = d.0 * d.0 + d.1 * d.1;
        let along = |p: (i128, i128)| (p.0 * d.0 + p.1 * d.1).clamp(0, length2);
        let (from, to) = (along(a).min(along(b)), along(a).max(along(b)));
        marks.push((Fraction { num: from, den: length2 }, Mark::Join));
        marks.push((Fraction { num: to, den: length2 }, Mark::Leave));
        return;
    }
    if (side_a > 0 && side_b > 0) || (side_a < 0 && side_b < 0) {
        return;
    }
    let e = (b.0 - a.0, b.1 - a.1);
    let (mut num, mut den) = (cross(a, e), cross(d, e));
    if den < 0 {
        (num, den) = (-num, -den);
    }
    if (0..=den).contains(&num) {
        // Moved to its left, the step has what it touches on its right.
        let crosses = (side_a > 0) != (side_b > 0);
        marks.push((Fraction { num, den }, if crosses { Mark::Cross } else { Mark::Touch }));
    }
}
