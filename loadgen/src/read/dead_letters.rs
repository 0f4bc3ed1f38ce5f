//! Dead letters of a run, counted, and held against what was sent.

use std::collections::{BTreeMap, HashSet};

use xxhash_rust::xxh3::xxh3_128;

use crate::content::print_of_bytes;

/// Letters with other bytes than were sent that are kept as examples.
const EXAMPLES_MAX: usize = 5;

/// What came so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetters {
    /// Distinct ones, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Those that are there more than once.
    pub repeated: u64,
    /// Distinct ones whose bytes were not sent, or were to be refused for another
    /// reason.
    pub altered: u64,
    /// The first of those.
    pub examples: Vec<Letter>,
    payloads: HashSet<u128>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Why it is one.
    pub reason: String,
    /// The message.
    pub payload: Vec<u8>,
}

impl DeadLetters {
    /// Takes a letter of the run. `was_sent` says whether a message with this print
    /// was sent that is to be refused for this reason.
    pub(super) fn take(
        &mut self,
        reason: &str,
        payload: &[u8],
        was_sent: impl Fn(u32, &str) -> bool,
    ) {
        if !self.payloads.insert(xxh3_128(payload)) {
            self.repeated += 1;
            return;
        }
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
        if was_sent(print_of_bytes(payload), reason) {
            return;
        }
        self.altered += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Letter { reason: reason.to_owned(), payload: payload.to_vec() });
        }
    }
}
