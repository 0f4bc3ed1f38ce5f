//! The live position of a vehicle, as the map shows it (semantics §10).

use crate::{Position, TimeMs};

/// What a vehicle is doing, as far as its pings tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not known to stand.
    Moving,
    /// In a stationary episode.
    Stationary,
    /// Stationary with the engine on, long enough to count.
    Idle,
    /// Silent for longer than it ever is.
    Offline,
}

impl Status {
    /// The field's word for it, as JSON and documents carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Stationary => "stationary",
            Self::Idle => "idle",
            Self::Offline => "offline",
        }
    }
}

/// Newest known state of one vehicle. The newest event time wins, never the
/// order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePosition {
    /// Whose.
    pub vehicle_id: String,
    /// When the position was measured; a time from the future is shown as the
    /// receive time.
    pub event_time: TimeMs,
    /// Where.
    pub position: Position,
    /// 68 % radius, metres.
    pub accuracy_m: Option<f64>,
    /// Degrees clockwise from true north.
    pub heading_deg: Option<f64>,
    /// Metres per second.
    pub speed_mps: Option<f64>,
    /// What it is doing.
    pub status: Status,
    /// Ids of the fences it is in, sorted.
    pub fences: Vec<String>,
    /// Sequence number of the journal segment that changed it last.
    pub seq: u64,
}
