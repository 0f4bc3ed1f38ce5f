//! The share of a fix's probability that is inside.

use geofence::{Plane, Position, Shape};

use crate::support::{at, corridor, multi, polygon, ring};

/// The mass of a Gaussian by summing over a fine polar grid of positions.
fn mass_by_sampling(shape: &Shape, p: Position, accuracy_m: f64) -> f64 {
    let sigma_m = accuracy_m / 1.515;
    let plane = Plane::at(p);
    let (east_m, _) = plane.offset_m(Position { lon: p.lon + 10_000, ..p });
    let (_, north_m) = plane.offset_m(Position { lat: p.lat + 10_000, ..p });
    let mut mass = 0.0;
    for k in 0..64 {
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * (f64::from(k) + 0.5) / 64.0);
        for ring in 0..2_000 {
            let (a, b) = (f64::from(ring) * 0.003 * sigma_m, f64::from(ring + 1) * 0.003 * sigma_m);
            let r = (a + b) / 2.0;
            let lon = f64::from(p.lon) + r * cos / east_m * 10_000.0;
            let lat = f64::from(p.lat) + r * sin / north_m * 10_000.0;
            if shape.contains(Position { lon: lon.round() as i32, lat: lat.round() as i32 }) {
                let beyond = |r: f64| libm::exp(-r * r / (2.0 * sigma_m * sigma_m));
                mass += (beyond(a) - beyond(b)) / 64.0;
            }
        }
    }
    mass
}

#[test]
fn confidence_is_the_mass_that_sampling_finds() {
    let strip = polygon(&format!(
        "[{},{}]",
        ring(30.0, 49.9995, 30.01, 50.0005),
        ring(30.004, 49.9999, 30.006, 50.0001)
    ));
    let islands = multi(&format!(
        "[[{}],[{}]]",
        ring(30.0, 50.0, 30.0004, 50.0004),
        ring(30.0006, 50.0, 30.001, 50.0004)
    ));
    let seam = multi(&format!(
        "[[{}],[{}]]",
        ring(179.9995, -17.0, 180.0, -16.9995),
        ring(-180.0, -17.0, -179.9995, -16.9995)
    ));
    let bent = corridor("[[30,50],[30.001,50],[30.001,50.001],[30,50.0005]]", 15.0);
    let world_band = polygon("[[[-180,0],[180,0],[180,0.0005],[-180,0.0005],[-180,0]]]");
    let cases = [
        ("strip, in its hole", &strip, at(30.005, 50.0), 200.0),
        ("strip, beside its hole", &strip, at(30.0035, 50.0), 150.0),
        ("on a corner", &strip, at(30.0, 50.0005), 100.0),
        ("between islands", &islands, at(30.0005, 50.0002), 60.0),
        ("on an island's edge", &islands, at(30.0004, 50.0001), 60.0),
        ("on the antimeridian", &seam, at(180.0, -16.9998), 60.0),
        ("on the antimeridian, from the east", &seam, at(-180.0, -16.9998), 60.0),
        ("a bent corridor", &bent, at(30.0008, 50.0003), 80.0),
        ("outside a bent corridor", &bent, at(30.0, 50.00025), 80.0),
        ("a band round the world, at its seam", &world_band, at(180.0, 0.0003), 150.0),
        ("a band round the world", &world_band, at(77.0, -0.0001), 150.0),
    ];
    for (name, shape, p, accuracy_m) in cases {
        let (found, sampled) =
            (shape.confidence(p, accuracy_m), mass_by_sampling(shape, p, accuracy_m));
        assert!((found - sampled).abs() < 2e-3, "{name}: {found} {sampled}");
        assert!(found > 0.01 && found < 0.99, "{name} is no test: {found}");
    }
}
