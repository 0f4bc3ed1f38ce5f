//! Ids of events, visits and episodes: 128-bit hashes of what names them,
//! equal on every machine and over every retry.

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
) -> u128 {
    let mut key = KeyBytes::new();
    for part in [tenant, vehicle, kind, rule] {
        key.push_text(part);
    }
    match cause {
        Cause::Ping(identity) => {
            key.push_few([0]);
            key.push_few(identity.0.to_le_bytes());
        }
        Cause::FenceVersion { version, valid_from } => {
            key.push_few([1]);
            key.push_few(version.to_le_bytes());
            key.push_few(valid_from.0.to_le_bytes());
        }
        Cause::Moment(at) => {
            key.push_few([2]);
            key.push_few(at.0.to_le_bytes());
        }
    }
    key.push_few(sequence.to_le_bytes());
    key.hash128()
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

/// Bytes to be hashed, on the stack as long as they are few: to hash a short
/// text in one go costs a fraction of what a hasher's state costs to set up.
pub(crate) struct KeyBytes {
    stack: [u8; STACK_BYTES],
    /// Of those on the stack; past its end once they are on the heap.
    length: usize,
    /// All of them, once they are too many for the stack.
    heap: Vec<u8>,
}

/// Covers names of usual length; what is longer costs an allocation.
const STACK_BYTES: usize = 256;

impl KeyBytes {
    pub(crate) fn new() -> Self {
        Self { stack: [0; STACK_BYTES], length: 0, heap: Vec::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self.stack.get_mut(self.length..).and_then(|free| free.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.push_to_heap(bytes),
        }
    }

    #[cold]
    fn push_to_heap(&mut self, bytes: &[u8]) {
        if self.heap.is_empty() {
            self.heap.extend_from_slice(&self.stack[..self.length]);
            self.length = STACK_BYTES + 1;
        }
        self.heap.extend_from_slice(bytes);
    }

    /// The same for few bytes, whose number the compiler knows: that saves the
    /// call which copying costs else.
    #[inline]
    pub(crate) fn push_few<const N: usize>(&mut self, bytes: [u8; N]) {
        let place = self.stack.get_mut(self.length..).and_then(|free| free.first_chunk_mut());
        match place {
            Some(place) => {
                *place = bytes;
                self.length += N;
            }
            None => self.push_to_heap(&bytes),
        }
    }

    /// The length goes first, so that no two lists of parts run together.
    fn push_text(&mut self, part: &str) {
        self.push_few((part.len() as u64).to_le_bytes());
        self.push(part.as_bytes());
    }

    pub(crate) fn hash128(&self) -> u128 {
        xxh3_128(self.stack.get(..self.length).unwrap_or(&self.heap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::Xxh3;

    #[test]
    fn a_key_is_hashed_whole_wherever_it_lies() {
        for total in [0, 1, STACK_BYTES - 1, STACK_BYTES, STACK_BYTES + 1, 5 * STACK_BYTES] {
            for piece in [1, 7, 100, STACK_BYTES, STACK_BYTES + 1] {
                let bytes: Vec<u8> = (0..total).map(|i| (i * 7) as u8).collect();
                let (mut key, mut hasher) = (KeyBytes::new(), Xxh3::new());
                for part in bytes.chunks(piece) {
                    match <[u8; 7]>::try_from(part) {
                        Ok(few) => key.push_few(few),
                        Err(_) => key.push(part),
                    }
                    hasher.update(part);
                }
                assert_eq!(key.hash128(), hasher.digest128(), "{total} bytes by {piece}");
            }
        }
    }
}
