//! What was mended in a fence, or why it cannot be used. Codes are stable;
//! messages say where and what to do.

use crate::ScheduleError;
use crate::shape::RADIUS_M_MAX;

use super::rings::VERTICES_MAX;

/// A remark on one fence of a GeoJSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceNote {
    /// The fence's id, or `feature 7` (counted from 0) where it has none.
    pub fence: String,
    /// Stable code.
    pub code: &'static str,
    /// What, where and what to do. Places are paths into the feature's
    /// `coordinates`, counted from 0, with longitude and latitude.
    pub message: String,
}

/// Why a feature is no fence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("not a Feature with an object `properties` and a `geometry`: {0}")]
    FeatureInvalid(String),
    #[error("no id: give the feature an `id`, or its properties an `id` or a `name`")]
    IdMissing,
    #[error("the id {0}")]
    IdInvalid(String),
    #[error("{count} features have this id (features {places}): ids must differ")]
    IdDuplicate { count: usize, places: String },
    #[error("the feature has no geometry")]
    GeometryMissing,
    #[error(
        "geometry type {0}: a fence is a Polygon, a MultiPolygon, a Point with `radius_m` or a \
         LineString with `half_width_m`"
    )]
    GeometryUnsupported(String),
    #[error("{place}: {problem}")]
    CoordinatesInvalid { place: String, problem: &'static str },
    #[error("{place} ({lon}, {lat}): {problem}")]
    CoordinateOutOfRange { place: String, lon: f64, lat: f64, problem: &'static str },
    #[error("{place}: {distinct} distinct positions, {needed} are needed")]
    TooFewPoints { place: String, distinct: usize, needed: usize },
    #[error("{0} vertices, at most {VERTICES_MAX} are allowed: simplify the fence or split it")]
    TooManyVertices(usize),
    #[error(
        "the rings enclose no area: draw the fence anew, with corners that do not all lie on one line"
    )]
    ZeroArea,
    #[error(
        "{0} goes round a pole: cut it along a meridian (or at ±180) into parts that do not, with \
         the pole as an edge along latitude ±90"
    )]
    RoundAPole(String),
    #[error(
        "`{property}` reaches a pole: draw a Polygon, cut along a meridian into parts, with the pole \
         as an edge along latitude ±90"
    )]
    ReachesAPole { property: &'static str },
    #[error("{0} spans more than the whole Earth in longitude: split it")]
    TooWide(String),
    #[error(
        "too many edges cross or lie above each other to be sorted out: simplify the fence, split \
         it, or draw it anew"
    )]
    NotRepairable,
    #[error("a {geometry} needs `{property}` in its properties, metres")]
    RadiusMissing { geometry: &'static str, property: &'static str },
    #[error(
        "`{property}` is {value}: a number above 0 and at most {RADIUS_M_MAX} metres is needed"
    )]
    RadiusInvalid { property: &'static str, value: String },
    #[error("`{property}` is {value}: {needed} is needed")]
    PropertyInvalid { property: &'static str, value: String, needed: &'static str },
    #[error(transparent)]
    ScheduleInvalid(#[from] ScheduleError),
}

impl Refusal {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::FeatureInvalid(_) => "feature_invalid",
            Self::IdMissing => "id_missing",
            Self::IdInvalid(_) => "id_invalid",
            Self::IdDuplicate { .. } => "id_duplicate",
            Self::GeometryMissing => "geometry_missing",
            Self::GeometryUnsupported(_) => "geometry_unsupported",
            Self::CoordinatesInvalid { .. } => "coordinates_invalid",
            Self::CoordinateOutOfRange { .. } => "coordinate_out_of_range",
            Self::TooFewPoints { .. } => "too_few_points",
            Self::TooManyVertices(_) => "too_many_vertices",
            Self::ZeroArea => "zero_area",
            Self::RoundAPole(_) | Self::ReachesAPole { .. } => "round_a_pole",
            Self::TooWide(_) => "too_wide",
            Self::NotRepairable => "not_repairable",
            Self::RadiusMissing { .. } => "radius_missing",
            Self::RadiusInvalid { .. } => "radius_invalid",
            Self::PropertyInvalid { .. } => "property_invalid",
            Self::ScheduleInvalid(_) => "schedule_invalid",
        }
    }

    pub(super) fn note(&self, fence: &str) -> FenceNote {
        FenceNote { fence: fence.into(), code: self.code(), message: self.to_string() }
    }
}

/// What was mended in a fence that is used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Repair {
    #[error("{0} does not end where it begins: closed")]
    RingClosed(String),
    #[error("{count} positions repeat the one before them, first {place}: removed")]
    RepeatedVertices { count: usize, place: String },
    #[error("{place} has {distinct} distinct positions: this hole is left out")]
    HoleDropped { place: String, distinct: usize },
    #[error(
        "the edge from {place} spans half the Earth: read with positions in between, rounded to 1e-7°"
    )]
    LongEdge { place: String },
    #[error("{ring} crosses itself at {at}{more}: all it goes round is taken as inside")]
    SelfCrossing { ring: String, at: String, more: String },
    #[error("{ring} and {other} cross at {at}{more}: cut there")]
    RingsCross { ring: String, other: String, at: String, more: String },
    #[error("{ring} overlaps another part at {at}: joined with it")]
    PartsOverlap { ring: String, at: String },
    #[error("{ring} encloses nothing at {at} that other edges do not decide: left out there")]
    RingIdle { ring: String, at: String },
    #[error("{ring} goes out and back along one line at {at}: the spike is removed")]
    Spike { ring: String, at: String },
}

impl Repair {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::RingClosed(_) => "ring_closed",
            Self::RepeatedVertices { .. } => "repeated_vertices",
            Self::HoleDropped { .. } => "hole_dropped",
            Self::LongEdge { .. } => "long_edge",
            Self::SelfCrossing { .. } => "self_crossing",
            Self::RingsCross { .. } => "rings_cross",
            Self::PartsOverlap { .. } => "parts_overlap",
            Self::RingIdle { .. } => "ring_idle",
            Self::Spike { .. } => "spike",
        }
    }

    pub(super) fn note(&self, fence: &str) -> FenceNote {
        FenceNote { fence: fence.into(), code: self.code(), message: self.to_string() }
    }
}
