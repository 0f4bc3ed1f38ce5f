//! The pure detection core: fences, geometry, index, and the machine that
//! judges each vehicle's pings.
//!
//! No IO, no clock, no async: the same inputs give the same effects, bit for
//! bit, on every machine. Time enters as data, transcendental functions come
//! from `libm` only, and no result depends on the order of a hash map.

pub mod admission;
mod fence;
mod fence_set;
mod geojson;
mod index;
mod live;
mod ping;
mod plane;
mod position;
mod settings;
mod shape;
mod time;

pub use fence::{FENCE_ID_CHARS_MAX, Fence, FenceSettings};
pub use fence_set::{DuplicateFence, FenceSet};
pub use geojson::{FenceNote, FencesError, Parsed, parse_fences};
pub use live::{LivePosition, Status};
pub use ping::{ACCURACY_UNKNOWN_M, Identity, Ping};
pub use plane::{Plane, WGS84_A_M, WGS84_E2};
pub use position::{E7, Position};
pub use settings::{Profile, Settings};
pub use shape::{Circle, Corridor, Polygonal, RADIUS_M_MAX, Shape};
pub use time::TimeMs;
