//! Ids of events, visits and episodes: 128-bit hashes of what names them,
//! equal on every machine and over every retry.

use xxhash_rust::xxh3::Xxh3;

use crate::{Identity, TimeMs};

/// What an event hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A ping.
    Ping(Identity),
    /// A version of the fence, in force from this time.
    FenceVersion { version: u32, valid_from: TimeMs },
    /// A moment of a source.
    Moment(TimeMs),
}

/// Id of an event (semantics §4): hash of tenant, vehicle, kind, fence or
/// rule, cause, and sequence within the cause.
pub(crate) fn event_id(
    tenant: &str,
    vehicle: &str,
    kind: &str,
    rule: &str,
    cause: Cause,
    sequence: u32,
) -> u128 {
    let mut hash = Xxh3::new();
    for part in [tenant, vehicle, kind, rule] {
        update_str(&mut hash, part);
    }
    match cause {
        Cause::Ping(identity) => {
            hash.update(&[0]);
            hash.update(&identity.0.to_le_bytes());
        }
        Cause::FenceVersion { version, valid_from } => {
            hash.update(&[1]);
            hash.update(&version.to_le_bytes());
            hash.update(&valid_from.0.to_le_bytes());
        }
        Cause::Moment(at) => {
            hash.update(&[2]);
            hash.update(&at.0.to_le_bytes());
        }
    }
    hash.update(&sequence.to_le_bytes());
    hash.digest128()
}

/// Id that the events of one visit or episode share: hash of what it is and
/// of its first qualifying ping.
pub(crate) fn group_id(
    tenant: &str,
    vehicle: &str,
    what: &str,
    rule: &str,
    first: Identity,
) -> u128 {
    event_id(tenant, vehicle, what, rule, Cause::Ping(first), 0)
}

/// The length goes first, so that no two lists of parts run together.
fn update_str(hash: &mut Xxh3, part: &str) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part.as_bytes());
}
