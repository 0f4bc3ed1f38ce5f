//! A ping as the machine judges it, and as the hot window keeps it.

use std::cmp::Ordering;

use crate::number::Number32;
use crate::{ACCURACY_UNKNOWN_M, Identity, Ping, Position, TimeMs};

/// One position fix in compact form; 32-bit floats keep about seven digits,
/// far more than any receiver has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fix {
    pub(crate) identity: Identity,
    pub(crate) t: TimeMs,
    pub(crate) received: TimeMs,
    pub(crate) seq: u64,
    pub(crate) position: Position,
    /// 68 % radius as reported, metres.
    pub(crate) accuracy: Number32,
    pub(crate) speed_mps: Number32,
    /// Engine on or off, as far as this ping says.
    pub(crate) engine: Option<bool>,
}

/// What of a fix the next one is judged by: when and where it was, and how
/// exactly. State and checkpoints keep no more of the last fix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) t: TimeMs,
    pub(crate) position: Position,
    /// 68 % radius as reported, metres.
    pub(crate) accuracy: Number32,
}

impl Sighting {
    /// 68 % radius, metres, the default where none was reported.
    pub(crate) fn accuracy_m(&self) -> f64 {
        self.accuracy.get().map_or(ACCURACY_UNKNOWN_M, f64::from)
    }
}

impl Fix {
    pub(crate) fn new(ping: &Ping) -> Self {
        Self {
            identity: ping.identity,
            t: ping.event_time,
            received: ping.receive_time,
            seq: ping.seq,
            position: ping.position,
            accuracy: ping.accuracy_m.map(|m| m as f32).into(),
            speed_mps: ping.speed_mps.map(|v| v as f32).into(),
            engine: ping.ignition.or(ping.engine_rpm.map(|rpm| rpm > 0.0)),
        }
    }

    pub(crate) fn sighting(&self) -> Sighting {
        Sighting { t: self.t, position: self.position, accuracy: self.accuracy }
    }

    /// See [`Sighting::accuracy_m`].
    pub(crate) fn accuracy_m(&self) -> f64 {
        self.sighting().accuracy_m()
    }

    /// Whether this fix stands for its vehicle and time rather than `other`
    /// (semantics §1): smaller radius, then larger seq, then larger identity.
    pub(crate) fn wins_over(&self, other: &Self) -> bool {
        let radius = |fix: &Self| fix.accuracy.get().unwrap_or(f32::INFINITY);
        radius(other)
            .total_cmp(&radius(self))
            .then(self.seq.cmp(&other.seq))
            .then(self.identity.cmp(&other.identity))
            == Ordering::Greater
    }
}
