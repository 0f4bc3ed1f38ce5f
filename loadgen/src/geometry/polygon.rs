//! Polygons with holes, by even and odd.

use geofence::Position;

use super::{Bounds, END, Scale, merged};

/// Rings read by even and odd: a position is inside when a ray from it meets
/// the edges an odd number of times, or when it lies on an edge. Parts that
/// touch have, as required, no edge between them. Parts must not overlap, and
/// holes lie within their part and run against it, as in every set that the
/// engine's reader has repaired.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    /// Closed by an edge from the last vertex to the first.
    rings: Vec<Vec<Position>>,
    bounds: Bounds,
    scale: Scale,
}

impl Polygon {
    /// Of rings that are not closed by a repeated vertex, at least one, each of
    /// at least three vertices; `None` otherwise.
    #[must_use]
    pub fn new(rings: Vec<Vec<Position>>) -> Option<Self> {
        if rings.iter().any(|ring| ring.len() < 3) {
            return None;
        }
        let bounds = Bounds::around(rings.iter().flatten().copied())?;
        let middle = bounds.south_west.lat / 2 + bounds.north_east.lat / 2;
        Some(Self { rings, bounds, scale: Scale::at(middle) })
    }

    /// The middle of its first edge, if that lies on whole units, as on a
    /// meridian or a parallel; a vertex otherwise.
    #[must_use]
    pub fn place_on_edge(&self) -> Position {
        let (a, b) = (self.rings[0][0], self.rings[0][1]);
        let middle = Position { lat: a.lat.midpoint(b.lat), lon: a.lon.midpoint(b.lon) };
        if cross(a, b, middle) == 0 { middle } else { a }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn edges(&self) -> impl Iterator<Item = (Position, Position)> {
        self.rings.iter().flat_map(|ring| {
            ring.iter().zip(ring.iter().cycle().skip(1)).map(|(&from, &to)| (from, to))
        })
    }

    pub(super) fn contains(&self, p: Position) -> bool {
        if !self.bounds.meets(&Bounds::of_step(p, p)) {
            return false;
        }
        let mut inside = false;
        for (a, b) in self.edges() {
            let side = cross(a, b, p);
            if side == 0 && Bounds::of_step(a, b).meets(&Bounds::of_step(p, p)) {
                return true;
            }
            // The edge spans the latitude of `p`, its lower end included.
            if (a.lat > p.lat) != (b.lat > p.lat) && (side > 0) == (b.lat > a.lat) {
                inside = !inside;
            }
        }
        inside
    }

    pub(super) fn depth_m(&self, p: Position) -> f64 {
        let nearest = self
            .edges()
            .map(|(a, b)| distance_to_segment_m(self.scale, p, a, b))
            .fold(f64::INFINITY, f64::min);
        if self.contains(p) { nearest } else { -nearest }
    }

    /// By the shoelace formula, which takes off holes that run against their
    /// part.
    pub(super) fn area_m2(&self) -> f64 {
        let origin = self.bounds.south_west;
        let ring_area = |ring: &Vec<Position>| {
            let pairs = ring.iter().zip(ring.iter().cycle().skip(1));
            let doubled: f64 = pairs
                .map(|(&a, &b)| {
                    let (ax, ay) = self.scale.offset_m(origin, a);
                    let (bx, by) = self.scale.offset_m(origin, b);
                    ax * by - bx * ay
                })
                .sum();
            doubled / 2.0
        };
        self.rings.iter().map(ring_area).sum::<f64>().abs()
    }

    pub(super) fn stretches(&self, a: Position, b: Position) -> Vec<(f64, f64)> {
        let step = Bounds::of_step(a, b);
        if !self.bounds.meets(&step) {
            return Vec::new();
        }
        let mut cuts = vec![0.0, 1.0];
        for (from, to) in self.edges() {
            if step.meets(&Bounds::of_step(from, to)) {
                push_cuts(a, b, from, to, &mut cuts);
            }
        }
        cuts.sort_unstable_by(f64::total_cmp);
        let pieces = cuts.windows(2).filter(|piece| piece[1] - piece[0] > END);
        let within = pieces
            .filter(|piece| self.holds_point(a, b, (piece[0] + piece[1]) / 2.0))
            .map(|piece| (piece[0], piece[1]));
        merged(within.collect())
    }

    /// Whether the position at `fraction` of the step, which is on no edge or
    /// runs along one, is inside.
    fn holds_point(&self, a: Position, b: Position, fraction: f64) -> bool {
        let x = f64::from(a.lon) + fraction * (f64::from(b.lon) - f64::from(a.lon));
        let y = f64::from(a.lat) + fraction * (f64::from(b.lat) - f64::from(a.lat));
        let mut inside = false;
        for (from, to) in self.edges() {
            if cross(from, to, a) == 0 && cross(from, to, b) == 0 && spans(from, to, x, y) {
                return true;
            }
            let (from_y, to_y) = (f64::from(from.lat), f64::from(to.lat));
            if (from_y > y) != (to_y > y) {
                let share = (y - from_y) / (to_y - from_y);
                let at = f64::from(from.lon) + share * (f64::from(to.lon) - f64::from(from.lon));
                inside ^= at > x;
            }
        }
        inside
    }
}

/// Which side of the line through `a` and `b` the position is on: above 0 left,
/// 0 on it. Exact: differences have 33 bits, products 66.
fn cross(a: Position, b: Position, p: Position) -> i128 {
    let difference = |to: i32, from: i32| i128::from(to) - i128::from(from);
    difference(b.lon, a.lon) * difference(p.lat, a.lat)
        - difference(b.lat, a.lat) * difference(p.lon, a.lon)
}

/// Whether (x, y), which is on the line through both, lies between them.
fn spans(a: Position, b: Position, x: f64, y: f64) -> bool {
    let between = |v: f64, one: i32, other: i32| {
        v >= f64::from(one.min(other)) && v <= f64::from(one.max(other))
    };
    between(x, a.lon, b.lon) && between(y, a.lat, b.lat)
}

/// Appends where the step from `a` to `b` meets the edge from `from` to `to`:
/// one fraction, or two where it runs along it.
fn push_cuts(a: Position, b: Position, from: Position, to: Position, cuts: &mut Vec<f64>) {
    let (of_from, of_to) = (cross(a, b, from), cross(a, b, to));
    if of_from == 0 && of_to == 0 {
        cuts.extend([from, to].map(|end| fraction_of(a, b, end)));
        return;
    }
    if (of_from > 0 && of_to > 0) || (of_from < 0 && of_to < 0) {
        return;
    }
    // Where the edge is cut, as a share of the step: both ends' distances from
    // the edge's line.
    let (of_a, of_b) = (cross(from, to, a), cross(from, to, b));
    if of_a != of_b {
        let fraction = of_a as f64 / (of_a - of_b) as f64;
        if (0.0..=1.0).contains(&fraction) {
            cuts.push(fraction);
        }
    }
}

/// Where `p`, which is on the line of the step, lies on it, held within it.
fn fraction_of(a: Position, b: Position, p: Position) -> f64 {
    let difference = |to: i32, from: i32| f64::from(to) - f64::from(from);
    let (x, y) = (difference(b.lon, a.lon), difference(b.lat, a.lat));
    let along = difference(p.lon, a.lon) * x + difference(p.lat, a.lat) * y;
    (along / (x * x + y * y)).clamp(0.0, 1.0)
}

/// Distance from `p` to the nearest point of the segment, metres.
pub(super) fn distance_to_segment_m(scale: Scale, p: Position, a: Position, b: Position) -> f64 {
    let (ax, ay) = scale.offset_m(p, a);
    let (bx, by) = scale.offset_m(p, b);
    let (dx, dy) = (bx - ax, by - ay);
    let length2 = dx * dx + dy * dy;
    let share = if length2 > 0.0 { (-(ax * dx + ay * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let (x, y) = (ax + share * dx, ay + share * dy);
    (x * x + y * y).sqrt()
}
