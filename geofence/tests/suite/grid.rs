//! How the figures of a suite, which are drawn on a plane of any extent, come
//! onto the grid of 1e-7 degrees.
//!
//! Each case is moved and scaled as a whole, by whole units a unit of its own,
//! so that no coordinate is rounded and its verdict carries over; done several
//! ways, so that it also holds across the antimeridian and against a pole.

use geofence::Position;

use super::wkt::{Coordinate, Geometry, Line, Number};

/// 1e-7 degrees in a degree and in a turn.
const DEGREE: i128 = 10_000_000;
const TURN: i128 = 360 * DEGREE;
/// The room a case may take up on either axis, which leaves no edge a choice
/// of ways round the Earth.
const ROOM: i128 = 170 * DEGREE;

/// Where a case is put, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// North-east of 10° E, 50° N, as small as the grid allows: mostly one
    /// unit of the case is one of the grid.
    Fine,
    /// Half on each side of the antimeridian, 100 times that size.
    Antimeridian,
    /// Up against the North Pole, 1,000 times that size.
    Pole,
    /// Round 0° N, 0° E, as large as a power of ten makes it.
    Coarse,
}

pub const SITES: [Site; 4] = [Site::Fine, Site::Antimeridian, Site::Pole, Site::Coarse];

/// A corner on the grid, longitude not wrapped.
pub type Corner = (i64, i64);

/// Coordinates times `scale` / 10^`decimals`, moved by `by`.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    scale: i128,
    decimals: u32,
    by: (i128, i128),
}

impl Placement {
    /// The way to `site` for all of `geometries`; `None` where they have no
    /// room there without being rounded, or are not finite.
    pub fn new(site: Site, geometries: &[&Geometry]) -> Option<Self> {
        let all: Vec<Coordinate> = geometries.iter().flat_map(|g| g.coordinates()).collect();
        let decimals = all.iter().flatten().map(|n| n.map_or(0, |d| d.decimals)).max()?;
        let mut unit = Self { scale: 10_i128.pow(decimals), decimals, by: (0, 0) };
        let corners: Vec<(i128, i128)> =
            all.iter().map(|c| unit.apply(c)).collect::<Option<_>>()?;
        let span = |axis: fn(&(i128, i128)) -> i128| {
            let values = corners.iter().map(axis);
            Some((values.clone().min()?, values.max()?))
        };
        let ((west, east), (south, north)) = (span(|c| c.0)?, span(|c| c.1)?);

        let extent = (east - west).max(north - south).max(1);
        let mut size = match site {
            Site::Fine => 1,
            Site::Antimeridian => 100,
            Site::Pole => 1_000,
            Site::Coarse => 10_i128.pow((ROOM / extent).checked_ilog10()?),
        };
        while size > 1 && size * extent > ROOM {
            size /= 10;
        }
        let room = if site == Site::Fine { 39 * DEGREE } else { ROOM };
        if size * extent > room {
            return None;
        }
        unit.scale *= size;
        let (west, east, south, north) = (west * size, east * size, south * size, north * size);
        let (middle_x, middle_y) = ((west + east) / 2, (south + north) / 2);
        unit.by = match site {
            Site::Fine => (10 * DEGREE - west, 50 * DEGREE - south),
            Site::Antimeridian => (TURN / 2 - middle_x, -middle_y),
            Site::Pole => (-100 * DEGREE - west, 90 * DEGREE - north),
            Site::Coarse => (-middle_x, -middle_y),
        };
        Some(unit)
    }

    fn apply(&self, at: &Coordinate) -> Option<(i128, i128)> {
        let axis = |i: usize, by: i128| {
            let number = at[i]?;
            let finer = 10_i128.pow(self.decimals - number.decimals);
            Some(number.mantissa * finer * self.scale / 10_i128.pow(self.decimals) + by)
        };
        Some((axis(0, self.by.0)?, axis(1, self.by.1)?))
    }

    /// Where a coordinate of the case comes to lie.
    pub fn corner(&self, at: &Coordinate) -> Corner {
        let (x, y) = self.apply(at).unwrap();
        (x as i64, y as i64)
    }

    pub fn line(&self, line: &Line) -> Vec<Corner> {
        line.iter().map(|at| self.corner(at)).collect()
    }

    /// The rings of each part.
    pub fn rings(&self, parts: &[Vec<Line>]) -> Vec<Vec<Vec<Corner>>> {
        parts.iter().map(|rings| rings.iter().map(|r| self.line(r)).collect()).collect()
    }

    /// Areas as a GeoJSON geometry.
    pub fn geojson(&self, multi: bool, parts: &[Vec<Line>]) -> String {
        geojson(multi, parts, |at| degrees(self.corner(at)))
    }
}

/// Areas as a GeoJSON geometry, each unit a degree, for those that have no
/// place on the grid; what is no number is null.
pub fn geojson_as_drawn(multi: bool, parts: &[Vec<Line>]) -> String {
    let number = |n: Number| n.map_or("null".into(), |d| format!("{}e-{}", d.mantissa, d.decimals));
    geojson(multi, parts, |[x, y]| format!("[{},{}]", number(*x), number(*y)))
}

fn geojson(multi: bool, parts: &[Vec<Line>], place: impl Fn(&Coordinate) -> String) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let ring = |ring: &Line| list(ring.iter().map(&place).collect());
    let parts: Vec<String> =
        parts.iter().map(|part| list(part.iter().map(ring).collect())).collect();
    if multi {
        return format!(r#"{{"type":"MultiPolygon","coordinates":{}}}"#, list(parts));
    }
    format!(r#"{{"type":"Polygon","coordinates":{}}}"#, parts[0])
}

/// A corner as a position, within ±180°.
pub fn position((x, y): Corner) -> Position {
    let turn = TURN as i64;
    let lon = if x > turn / 2 { x - turn } else { x };
    Position { lat: y.try_into().unwrap(), lon: lon.try_into().unwrap() }
}

/// A corner as GeoJSON, exactly.
fn degrees(corner: Corner) -> String {
    let Position { lat, lon } = position(corner);
    let exact = |units: i32| {
        let (sign, size) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
        format!("{sign}{}.{:07}", size / 10_000_000, size % 10_000_000)
    };
    format!("[{},{}]", exact(lon), exact(lat))
}
