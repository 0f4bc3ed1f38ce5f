//! The files that a configuration names, fences and tags of vehicles, which
//! must all be usable.

use std::sync::Arc;

use geofence::{FenceNote, FenceSet, Parsed};
use tracing::warn;

use crate::config::{Effective, Mistakes};
use crate::fences::{self, Problem};
use crate::pipeline::Configured;
use crate::tags::{self, ConfiguredTags};

/// What they say.
pub(super) struct NamedFiles {
    /// The empty set if none are named; its `refusals` are empty.
    fences: Parsed,
    /// `None` if no file of tags is named.
    tags: Option<ConfiguredTags>,
}

impl NamedFiles {
    /// Reads them.
    ///
    /// # Errors
    /// They cannot be read or used: all that is wrong, where the configuration
    /// names the file.
    pub(super) fn read(effective: &Effective) -> Result<Self, Mistakes> {
        let config = &effective.config;
        let fences = match &config.fences {
            Some(path) => fences::read(path),
            None => Ok(Parsed { set: FenceSet::empty(), repairs: vec![], refusals: vec![] }),
        };
        let tags = config.vehicle_tags.as_deref().map(tags::read).transpose();
        match (fences, tags) {
            (Ok(fences), Ok(tags)) => Ok(Self { fences, tags }),
            (fences, tags) => {
                let of = |key, problems: Option<Vec<Problem>>| {
                    let problems = problems.unwrap_or_default().into_iter();
                    problems.map(move |problem| effective.mistake(key, problem.to_string()))
                };
                let fences = of("fences", fences.err());
                let mistakes = fences.chain(of("vehicle_tags", tags.err())).collect();
                Err(Mistakes::of(mistakes).expect("one of the two is wrong"))
            }
        }
    }

    /// What they say, once the log was told what was mended in them.
    pub(super) fn told(self) -> Configured {
        for FenceNote { fence, code, message } in &self.fences.repairs {
            warn!(fence, code, "{message}");
        }
        Configured { fences: Arc::new(self.fences.set), tags: self.tags }
    }
}
