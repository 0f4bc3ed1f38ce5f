//! What becomes of a change of the tags of vehicles.

use std::collections::BTreeMap;

use crate::TimeMs;

/// Longest tag, characters.
pub const TAG_CHARS_MAX: usize = 64;
/// Tags that one vehicle may have.
pub const VEHICLE_TAGS_MAX: usize = 32;

/// Tags of vehicles, in force from some time on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChanges {
    /// Tags by vehicle id; each list is sorted and holds each tag once.
    pub vehicles: BTreeMap<String, Vec<String>>,
    /// Whether vehicles that are not listed have no tags from then on;
    /// otherwise they keep theirs.
    pub is_whole: bool,
}

/// What became of [`Input::Tags`](crate::Input::Tags).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOutcome {
    /// They decide from their `valid_from` on.
    TakenUp,
    /// The vehicles have these tags already: no event.
    Unchanged,
    /// They cannot decide from then on; nothing changed.
    Refused(TagRefusal),
}

/// Why tags cannot decide from the time asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagRefusal {
    /// The tags of a vehicle follow each other in time.
    #[error(
        "the newest tags of vehicle {vehicle_id:?} are valid from the same time or a later one"
    )]
    NotAfter {
        /// The vehicle.
        vehicle_id: String,
        /// When its newest tags came into force.
        newest: TimeMs,
    },
    /// What was decided then is final.
    #[error(
        "it would change what is final for vehicle {vehicle_id:?}, whose hot window begins later"
    )]
    BehindHotWindow {
        /// The vehicle whose hot window begins last.
        vehicle_id: String,
        /// Where that begins: the earliest time that no vehicle refuses.
        hot_from: TimeMs,
    },
    /// Tags are not announced.
    #[error("tags cannot be dated ahead")]
    Ahead {
        /// The receive clock.
        now: TimeMs,
    },
}

/// Whether `tag` can be one, of a vehicle or of a fence: 1 to
/// [`TAG_CHARS_MAX`] characters, none of them a control character.
pub(crate) fn is_tag(tag: &str) -> bool {
    (1..=TAG_CHARS_MAX).contains(&tag.chars().count()) && !tag.chars().any(char::is_control)
}

/// Puts the tags of a vehicle in order: sorted, each once.
///
/// # Errors
/// In words: an empty tag, one of more than [`TAG_CHARS_MAX`] characters or
/// with a control character, or more than [`VEHICLE_TAGS_MAX`] of them.
pub fn check_tags(mut tags: Vec<String>) -> Result<Vec<String>, String> {
    if let Some(tag) = tags.iter().find(|tag| !is_tag(tag)) {
        return Err(format!(
            "the tag {tag:?} is none: 1 to {TAG_CHARS_MAX} characters without control characters \
             are needed"
        ));
    }
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > VEHICLE_TAGS_MAX {
        return Err(format!("{} tags, at most {VEHICLE_TAGS_MAX} are allowed", tags.len()));
    }
    Ok(tags)
}
