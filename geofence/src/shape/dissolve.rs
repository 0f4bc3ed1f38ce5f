//! The outline of a union of parts: what is left of all rings when only the
//! edges with inside on one hand and outside on the other are kept.
//!
//! A ring is read by the nonzero rule: everything it goes round, however often
//! and whichever way, belongs to it, so that a small loop drawn by accident
//! opens no hole. A part is its exterior less its holes; the whole is the
//! union of the parts. For valid polygons that is the plain reading.

use std::cmp::Ordering;

use super::noding::{Strand, Tangled, Work, node};
use super::parts::{Part, Vertex, edges};
use super::slabs::Slabs;

/// What the outline had to leave out or mend, with the rings as (part, ring)
/// and one place. Parts that merely touch are nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mend {
    /// A ring crosses itself.
    SelfCrossing { ring: RingId, at: Vertex },
    /// Two rings of one part cross.
    RingsCross { rings: (RingId, RingId), at: Vertex },
    /// Two parts overlap, or one lies in the other.
    PartsOverlap { part: usize, at: Vertex },
    /// A ring, or some of it, encloses nothing that is not already decided: a
    /// hole outside its exterior, a hole in a hole, a loop within the ring, a
    /// second lap of it.
    RingIdle { ring: RingId, at: Vertex },
    /// A ring goes out and back along the same line.
    Spike { ring: RingId, at: Vertex },
}

/// A ring by its part and its number there; 0 is the exterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RingId {
    pub(crate) part: usize,
    pub(crate) ring: usize,
}

/// Directed edges with the inside on their left, sorted, sharing only ends.
pub(super) struct Outline {
    pub(super) edges: Vec<(Vertex, Vertex)>,
    pub(super) mends: Vec<Mend>,
}

/// Finds the outline of the union of `parts`, which lie on one longitude axis.
pub(super) fn dissolve(parts: &[Part]) -> Result<Outline, Tangled> {
    let rings: Vec<RingId> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, p)| (0..=p.holes.len()).map(move |ring| RingId { part, ring }))
        .collect();
    let mut strands: Vec<Strand> = parts
        .iter()
        .flat_map(Part::rings)
        .enumerate()
        .flat_map(|(ring, vertices)| {
            edges(vertices).map(move |(from, to)| Strand { from, to, ring: ring as u32 })
        })
        .collect();

    let mut work = Work::of_one_fence();
    let mut mends: Vec<Mend> = node(&mut strands, &mut work)?
        .into_iter()
        .map(|crossing| {
            let (a, b) = (rings[crossing.rings.0 as usize], rings[crossing.rings.1 as usize]);
            let at = crossing.at;
            match (a == b, a.part == b.part) {
                (true, _) => Mend::SelfCrossing { ring: a, at },
                (_, true) => Mend::RingsCross { rings: (a.min(b), a.max(b)), at },
                _ => Mend::PartsOverlap { part: a.part.max(b.part), at },
            }
        })
        .collect();

    let sheaves = Sheaves::bind(strands, rings);
    let mut edges = Vec::with_capacity(sheaves.all.len());
    for index in 0..sheaves.all.len() {
        let sheaf = sheaves.all[index];
        let (left, right) = sheaves.windings(index, &mut work)?;
        let mend = match (sheaves.inside(&left), sheaves.inside(&right)) {
            (true, false) => {
                edges.push((sheaf.low, sheaf.high));
                sheaves.doubled(index, &left, &right)
            }
            (false, true) => {
                edges.push((sheaf.high, sheaf.low));
                sheaves.doubled(index, &right, &left)
            }
            _ => sheaves.mend(index, &left, &right),
        };
        let spikes = sheaves.spikes(index);
        mends.extend(mend.filter(|_| spikes.is_empty()));
        mends.extend(spikes);
    }
    edges.sort_unstable();
    Ok(Outline { edges, mends })
}

/// All strands between the same two vertices, seen as one line from `low`
/// (the western end, or the southern one) to `high`.
#[derive(Clone, Copy)]
struct Sheaf {
    low: Vertex,
    high: Vertex,
    /// Its strands are `strands[first..end]`.
    first: u32,
    end: u32,
}

struct Sheaves {
    all: Vec<Sheaf>,
    strands: Vec<Strand>,
    rings: Vec<RingId>,
    /// Numbers of the sheaves that are not vertical.
    slabs: Slabs<u32>,
}

/// What it costs to sort and add up a winding, beside looking whether an edge
/// passes over a place.
const WORK_OF_A_WINDING: usize = 8;

/// How often each ring winds round a place: (ring, turns), by ring.
type Windings = Vec<(u32, i32)>;

impl Sheaves {
    fn bind(mut strands: Vec<Strand>, rings: Vec<RingId>) -> Self {
        let key = |s: &Strand| (s.from.min(s.to), s.from.max(s.to), s.ring, s.from);
        strands.sort_unstable_by_key(key);
        let mut all: Vec<Sheaf> = Vec::with_capacity(strands.len());
        for (i, strand) in (0_u32..).zip(&strands) {
            let (low, high) = (strand.from.min(strand.to), strand.from.max(strand.to));
            match all.last_mut() {
                Some(last) if (last.low, last.high) == (low, high) => last.end = i + 1,
                _ => all.push(Sheaf { low, high, first: i, end: i + 1 }),
            }
        }
        let sloping: Vec<u32> = (0_u32..)
            .zip(&all)
            .filter(|(_, sheaf)| sheaf.low.x < sheaf.high.x)
            .map(|(i, _)| i)
            .collect();
        let slabs = Slabs::build(&sloping, |&i| (all[i as usize].low.x, all[i as usize].high.x));
        Self { all, strands, rings, slabs }
    }

    /// Windings just left and just right of the sheaf's middle, walking from
    /// its low to its high end.
    ///
    /// Both are counted on a ray due north of the middle, in doubled
    /// coordinates so that the middle is a grid point. Left of a sloping sheaf
    /// is north of it; left of a vertical one is west, where the ray runs an
    /// infinitesimal step west of the meridian.
    fn windings(&self, index: usize, work: &mut Work) -> Result<(Windings, Windings), Tangled> {
        let sheaf = self.all[index];
        let middle = Vertex { x: sheaf.low.x + sheaf.high.x, y: sheaf.low.y + sheaf.high.y };
        let vertical = sheaf.low.x == sheaf.high.x;
        let (mut left, mut right) = (Windings::new(), Windings::new());
        let over = self.slabs.over(middle.x.div_euclid(2));
        work.take(over.len())?;
        for &over in over {
            let other = self.all[over as usize];
            if over as usize == index || !is_north(&other, middle) {
                continue;
            }
            let (from, to) = (2 * other.low.x, 2 * other.high.x);
            if vertical && from < middle.x && middle.x <= to {
                self.wind(&other, &mut left);
            }
            if from <= middle.x && middle.x < to {
                self.wind(&other, &mut right);
            }
        }
        if !vertical {
            left.clone_from(&right);
            self.wind(&sheaf, &mut right);
        }
        work.take(WORK_OF_A_WINDING * (left.len() + right.len()))?;
        Ok((summed(left), summed(right)))
    }

    fn wind(&self, sheaf: &Sheaf, windings: &mut Windings) {
        let strands = &self.strands[sheaf.first as usize..sheaf.end as usize];
        let turn = |s: &Strand| if s.from == sheaf.low { 1 } else { -1 };
        windings.extend(strands.iter().map(|s| (s.ring, turn(s))));
    }

    /// Whether some part holds a place with these windings.
    fn inside(&self, windings: &Windings) -> bool {
        let ring = |winding: &(u32, i32)| self.rings[winding.0 as usize];
        // They lie by ring, and so by part, the exterior first.
        let of_parts = windings.chunk_by(|a, b| ring(a).part == ring(b).part);
        of_parts.into_iter().any(|of_part| of_part.len() == 1 && ring(&of_part[0]).ring == 0)
    }

    fn inside_part(&self, part: usize, windings: &Windings) -> bool {
        let mut own =
            windings.iter().map(|&(r, _)| self.rings[r as usize]).filter(|r| r.part == part);
        // By ring, so the exterior comes first; it must be the only one.
        own.next().is_some_and(|r| r.ring == 0) && own.next().is_none()
    }

    /// What lies doubled on a sheaf of the outline, whose sides have these
    /// windings: no place is in doubt for it, but rings that do more than
    /// touch are told.
    fn doubled(&self, index: usize, inner: &Windings, outer: &Windings) -> Option<Mend> {
        let sheaf = self.all[index];
        let strands = &self.strands[sheaf.first as usize..sheaf.end as usize];
        if strands.len() == 1 {
            return None;
        }
        let at = sheaf.low;
        if let Some(lap) = strands.windows(2).find(|pair| pair[0].ring == pair[1].ring) {
            return Some(Mend::RingIdle { ring: self.rings[lap[0].ring as usize], at });
        }
        let here = || strands.iter().map(|s| (s.ring, self.rings[s.ring as usize]));
        let bounded = |part| self.inside_part(part, inner) && !self.inside_part(part, outer);
        let mut parts: Vec<usize> = here().map(|(_, r)| r.part).filter(|p| bounded(*p)).collect();
        parts.dedup();
        if let [_, .., part] = parts[..] {
            return Some(Mend::PartsOverlap { part, at });
        }
        let winds_outside = |ring: u32| outer.iter().any(|&(other, _)| other == ring);
        let holes: Vec<RingId> =
            here().filter(|(i, r)| r.ring > 0 && winds_outside(*i)).map(|(_, r)| r).collect();
        let twice = holes.windows(2).find(|pair| pair[0].part == pair[1].part)?;
        Some(Mend::RingIdle { ring: twice[1], at })
    }

    /// Why the sheaf is no part of the outline, if that is worth telling.
    fn mend(&self, index: usize, left: &Windings, right: &Windings) -> Option<Mend> {
        let sheaf = self.all[index];
        let strands = &self.strands[sheaf.first as usize..sheaf.end as usize];
        let at = sheaf.low;
        let ring = self.rings[strands[0].ring as usize];
        let last = self.rings[strands[strands.len() - 1].ring as usize];
        if ring.part != last.part {
            return None;
        }
        if self.inside_part(ring.part, left) != self.inside_part(ring.part, right) {
            return Some(Mend::PartsOverlap { part: ring.part, at });
        }
        Some(Mend::RingIdle { ring: last, at })
    }

    /// The rings that run along the sheaf both ways; a bridge from the exterior
    /// to a hole drawn in one ring does, too.
    fn spikes(&self, index: usize) -> Vec<Mend> {
        let sheaf = self.all[index];
        let strands = &self.strands[sheaf.first as usize..sheaf.end as usize];
        // They lie by ring, and those of one ring by direction.
        let both_ways =
            |pair: &&[Strand]| pair[0].ring == pair[1].ring && pair[0].from != pair[1].from;
        let rings = strands.windows(2).filter(both_ways).map(|pair| pair[0].ring as usize);
        rings.map(|ring| Mend::Spike { ring: self.rings[ring], at: sheaf.low }).collect()
    }
}

/// Whether the sheaf, which is not vertical, passes north of the point, given
/// in doubled coordinates.
fn is_north(sheaf: &Sheaf, point: Vertex) -> bool {
    let (low, high) = (sheaf.low, sheaf.high);
    let rise = i128::from(point.x - 2 * low.x) * i128::from(high.y - low.y);
    let height = i128::from(point.y - 2 * low.y) * i128::from(high.x - low.x);
    height.cmp(&rise) == Ordering::Less
}

/// Turns added up by ring, rings that do not wind round left out.
fn summed(mut windings: Windings) -> Windings {
    windings.sort_unstable();
    windings.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    windings.retain(|&(_, turns)| turns != 0);
    windings
}
