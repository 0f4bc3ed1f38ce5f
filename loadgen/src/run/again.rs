//! What was sent, made again: everything is a function of the seed, so nobody
//! keeps what only examples of a verdict need.

use std::collections::{BTreeSet, HashMap};

use crate::profile::World;
use crate::stream::{Deliveries, Ping, Stream, What};
use crate::traces::Traces;

/// Where the pings of a run come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Again<'r> {
    /// From a world.
    World(&'r World),
    /// From recorded traces.
    Traces(&'r Traces),
    /// From traces that are not at hand.
    Unknown,
}

impl Again<'_> {
    /// Those of these pings, each a vehicle and a seq, that are made again.
    pub(super) fn pings(self, wanted: BTreeSet<(u32, u32)>) -> HashMap<(u32, u32), Ping> {
        if wanted.is_empty() {
            return HashMap::new();
        }
        match self {
            Self::World(world) => find(Stream::new(world), wanted),
            Self::Traces(traces) => find(traces.deliveries(), wanted),
            Self::Unknown => HashMap::new(),
        }
    }
}

fn find(
    mut deliveries: impl Deliveries,
    mut wanted: BTreeSet<(u32, u32)>,
) -> HashMap<(u32, u32), Ping> {
    let mut found = HashMap::new();
    while !wanted.is_empty()
        && let Some(delivery) = deliveries.next(&mut |_| {})
    {
        let key = (delivery.ping.vehicle, delivery.ping.seq);
        if delivery.what == What::Ping && wanted.remove(&key) {
            found.insert(key, delivery.ping);
        }
    }
    found
}
