//! Which fences a worker starts with: those of its journals, or those that
//! are configured.
//!
//! The configured fences count when they are others than those last taken up,
//! which the journal knows by their hash. Otherwise the journal's newest set
//! stands, with all that was put or deleted over HTTP. Before that, a change
//! that a crash kept from some of the shards is made in those too.

use std::sync::Arc;

use geofence::{FenceSet, TimeMs};

use super::dated::valid_from_now;
use crate::shard::FenceInput;

/// What a recovered shard says of its fences.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Whether the shard ever took anything in.
    pub is_configured: bool,
    /// Its newest set.
    pub set: Arc<FenceSet>,
    /// From when on that judges.
    pub valid_from: TimeMs,
    /// Hash of the configured fences that were last taken up; empty for none.
    pub configured: String,
}

/// What the shards are to take up, in this order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// For each shard, the change that the others have and it lacks.
    pub missed: Vec<Option<FenceInput>>,
    /// For every shard.
    pub configured: Option<FenceInput>,
}

/// Compares the shards with each other and with the fences `configured`. `now`
/// is the receive time of the start.
///
/// # Panics
/// If there is no shard.
#[must_use]
pub fn reconcile(shards: &[Standing], configured: &Arc<FenceSet>, now: TimeMs) -> Plan {
    // A change has a later time than every one before it; of the fences to
    // begin with, only a shard that ever took them up knows.
    let newest = shards
        .iter()
        .max_by_key(|shard| (shard.valid_from, shard.is_configured))
        .expect("a worker has at least one shard");
    let is_behind = |shard: &Standing| shard.set.hash() != newest.set.hash();
    let missed = shards
        .iter()
        .map(|shard| {
            is_behind(shard).then(|| FenceInput {
                set: Arc::clone(&newest.set),
                valid_from: newest.valid_from,
                configured: newest.configured.clone(),
            })
        })
        .collect();

    let none = FenceSet::empty();
    let taken_up = |shard: &Standing| match shard.configured.as_str() {
        "" => none.hash() == configured.hash(),
        hash => hash == configured.hash(),
    };
    let is_new = !newest.is_configured;
    let is_known = shards.iter().filter(|shard| !is_behind(shard)).all(taken_up);
    let change = (!is_known).then(|| FenceInput {
        set: Arc::clone(configured),
        valid_from: if is_new { TimeMs::MIN } else { valid_from_now(newest.valid_from, now) },
        configured: configured.hash().to_owned(),
    });
    Plan { missed, configured: change }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fences::testing::circle;

    const NOW: TimeMs = TimeMs(1_000);

    fn new() -> Standing {
        Standing {
            is_configured: false,
            set: Arc::new(FenceSet::empty()),
            valid_from: TimeMs::MIN,
            configured: String::new(),
        }
    }

    /// A shard that took up `set` at `valid_from`, when `configured` was.
    fn with(set: &Arc<FenceSet>, valid_from: TimeMs, configured: &FenceSet) -> Standing {
        Standing {
            is_configured: true,
            set: Arc::clone(set),
            valid_from,
            configured: configured.hash().to_owned(),
        }
    }

    /// Radius and time of a change.
    fn told(input: Option<&FenceInput>) -> Option<(f64, TimeMs)> {
        let input = input?;
        let area = input.set.fences().first().map_or(0.0, |fence| fence.shape.area_m2());
        Some(((area / std::f64::consts::PI).sqrt().round(), input.valid_from))
    }

    #[test]
    fn new_shards_begin_with_the_configured_fences() {
        let plan = reconcile(&[new(), new()], &circle(50), NOW);
        assert!(plan.missed.iter().all(Option::is_none));
        assert_eq!(told(plan.configured.as_ref()), Some((50.0, TimeMs::MIN)));
        let none = Arc::new(FenceSet::empty());
        assert!(reconcile(&[new()], &none, NOW).configured.is_none());
    }

    #[test]
    fn what_http_made_stands_while_the_configured_fences_are_the_same() {
        let (file, http) = (circle(50), circle(60));
        let plan = reconcile(&[with(&http, TimeMs(500), &file)], &file, NOW);
        assert!(plan.configured.is_none() && plan.missed[0].is_none());
    }

    #[test]
    fn other_configured_fences_count() {
        let (file, http, edited) = (circle(50), circle(60), circle(70));
        let plan = reconcile(&[with(&http, TimeMs(500), &file)], &edited, NOW);
        assert_eq!(told(plan.configured.as_ref()), Some((70.0, NOW)));
        let none = Arc::new(FenceSet::empty());
        let plan = reconcile(&[with(&http, TimeMs(500), &file)], &none, NOW);
        assert_eq!(told(plan.configured.as_ref()), Some((0.0, NOW)));
    }

    #[test]
    fn a_change_never_comes_before_the_one_it_follows() {
        let (file, edited) = (circle(50), circle(70));
        let plan = reconcile(&[with(&file, TimeMs(2_000), &file)], &edited, NOW);
        assert_eq!(told(plan.configured.as_ref()), Some((70.0, TimeMs(2_001))));
    }

    #[test]
    fn a_shard_behind_the_others_catches_up() {
        let (file, http) = (circle(50), circle(60));
        let shards = [with(&file, TimeMs::MIN, &file), with(&http, TimeMs(500), &file)];
        let plan = reconcile(&shards, &file, NOW);
        assert_eq!(told(plan.missed[0].as_ref()), Some((60.0, TimeMs(500))));
        assert!(plan.missed[1].is_none() && plan.configured.is_none());
    }

    #[test]
    fn a_shard_that_began_alone_is_followed() {
        let file = circle(50);
        let plan = reconcile(&[new(), with(&file, TimeMs::MIN, &file)], &file, NOW);
        assert_eq!(told(plan.missed[0].as_ref()), Some((50.0, TimeMs::MIN)));
        assert!(plan.configured.is_none());
    }

    #[test]
    fn configured_fences_that_only_some_shards_recorded_are_taken_up_again() {
        let (old, file) = (circle(40), circle(50));
        let shards = [with(&file, TimeMs(500), &old), with(&file, TimeMs(500), &file)];
        let plan = reconcile(&shards, &file, NOW);
        let change = plan.configured.expect("recorded in all");
        assert_eq!((change.set.hash(), change.configured.as_str()), (file.hash(), file.hash()));
    }
}
