//! A few neighbouring edges side by side in memory, so that what is asked of one
//! is asked of all of them at once.

use std::array;

use super::bounds::Area;
use super::edge::Edge;
use super::parts::Vertex;
use crate::plane::Scale;

/// Edges in a run. An outline of a hundred asks a dozen boxes and one or two
/// runs.
pub(super) const RUN: usize = 8;

/// Edges, each in half the bytes of an [`Edge`]: from its western end, relative to
/// a longitude west of that and less than a turn away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    east_of_origin: [u32; RUN],
    lat: [i32; RUN],
    /// To the other end.
    east: [i32; RUN],
    north: [i32; RUN],
}

impl Run {
    /// Of at most [`RUN`] edges, and of the last one again where they are fewer;
    /// `None` if there are none.
    pub(super) fn of(edges: &[Edge], origin: i64) -> Option<Self> {
        let last = edges.last()?;
        let edge = |lane: usize| edges.get(lane).unwrap_or(last);
        let narrow = |length: i64| i32::try_from(length).expect("less than half a turn");
        Some(Self {
            east_of_origin: array::from_fn(|lane| {
                u32::try_from(edge(lane).west.x - origin).expect("within a turn of the origin")
            }),
            lat: array::from_fn(|lane| narrow(edge(lane).west.y)),
            east: array::from_fn(|lane| narrow(edge(lane).east.x - edge(lane).west.x)),
            north: array::from_fn(|lane| narrow(edge(lane).east.y - edge(lane).west.y)),
        })
    }

    #[inline]
    pub(super) fn edge(&self, lane: usize, origin: i64) -> Edge {
        let west = Vertex {
            x: origin + i64::from(self.east_of_origin[lane]),
            y: i64::from(self.lat[lane]),
        };
        let (east, north) = (i64::from(self.east[lane]), i64::from(self.north[lane]));
        Edge { west, east: Vertex { x: west.x + east, y: west.y + north } }
    }

    /// Not 0 for each edge whose box overlaps `area`, and maybe for one that is a
    /// unit of longitude or two away from it.
    #[inline]
    pub(super) fn overlap(&self, area: &Area) -> [u32; RUN] {
        array::from_fn(|lane| {
            let (lat, north) = (self.lat[lane], self.north[lane]);
            area.overlaps(
                self.east_of_origin[lane],
                self.east[lane],
                lat + north.min(0),
                lat + north.max(0),
            )
        })
    }

    /// Square of the distance to the nearest of the edges in the plane of `scale`,
    /// metres², as [`Edge::distance2_m2`] has it, from a place within half a turn
    /// of all their ends. None of them lies along a pole.
    #[inline]
    pub(super) fn near_distance2_m2(&self, east_of_origin: u32, lat: i32, scale: Scale) -> f64 {
        let mut all = [0.0; RUN];
        self.near_distances2_m2(east_of_origin, lat, scale, &mut all);
        let less = |a: f64, b: f64| if a < b { a } else { b };
        let four: [f64; 4] = array::from_fn(|lane| less(all[lane], all[lane + 4]));
        less(less(four[0], four[2]), less(four[1], four[3]))
    }

    /// The same of each edge. In words of 32 bits, which hold every difference, and
    /// without a branch; into memory and in a function by itself, from which the
    /// compiler sees that edges can be taken side by side.
    #[inline(never)]
    fn near_distances2_m2(
        &self,
        east_of_origin: u32,
        lat: i32,
        scale: Scale,
        distances2_m2: &mut [f64; RUN],
    ) {
        for (lane, distance2_m2) in distances2_m2.iter_mut().enumerate() {
            let east = self.east_of_origin[lane].wrapping_sub(east_of_origin).cast_signed();
            let north = self.lat[lane].wrapping_sub(lat);
            let ax = f64::from(east) * scale.east_m;
            let ay = f64::from(north) * scale.north_m;
            let ex = f64::from(self.east[lane]) * scale.east_m;
            let ey = f64::from(self.north[lane]) * scale.north_m;
            let along = -(ax * ex + ay * ey) / (ex * ex + ey * ey);
            // Of an edge of no length it is no number, which is not above 0.
            let t = if along > 0.0 { along } else { 0.0 };
            let t = if t < 1.0 { t } else { 1.0 };
            let (x, y) = (ax + t * ex, ay + t * ey);
            *distance2_m2 = x * x + y * y;
        }
    }
}
