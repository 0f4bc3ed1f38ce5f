//! Fences that match the city: districts, customer sites, depots, gates and
//! toll lines.
//!
//! Their edges meet roads away from crossings and stops, so that at one fix a
//! second the straight line between two fixes shows what the vehicle did. Where
//! fixes are rarer it does not, and that is for the verdict to say.

use std::fmt::Write as _;

use geofence::Position;

use super::city::{City, Node, Road};
use super::driver::{SITE_SHARE, site_of};
use crate::draws::{Draws, key};

/// Share of a road's length at which gates and toll lines are: far from its
/// ends, and from its site.
const GATE_SHARE: f64 = 0.62;

/// GeoJSON of `count` fences with ids such as `site-17`: about half customer
/// sites (circles and squares round where vehicles stop), a quarter districts
/// (polygons, some with a hole), and gates and toll lines of a few metres
/// (small circles and corridors across a road). Each district's `dwell_s` is
/// left to the engine's settings.
#[must_use]
pub fn fences_geojson(city: &City, seed: u64, count: u32) -> String {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[\n");
    for number in 0..count {
        let mut draws = Draws::new(key(seed, "fence", number.into()));
        let (kind, properties, geometry) = match number % 8 {
            0 | 4 => ("district", String::new(), district(city, &mut draws)),
            1 | 5 => {
                let radius_m = draws.within(20, 30);
                let road = site_of(city, seed, number.into());
                let place = city.along(road, SITE_SHARE);
                ("site", format!("\"radius_m\":{radius_m}"), point(place))
            }
            2 | 6 => {
                let road = site_of(city, seed, number.into());
                ("yard", String::new(), square(city, city.along(road, SITE_SHARE), &mut draws))
            }
            3 => {
                let road = city.any_road(&mut draws);
                ("gate", "\"radius_m\":4".into(), point(city.along(road, GATE_SHARE)))
            }
            _ => {
                let road = city.any_road(&mut draws);
                ("toll", "\"half_width_m\":4".into(), across(city, road))
            }
        };
        let comma = if number + 1 < count { "," } else { "" };
        writeln!(
            text,
            "{{\"type\":\"Feature\",\"id\":\"{kind}-{number}\",\"properties\":{{{properties}}},\
             \"geometry\":{geometry}}}{comma}"
        )
        .expect("a String takes every text");
    }
    text.push_str("]}\n");
    text
}

/// A rectangle of 2 to 6 blocks each way, in a small city at most a third of
/// it; each third with a hole of one block.
fn district(city: &City, draws: &mut Draws) -> String {
    let widest = (city.blocks() / 3).clamp(2, 6);
    let (columns, rows) = (size(draws, widest), size(draws, widest));
    let column = draws.below(u64::from(city.blocks() - 1 - columns)) as u16;
    let row = draws.below(u64::from(city.blocks() - 1 - rows)) as u16;
    let node = |east: u16, north: u16| Node { column: column + east, row: row + north };
    let outer = ring(city, node(0, 0), node(columns, rows), false);
    if columns > 2 && rows > 2 && draws.chance(0.33) {
        let hole = ring(city, node(1, 1), node(2, 2), true);
        return format!("{{\"type\":\"Polygon\",\"coordinates\":[{outer},{hole}]}}");
    }
    format!("{{\"type\":\"Polygon\",\"coordinates\":[{outer}]}}")
}

fn size(draws: &mut Draws, widest: u16) -> u16 {
    draws.within(2, i64::from(widest)) as u16
}

/// From the middle of one block to that of another, edges along meridians and
/// parallels, so that a vehicle can stand exactly on one.
fn ring(city: &City, south_west: Node, north_east: Node, clockwise: bool) -> String {
    let (low, high) = (city.middle(south_west), city.middle(north_east));
    let mut corners =
        vec![low, Position { lon: high.lon, ..low }, high, Position { lon: low.lon, ..high }];
    if clockwise {
        corners.reverse();
    }
    corners.push(corners[0]);
    list(&corners)
}

/// 40 to 50 metres each way.
fn square(city: &City, place: Position, draws: &mut Draws) -> String {
    let half_m = draws.within(20, 25) as f64;
    let (lat, lon) =
        ((half_m / city.scale().north_m) as i32, (half_m / city.scale().east_m) as i32);
    let corner = |lat_by: i32, lon_by: i32| Position {
        lat: place.lat + lat_by * lat,
        lon: place.lon + lon_by * lon,
    };
    let ring = [corner(-1, -1), corner(-1, 1), corner(1, 1), corner(1, -1), corner(-1, -1)];
    format!("{{\"type\":\"Polygon\",\"coordinates\":[{}]}}", list(&ring))
}

/// A line of 20 m over a road, square to the grid.
fn across(city: &City, road: Road) -> String {
    let place = city.along(road, GATE_SHARE);
    let (lat, lon) = if road.northward {
        (0, (10.0 / city.scale().east_m) as i32)
    } else {
        ((10.0 / city.scale().north_m) as i32, 0)
    };
    let ends = [
        Position { lat: place.lat - lat, lon: place.lon - lon },
        Position { lat: place.lat + lat, lon: place.lon + lon },
    ];
    format!("{{\"type\":\"LineString\",\"coordinates\":{}}}", list(&ends))
}

fn point(place: Position) -> String {
    format!("{{\"type\":\"Point\",\"coordinates\":{}}}", pair(place))
}

fn list(positions: &[Position]) -> String {
    let pairs: Vec<String> = positions.iter().copied().map(pair).collect();
    format!("[{}]", pairs.join(","))
}

/// Exactly, in decimal: shortest digits that read back as the same unit.
fn pair(p: Position) -> String {
    format!("[{},{}]", p.lon_deg(), p.lat_deg())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fences::Fences;
    use crate::geometry::Region;

    #[test]
    fn fences_are_read_whole_and_of_every_sort() {
        let city = City::new(5, Position::from_degrees(48.0, 11.0).unwrap(), 20);
        let fences = Fences::from_geojson(fences_geojson(&city, 5, 160).as_bytes()).unwrap();
        assert_eq!(fences.all().len(), 160);
        let sort = |name: &str| fences.all().iter().filter(|f| f.id.starts_with(name)).count();
        assert_eq!(["district", "site", "yard", "gate", "toll"].map(sort), [40, 40, 40, 20, 20],);
        let holes = fences.all().iter().filter(|fence| match &fence.region {
            Region::Polygon(_) => geofence_has_hole(&fences_geojson(&city, 5, 160), &fence.id),
            Region::Capsules(_) => false,
        });
        assert!(holes.count() > 3);
    }

    fn geofence_has_hole(text: &str, id: &str) -> bool {
        let line = text.lines().find(|line| line.contains(&format!("\"{id}\""))).unwrap();
        line.contains("],[[") || line.contains("]],[[")
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let city = |seed| City::new(seed, Position::from_degrees(48.0, 11.0).unwrap(), 20);
        let of = |seed| fences_geojson(&city(seed), seed, 40);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
