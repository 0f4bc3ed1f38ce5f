//! The world that vehicles drive in: a city of streets and arterials, fences
//! to match, and drivers with errands.
//!
//! Everything is a function of the seed. Nothing here knows of pings, of the
//! engine or of a clock: times are milliseconds since the start of the run.

mod city;
mod driver;
mod places;

pub use city::{City, Node, Road};
pub use driver::{Driver, Errands, Leg, Role, StopTimes};
pub use places::fences_geojson;
