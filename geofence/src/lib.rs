//! The pure detection core: fences, geometry, index, and the machine that
//! judges each vehicle's pings.
//!
//! No IO, no clock, no async: the same inputs give the same effects, bit for
//! bit, on every machine. Time enters as data, transcendental functions come
//! from `libm` only, and no result depends on the order of a hash map.

pub mod admission;
mod live;
mod ping;
mod position;
mod settings;
mod time;

pub use live::{LivePosition, Status};
pub use ping::{ACCURACY_UNKNOWN_M, Identity, Ping};
pub use position::{E7, Position};
pub use settings::{Profile, Settings};
pub use time::TimeMs;
