//! The fences as the truth knows them: read by the engine's own reader, so that
//! own.

use std::collections::BTreeSet;

use geofence::Position;
use serde_json::Value;

use crate::geometry::{Bounds, Capsules, Polygon, Region, Scale};

/// One fence.
#[derive(Clone, Debug, PartialEq)]
pub struct Fence {
    /// Its id.
    pub id: String,
    /// What it encloses.
    pub region: Region,
    /// Dwell thresholds of its own, seconds, rising.
    pub dwell_s: Option<Vec<u32>>,
    /// Outside fixes that confirm an exit, if it sets a number of its own.
    pub exit_confirm: Option<u32>,
    /// Shortest stay that counts as an enter, seconds, if it sets one.
    pub min_inside_s: Option<u32>,
    /// How far outside a fix must be to be decisive, metres, but for its
    /// accuracy (semantics §6): a tenth of the radius of a circle of the same
    /// area, from 20 to 50.
    pub margin_m: f64,
}

/// Why a set of fences cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FencesError {
    /// The document cannot be read.
    #[error(transparent)]
    Unreadable(#[from] geofence::FencesError),
    /// Fences the engine would refuse.
    #[error("{count} fences cannot be used, first {first}; mend them or leave them out")]
    Refused {
        /// How many.
        count: usize,
        /// The first one and what is wrong with it.
        first: String,
    },
    /// A fence that the truth cannot be computed for.
    #[error("fence {0:?} spans half the world or the 180th meridian; leave it out")]
    TooWide(String),
}

/// All fences of a world. Numbers of fences count from 0, by id.
#[derive(Clone, Debug)]
pub struct Fences {
    fences: Vec<Fence>,
    index: Index,
}

impl Fences {
    /// Reads GeoJSON, as the engine does.
    ///
    /// # Errors
    /// What the engine would refuse is refused here too, as a whole: a truth
    /// with other fences than the target's is none.
    pub fn from_geojson(bytes: &[u8]) -> Result<Self, FencesError> {
        let parsed = geofence::parse_fences(bytes)?;
        if let Some(first) = parsed.refusals.first() {
            let count = parsed.refusals.len();
            let first = format!("{}: {}", first.fence, first.message);
            return Err(FencesError::Refused { count, first });
        }
        let canonical: Value = serde_json::from_slice(&parsed.set.to_canonical_json())
            .expect("the canonical form is JSON");
        let features = canonical["features"].as_array().expect("it is a collection");
        let fences: Result<Vec<Fence>, FencesError> = features.iter().map(fence).collect();
        let fences = fences?;
        let index = Index::new(&fences);
        Ok(Self { fences, index })
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> &[Fence] {
        &self.fences
    }

    /// The fence with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> &Fence {
        &self.fences[number as usize]
    }

    /// A place exactly on an edge of each polygon.
    #[must_use]
    pub fn edge_places(&self) -> Vec<Position> {
        let regions = self.fences.iter().map(|fence| &fence.region);
        let of_polygon = |region: &Region| match region {
            Region::Polygon(polygon) => Some(polygon.place_on_edge()),
            Region::Capsules(_) => None,
        };
        regions.filter_map(of_polygon).collect()
    }

    /// Replaces `out` with the numbers, rising, of the fences whose box meets
    /// that of the step from `a` to `b`.
    pub fn near_step(&self, a: Position, b: Position, out: &mut Vec<u32>) {
        let step = Bounds::of_step(a, b);
        out.clear();
        self.index.each_in(&step, |number| out.push(number));
        out.sort_unstable();
        out.dedup();
        out.retain(|&number| self.get(number).region.bounds().meets(&step));
    }
}

fn fence(feature: &Value) -> Result<Fence, FencesError> {
    let id = feature["id"].as_str().expect("canonical fences have ids").to_owned();
    let properties = &feature["properties"];
    let number = |name: &str| properties[name].as_u64().and_then(|n| u32::try_from(n).ok());
    let geometry = &feature["geometry"];
    let coordinates = &geometry["coordinates"];
    let region = match geometry["type"].as_str() {
        Some("Point") => capsules(vec![position(coordinates)], &properties["radius_m"]),
        Some("LineString") => capsules(positions(coordinates), &properties["half_width_m"]),
        Some("Polygon") => polygon(std::slice::from_ref(coordinates)),
        _ => polygon(list(coordinates)),
    };
    let Some(region) = region.filter(|region| !is_too_wide(region)) else {
        return Err(FencesError::TooWide(id));
    };
    let radius_m = (region.area_m2() / std::f64::consts::PI).sqrt();
    Ok(Fence {
        id,
        dwell_s: properties["dwell_s"]
            .as_array()
            .map(|list| list.iter().filter_map(|s| s.as_u64()?.try_into().ok()).collect()),
        exit_confirm: number("exit_confirm"),
        min_inside_s: number("min_inside_s"),
        margin_m: (0.1 * radius_m).clamp(20.0, 50.0),
        region,
    })
}

/// A region cut at the meridian reaches from one side of the world to the
/// other.
fn is_too_wide(region: &Region) -> bool {
    let Bounds { south_west, north_east } = region.bounds();
    i64::from(north_east.lon) - i64::from(south_west.lon) > 1_800_000_000
}

fn polygon(parts: &[Value]) -> Option<Region> {
    let rings = parts.iter().flat_map(list).map(|ring| {
        let mut ring = positions(ring);
        ring.pop();
        ring
    });
    Polygon::new(rings.collect()).map(Region::Polygon)
}

fn capsules(line: Vec<Position>, radius_m: &Value) -> Option<Region> {
    Capsules::new(line, radius_m.as_f64()?).map(Region::Capsules)
}

fn positions(list_of: &Value) -> Vec<Position> {
    list(list_of).iter().map(position).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn position(coordinates: &Value) -> Position {
    let degrees = |axis: usize| coordinates[axis].as_f64().expect("canonical coordinates");
    Position::from_degrees(degrees(1), degrees(0)).expect("canonical coordinates are in range")
}

/// Cells over all fences, and the fences whose box meets each: most steps of a
/// vehicle lie in one or two cells.
#[derive(Clone, Debug)]
struct Index {
    origin: Position,
    /// Size of a cell, units of 1e-7 degree.
    cell: i64,
    columns: i64,
    rows: i64,
    cells: Vec<Vec<u32>>,
}

/// Side of a cell, metres, where that does not make too many.
const CELL_M: f64 = 250.0;
/// Most cells along either axis.
const CELLS_MAX: i64 = 1_000;

impl Index {
    fn new(fences: &[Fence]) -> Self {
        let boxes = fences.iter().map(|fence| fence.region.bounds());
        let Some(all) = boxes.clone().reduce(|one, other| Bounds {
            south_west: Position {
                lat: one.south_west.lat.min(other.south_west.lat),
                lon: one.south_west.lon.min(other.south_west.lon),
            },
            north_east: Position {
                lat: one.north_east.lat.max(other.north_east.lat),
                lon: one.north_east.lon.max(other.north_east.lon),
            },
        }) else {
            let origin = Position { lat: 0, lon: 0 };
            return Self { origin, cell: 1, columns: 0, rows: 0, cells: Vec::new() };
        };
        let wide = i64::from(all.north_east.lon) - i64::from(all.south_west.lon);
        let high = i64::from(all.north_east.lat) - i64::from(all.south_west.lat);
        let wanted = (CELL_M / Scale::at(all.south_west.lat).north_m) as i64;
        let cell = wanted.max(wide.max(high) / CELLS_MAX + 1);
        let (columns, rows) = (wide / cell + 1, high / cell + 1);
        let cells = vec![Vec::new(); (columns * rows) as usize];
        let mut index = Self { origin: all.south_west, cell, columns, rows, cells };
        for (number, bounds) in boxes.enumerate() {
            let covered: BTreeSet<usize> = index.cells_of(&bounds).collect();
            for cell in covered {
                index.cells[cell].push(number as u32);
            }
        }
        index
    }

    fn each_in(&self, bounds: &Bounds, mut take: impl FnMut(u32)) {
        for cell in self.cells_of(bounds) {
            self.cells[cell].iter().copied().for_each(&mut take);
        }
    }

    fn cells_of(&self, bounds: &Bounds) -> impl Iterator<Item = usize> + use<> {
        let place =
            |value: i32, origin: i32| (i64::from(value) - i64::from(origin)).div_euclid(self.cell);
        let column = |p: Position| place(p.lon, self.origin.lon);
        let row = |p: Position| place(p.lat, self.origin.lat);
        let (south_west, north_east) = (bounds.south_west, bounds.north_east);
        let columns = column(south_west).max(0)..=column(north_east).min(self.columns - 1);
        let rows = row(south_west).max(0)..=row(north_east).min(self.rows - 1);
        let width = self.columns;
        rows.flat_map(move |row| columns.clone().map(move |column| (row * width + column) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fences() -> Fences {
        let square = |id: &str, lon: f64| {
            format!(
                r#"{{"type":"Feature","id":"{id}","properties":{{"dwell_s":[60,300]}},"geometry":
                {{"type":"Polygon","coordinates":[[[{lon},50.0],[{e},50.0],[{e},50.01],[{lon},50.01],
                [{lon},50.0]]]}}}}"#,
                e = lon + 0.01
            )
        };
        let circle = r#"{"type":"Feature","id":"c","properties":{"radius_m":50,"exit_confirm":1},
            "geometry":{"type":"Point","coordinates":[10.05,50.005]}}"#;
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{},{},{circle}]}}"#,
            square("b", 10.02),
            square("a", 10.0)
        );
        Fences::from_geojson(text.as_bytes()).unwrap()
    }

    #[test]
    fn fences_are_numbered_by_id_with_their_settings() {
        let fences = fences();
        let ids: Vec<&str> = fences.all().iter().map(|fence| fence.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(fences.get(0).dwell_s, Some(vec![60, 300]));
        assert_eq!(fences.get(2).exit_confirm, Some(1));
        assert_eq!(fences.get(2).margin_m, 20.0);
        assert!((fences.get(0).margin_m - 50.0).abs() < 1.0);
    }

    #[test]
    fn a_step_finds_every_fence_whose_box_it_meets() {
        let fences = fences();
        let at = |lon: f64| Position::from_degrees(50.005, lon).unwrap();
        let mut near = Vec::new();
        for (from, to, expected) in [
            (9.99, 10.001, vec![0]),
            (9.99, 10.06, vec![0, 1, 2]),
            (10.012, 10.018, vec![]),
            (-50.0, -49.0, vec![]),
            (10.051, 10.9, vec![]),
        ] {
            fences.near_step(at(from), at(to), &mut near);
            assert_eq!(near, expected, "{from} to {to}");
        }
    }

    #[test]
    fn what_the_engine_refuses_is_refused() {
        let bad = br#"{"type":"Feature","id":"x","geometry":{"type":"Point","coordinates":[0,0]}}"#;
        assert!(matches!(Fences::from_geojson(bad), Err(FencesError::Refused { count: 1, .. })));
    }
}
