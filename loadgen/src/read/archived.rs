//! One row of the archive, wherever it is.

use crate::content::{Content, Difference};

/// Columns of the archive that say what a ping says, and what became of it.
pub(super) const SENT: [&str; 13] = [
    "vehicle_id",
    "seq",
    "disposition",
    "event_time",
    "receive_time",
    "day",
    "lat",
    "lon",
    "accuracy_m",
    "speed_mps",
    "heading_deg",
    "ignition",
    "location",
];

/// Columns of the archive that no ping of a run has anything for.
pub(super) const UNSENT: [&str; 9] = [
    "ping_id",
    "altitude_m",
    "odometer_m",
    "engine_rpm",
    "fuel_percent",
    "battery_percent",
    "driver_id",
    "route_id",
    "trip_id",
];

/// A ping as the archive has it.
#[derive(Clone, Debug)]
pub(super) struct Archived<'r> {
    /// The vehicle, and the number that it gave the ping.
    pub(super) key: (&'r str, i64),
    /// What became of it.
    pub(super) disposition: &'r str,
    /// What it says.
    pub(super) content: Content,
    /// What is in columns that follow from others, or that nothing was sent for,
    /// and must not be.
    pub(super) wrong: Vec<Difference>,
}

/// A row with other content than was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Altered {
    /// Number of the vehicle.
    pub vehicle: u32,
    /// Which of its pings.
    pub seq: u32,
    /// What the row says.
    pub content: Content,
    /// Where the row is wrong whatever was sent.
    pub wrong: Vec<Difference>,
}
