//! A fence: a named shape with settings of its own.

use std::sync::Arc;

use crate::geojson::write_fence;
use crate::{Schedule, Shape};

/// Longest fence id, characters.
pub const FENCE_ID_CHARS_MAX: usize = 128;

/// What a fence sets for itself; `None` takes the value of the detection
/// settings. Read from a feature's `properties` by these names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FenceSettings {
    /// Dwell thresholds, seconds, rising; empty means no dwell events.
    pub dwell_s: Option<Vec<u32>>,
    /// Outside pings that confirm an exit, 1 to 10.
    pub exit_confirm: Option<u32>,
    /// Shortest stay that counts as an enter, seconds; 0 means any.
    pub min_inside_s: Option<u32>,
}

/// One fence as read: checked and repaired.
#[derive(Clone, Debug, PartialEq)]
pub struct Fence {
    /// 1 to [`FENCE_ID_CHARS_MAX`] characters, none of them a control character.
    pub id: String,
    /// For people; the id where none is given.
    pub name: String,
    /// Sorted, each once, as vehicles may have them
    /// ([`check_tags`](crate::check_tags)). Where vehicles have tags, the fence concerns those
    /// with one of these; with none of these, it concerns all.
    pub tags: Vec<String>,
    /// Its opening hours; without, it is always open.
    pub schedule: Option<Arc<Schedule>>,
    /// Its own settings.
    pub settings: FenceSettings,
    /// What it encloses.
    pub shape: Shape,
}

impl Fence {
    /// Whether another version of this fence means the same to detection:
    /// equal shape, opening hours and settings. Where rings begin, which way
    /// they run and how parts are ordered makes no difference; names neither,
    /// and tags say whom the fence concerns and not what it is.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.schedule == other.schedule
            && self.shape == other.shape
    }

    /// The fence as a GeoJSON feature, repairs made, as in
    /// [`FenceSet::to_canonical_json`](crate::FenceSet::to_canonical_json).
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        write_fence(self)
    }
}
