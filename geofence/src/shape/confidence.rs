//! How sure it is that a fix of limited accuracy lies inside: the mass of a
//! Gaussian round the fix that falls into the shape (semantics §5).

use std::f64::consts::{PI, SQRT_2};
use std::sync::LazyLock;

/// A 68 % radius in standard deviations of one axis: √(−2 ln 0.32) = 1.51,
/// as the specification rounds it.
const SIGMAS_IN_RADIUS: f64 = 1.515;
/// Rays of the mean, evenly round.
const RAYS: usize = 64;
/// Standard deviations beyond which nothing adds to the mass (e⁻⁴⁰).
const REACH_SIGMAS: f64 = 9.0;

/// Standard deviation, metres, of a fix with this accuracy.
pub(super) fn sigma_m(accuracy_m: f64) -> f64 {
    accuracy_m / SIGMAS_IN_RADIUS
}

/// How far a ray must see, metres.
pub(super) fn reach_m(sigma_m: f64) -> f64 {
    REACH_SIGMAS * sigma_m
}

/// Whether a shape is so much wider than the fix is blurred that its edge is
/// straight to it.
pub(super) fn is_wide(area_m2: f64, perimeter_m: f64, sigma_m: f64) -> bool {
    area_m2 > 3.0 * sigma_m * perimeter_m
}

/// Mass on the inner side of a straight edge at signed distance `s_m`.
pub(super) fn beside_edge(s_m: f64, sigma_m: f64) -> f64 {
    rounded(0.5 * libm::erfc(-s_m / (sigma_m * SQRT_2)))
}

/// Mass inside, from the stretches inside (metres, disjoint) of each ray.
pub(super) fn over_rays<Stretches>(sigma_m: f64, stretches: impl Fn((f64, f64)) -> Stretches) -> f64
where
    Stretches: IntoIterator<Item = (f64, f64)>,
{
    let beyond = |r_m: f64| libm::exp(-(r_m * r_m) / (2.0 * sigma_m * sigma_m));
    let mass: f64 = DIRECTIONS
        .iter()
        .map(|&direction| {
            stretches(direction).into_iter().map(|(a, b)| beyond(a) - beyond(b)).sum::<f64>()
        })
        .sum();
    rounded(mass / RAYS as f64)
}

/// Of the rays, (east, north).
static DIRECTIONS: LazyLock<[(f64, f64); RAYS]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        let (north, east) = libm::sincos(2.0 * PI * (k as f64 + 0.5) / RAYS as f64);
        (east, north)
    })
});

/// To four decimals, within 0 to 1.
fn rounded(mass: f64) -> f64 {
    ((mass * 1e4).round() / 1e4).clamp(0.0, 1.0) + 0.0
}
