//! A ping as the core sees it: checked, rounded, with its identity.

use smol_str::SmolStr;

use crate::{Position, TimeMs};

/// Accuracy of a ping that reports none, metres (68 % radius).
pub const ACCURACY_UNKNOWN_M: f64 = 10.0;

/// 128-bit hash of all that detection reads of a ping, and of the producer's
/// `ping_id` if there is one. Two pings of one identity are the same ping. It
/// lies where any word does: the alignment of a `u128` would cost what holds it
/// up to half a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
pub struct Identity(pub u128);

/// A position fix that passed admission.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    /// 1 to 64 characters of `[A-Za-z0-9._:-]`. Ids of up to 23 lie here and
    /// not elsewhere in memory.
    pub vehicle_id: SmolStr,
    /// When the device took the fix.
    pub event_time: TimeMs,
    /// When the source was given the ping.
    pub receive_time: TimeMs,
    /// Where.
    pub position: Position,
    /// Says whether two pings are the same.
    pub identity: Identity,
    /// The producer's sequence number; 0 when missing.
    pub seq: u64,
    /// 68 % radius, metres, > 0.
    pub accuracy_m: Option<f64>,
    /// Metres per second, 0 to 100.
    pub speed_mps: Option<f64>,
    /// Degrees clockwise from true north, 0 to 360.
    pub heading_deg: Option<f64>,
    /// Ignition switched on.
    pub ignition: Option<bool>,
    /// Revolutions per minute.
    pub engine_rpm: Option<f64>,
}
