//! The pure detection core: fences, geometry, index, and the machine that
//! judges each vehicle's pings.
//!
//! No IO, no clock, no async: the same inputs give the same effects, bit for
//! bit, on every machine. Time enters as data, transcendental functions come
//! from `libm` only, and no result depends on the order of a hash map.

pub mod admission;
mod ahead;
mod assignment;
mod assumed;
mod cells;
mod chunks;
mod decided;
mod detector;
mod effects;
mod epoch;
mod fence;
mod fence_change;
mod fence_set;
mod fences;
mod fix;
mod geojson;
mod hash;
mod id_prefix;
mod index;
mod input;
mod intake;
mod lists;
mod live;
mod liveness;
mod machine;
mod number;
mod order;
mod overdue;
mod ping;
mod plane;
mod position;
mod remaining;
mod roster;
mod schedule;
mod settings;
mod settling;
mod shape;
mod shown;
mod silence;
mod slots;
mod sources;
pub mod spelling;
mod state;
mod tag_change;
mod threads;
mod time;
mod timeline;
mod touched;
pub mod trace;
mod vehicle;
mod vehicle_index;
mod window;
mod world;

pub use detector::{CORE_VERSION, DISPOSITION_NAMES, Detector, disposition_name, is_disposition};
pub use effects::{Counters, Disposition, Effects, Outcome};
pub use epoch::FenceEpoch;
pub use fence::{FENCE_ID_CHARS_MAX, Fence, FenceSettings};
pub use fence_change::{FenceHistory, FenceOutcome, FenceRefusal, FenceVersion};
pub use fence_set::{DuplicateFence, FenceSet};
pub use fences::Fences;
pub use geojson::{FenceNote, FencesError, FencesRead, FencesReader, Parsed, parse_fences};
pub use input::{Input, PingRun, SourceState};
pub use live::{FenceIds, LivePosition, Status};
pub use order::order_key;
pub use ping::{ACCURACY_UNKNOWN_M, Identity, Ping};
pub use plane::{Plane, WGS84_A_M, WGS84_E2};
pub use position::{E7, Position};
pub use schedule::{Schedule, ScheduleError};
pub use settings::{OnSilence, Profile, Settings};
pub use shape::{Circle, Corridor, Polygonal, RADIUS_M_MAX, Shape};
pub use state::{Captured, StateError};
pub use tag_change::{
    TAG_CHARS_MAX, TagChanges, TagOutcome, TagRefusal, VEHICLE_TAGS_MAX, check_tags,
};
pub use time::TimeMs;
