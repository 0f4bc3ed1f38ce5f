//! What leaves the core, as data.

use std::collections::BTreeMap;

use protos::events::FleetEvent;

pub use protos::journal::Disposition;

use crate::{FenceOutcome, Identity, LivePosition, TagOutcome};

/// What became of one ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Archived, with what detection made of it.
    Archived {
        /// How it counts.
        disposition: Disposition,
        /// The ping of the same vehicle and time whose place it took.
        supersedes: Option<Identity>,
    },
    /// Known already: no effect, not archived again.
    Duplicate,
    /// Refused: the shard holds as many vehicles as it may.
    VehicleLimit,
}

/// Everything one `apply` wants done. Nothing of it may leave before the
/// segment that records the apply is durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// One for each ping of the input, in order.
    pub outcomes: Vec<Outcome>,
    /// One for each fence set of the input, in order.
    pub fences: Vec<FenceOutcome>,
    /// One for each change of tags of the input, in order.
    pub tags: Vec<TagOutcome>,
    /// Event operations in the order of semantics §6, vehicles interleaved by
    /// event time.
    pub events: Vec<FleetEvent>,
    /// Vehicles whose live position, status or fences changed, by vehicle id.
    pub positions: Vec<LivePosition>,
    /// What happened how often; keys are stable names. Refusals of a rule
    /// (`exit_void`, `pending_voided`, `stay_too_short`, `teleport`,
    /// `cross_gap`, `cross_too_fast`) are counted when a ping is first judged
    /// in order of time; judging again for a late ping counts none.
    pub counters: Counters,
}

/// Counts by stable name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Adds `n` to the count of `name`.
    pub fn add(&mut self, name: &'static str, n: u64) {
        if n > 0 {
            *self.0.entry(name).or_default() += n;
        }
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, n) in other.iter() {
            self.add(name, n);
        }
    }

    /// All counts above zero, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, n)| (*name, *n))
    }

    /// The count of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}
