//! The live position of a vehicle, as the map shows it (semantics §10).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use smol_str::SmolStr;

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

/// Ids of fences. A copy shares them: thousands of positions a second name the
/// same few.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FenceIds(Option<Arc<[Arc<str>]>>);

impl Deref for FenceIds {
    type Target = [Arc<str>];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<T: Into<Arc<str>>> FromIterator<T> for FenceIds {
    fn from_iter<I: IntoIterator<Item = T>>(ids: I) -> Self {
        let mut ids = ids.into_iter().map(Into::into).peekable();
        Self(ids.peek().is_some().then(|| ids.collect()))
    }
}

impl fmt::Debug for FenceIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Newest known state of one vehicle. The newest event time wins, never the
/// order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePosition {
    /// Whose; ids of up to 23 characters lie here and not elsewhere in memory.
    pub vehicle_id: SmolStr,
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
    pub fences: FenceIds,
    /// Sequence number of the journal segment that changed it last.
    pub seq: u64,
}
