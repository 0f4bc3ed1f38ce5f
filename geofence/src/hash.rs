//! Ids of events, visits and episodes: 128-bit hashes of what names them,
//! equal on every machine and over every retry.

use std::mem;

use protos::events::Id;
use xxhash_rust::xxh3::xxh3_128;

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
) -> Id {
    let parts = [tenant, vehicle, kind, rule];
    let bytes_max = parts.map(str::len).iter().sum::<usize>() + EVENT_NUMBERS_BYTES_MAX;
    Id::new(hash_key(bytes_max, |key| {
        for part in parts {
            // The length goes first, so that no two lists of parts run together.
            key.push((part.len() as u64).to_le_bytes());
            key.push_bytes(part.as_bytes());
        }
        match cause {
            Cause::Ping(identity) => {
                key.push([0]);
                key.push(identity.0.to_le_bytes());
            }
            Cause::FenceVersion { version, valid_from } => {
                key.push([1]);
                key.push(version.to_le_bytes());
                key.push(valid_from.0.to_le_bytes());
            }
            Cause::Moment(at) => {
                key.push([2]);
                key.push(at.0.to_le_bytes());
            }
        }
        key.push(sequence.to_le_bytes());
    }))
}

/// Of an event's key, all but its texts: their four lengths, the cause with its
/// kind, and the sequence.
const EVENT_NUMBERS_BYTES_MAX: usize = 4 * 8 + 17 + 4;

/// Id that the events of one visit or episode share: hash of what it is and
/// of its first qualifying ping.
pub(crate) fn group_id(tenant: &str, vehicle: &str, what: &str, rule: &str, first: Identity) -> Id {
    event_id(tenant, vehicle, what, rule, Cause::Ping(first), 0)
}

/// Hash of the bytes that `write` writes, which are at most `bytes_max`. They
/// lie on the stack as long as they are few: to hash a short text in one go
/// costs a fraction of what a hasher's state costs to set up.
#[inline(always)]
pub(crate) fn hash_key(bytes_max: usize, write: impl FnOnce(&mut Key<'_>)) -> u128 {
    let mut stack = [0; STACK_BYTES];
    let mut heap = Vec::new();
    let place = if bytes_max <= STACK_BYTES {
        &mut stack[..]
    } else {
        heap.resize(bytes_max, 0);
        &mut heap[..]
    };
    let mut key = Key { free: &mut *place };
    write(&mut key);
    let unused = key.free.len();
    xxh3_128(&place[..place.len() - unused])
}

/// Covers names of usual length; what is longer costs an allocation.
const STACK_BYTES: usize = 256;

/// A key while it is written.
pub(crate) struct Key<'a> {
    /// Where its next bytes go.
    free: &'a mut [u8],
}

impl Key<'_> {
    /// Appends bytes whose number the compiler knows: that saves the call which
    /// copying costs else.
    #[inline(always)]
    pub(crate) fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let free = mem::take(&mut self.free);
        let (place, free) = free.split_first_chunk_mut().expect(ROOM);
        *place = bytes;
        self.free = free;
    }

    /// Appends a byte that says whether there is a number, and then it.
    #[inline(always)]
    pub(crate) fn push_if_any<const N: usize>(&mut self, number: Option<[u8; N]>) {
        // Asked for both at once.
        assert!(self.free.len() > N, "{ROOM}");
        self.push([u8::from(number.is_some())]);
        if let Some(bytes) = number {
            self.push(bytes);
        }
    }

    /// Appends any number of bytes.
    #[inline(always)]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        let (place, free) = mem::take(&mut self.free).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        self.free = free;
    }
}

const ROOM: &str = "a key is not longer than was said";

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::Xxh3;

    #[test]
    fn an_event_id_is_the_hash_of_what_the_event_hangs_on() {
        let at = TimeMs(1_700_000_000_123);
        let fences = Cause::FenceVersion { version: 3, valid_from: at };
        let causes = [
            (Cause::Ping(Identity(5)), [&[0][..], &5_u128.to_le_bytes()].concat()),
            (fences, [&[1][..], &3_u32.to_le_bytes(), &at.0.to_le_bytes()].concat()),
            (Cause::Moment(at), [&[2][..], &at.0.to_le_bytes()].concat()),
        ];
        for (cause, cause_bytes) in causes {
            for tenant in [String::new(), "acme".into(), "x".repeat(STACK_BYTES)] {
                let mut key = Vec::new();
                for part in [&tenant, "bus-1", "dwell", "depot"] {
                    key.extend((part.len() as u64).to_le_bytes());
                    key.extend(part.as_bytes());
                }
                key.extend(&cause_bytes);
                key.extend(9_u32.to_le_bytes());
                let id = event_id(&tenant, "bus-1", "dwell", "depot", cause, 9);
                assert_eq!(id, Id::new(xxh3_128(&key)), "{cause:?} of {tenant:?}");
            }
        }
    }

    #[test]
    fn a_key_is_hashed_whole_wherever_it_lies() {
        for total in [0, 1, STACK_BYTES - 1, STACK_BYTES, STACK_BYTES + 1, 5 * STACK_BYTES] {
            for piece in [1, 7, 100, STACK_BYTES, STACK_BYTES + 1] {
                let bytes: Vec<u8> = (0..total).map(|i| (i * 7) as u8).collect();
                let mut hasher = Xxh3::new();
                let hash = hash_key(total, |key| {
                    for part in bytes.chunks(piece) {
                        match <[u8; 7]>::try_from(part) {
                            Ok(few) => key.push(few),
                            Err(_) => key.push_bytes(part),
                        }
                        hasher.update(part);
                    }
                });
                assert_eq!(hash, hasher.digest128(), "{total} bytes by {piece}");
            }
        }
    }
}
