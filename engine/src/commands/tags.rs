//! Reading the tags of vehicles that a configuration names.

use crate::config::{Effective, Mistakes};
use crate::fences::Problem;
use crate::tags::{self, ConfiguredTags};

/// The tags that the configuration names; `None` if it names none.
///
/// # Errors
/// The file cannot be read or used: all that is wrong with it.
pub(super) fn load(effective: &Effective) -> Result<Option<ConfiguredTags>, Mistakes> {
    let Some(path) = &effective.config.vehicle_tags else { return Ok(None) };
    tags::read(path).map(Some).map_err(|problems| {
        let mistake = |problem: &Problem| effective.mistake("vehicle_tags", problem.to_string());
        Mistakes::of(problems.iter().map(mistake).collect()).expect("there is a problem")
    })
}
