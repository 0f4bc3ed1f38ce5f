//! What was sent, made again: everything is a function of the seed, so nobody
//! keeps what only examples of a verdict need.

use std::collections::{BTreeSet, HashMap};

use crate::dials::encode_malformed;
use crate::profile::World;
use crate::stream::{Deliveries, Ping, Stream, What};
use crate::traces::Traces;
use crate::truth::Names;
use crate::wire::Encoder;

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

    /// The malformed message that was made from this ping, as an index of its
    /// code, and its bytes.
    pub(super) fn malformed(self, ping: &Ping, names: &Names) -> Option<(usize, Vec<u8>)> {
        let Self::World(World { profile, .. }) = self else { return None };
        let code = profile.malformed.with(profile.seed, ping.vehicle, ping.seq)?;
        let mut encoder = Encoder::new(names.start_ms, &names.prefix);
        Some((code, encode_malformed(code, encoder.fields(ping))))
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
