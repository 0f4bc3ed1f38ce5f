//! The trace context of messages, in and out.
//!
//! A segment records one trace context of its input. What is published for
//! the segment continues it under a span of the segment's own, or begins a
//! trace where the input had none. Both follow from the segment alone, so
//! that a message published again is the same.

use std::collections::HashMap;

use protos::journal::Segment;
use xxhash_rust::xxh3::xxh3_128;

use super::attributes::{GOOGCLIENT_TRACEPARENT, TRACEPARENT};

/// The trace context in the attributes of a message: of Google's clients
/// first, else W3C's own; nothing that is not well formed.
#[must_use]
pub fn traceparent(attributes: &HashMap<String, String>) -> Option<&str> {
    let named = [GOOGCLIENT_TRACEPARENT, TRACEPARENT];
    let mut found = named.iter().filter_map(|name| attributes.get(*name));
    found.find(|value| parts(value).is_some()).map(String::as_str)
}

/// The trace context of what is published for `segment`.
pub(super) fn of_segment(segment: &Segment) -> String {
    let name = format!("{}/{}/{}", segment.journal_id, segment.shard, segment.seq);
    // A hash of 0, which stands for no id, is as good as impossible, and
    // harmless.
    let hash = xxh3_128(name.as_bytes());
    let span = (hash >> 64) as u64 | 1;
    match parts(&segment.traceparent) {
        Some((trace, flags)) => format!("00-{trace}-{span:016x}-{flags}"),
        // Not sampled: nobody recorded what led here.
        None => format!("00-{hash:032x}-{span:016x}-00"),
    }
}

/// Trace id and flags of a `traceparent` of version 00 (W3C Trace Context
/// §3.2).
fn parts(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let well_formed = version == "00"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
        && parts.next().is_none();
    well_formed.then_some((trace, flags))
}

fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|digit| digit != b'0')
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Outbox;
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn googles_attribute_is_read_first_and_nonsense_never() {
        let attributes = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let other = GIVEN.replace("4bf9", "aaaa");
        let both = attributes(&[(TRACEPARENT, &other), (GOOGCLIENT_TRACEPARENT, GIVEN)]);
        assert_eq!(traceparent(&both), Some(GIVEN));
        let nonsense = attributes(&[(TRACEPARENT, &other), (GOOGCLIENT_TRACEPARENT, "00-x")]);
        assert_eq!(traceparent(&nonsense), Some(&other[..]));
        for bad in ["", "01", &GIVEN.to_uppercase(), &format!("{GIVEN}-00"), &"0".repeat(55)] {
            assert_eq!(traceparent(&attributes(&[(TRACEPARENT, bad)])), None, "{bad:?}");
        }
    }

    #[test]
    fn a_segment_continues_the_trace_of_its_input_under_a_span_of_its_own() {
        let segment = |seq, traceparent: &str| Segment {
            journal_id: "j".into(),
            seq,
            traceparent: traceparent.into(),
            ..Segment::default()
        };
        let context = |segment: &Segment| {
            let mut outbox = Outbox::default();
            outbox.continue_trace(of_segment(segment));
            outbox.add(None, |_| {});
            let messages = outbox.messages();
            let [a, b] =
                [TRACEPARENT, GOOGCLIENT_TRACEPARENT].map(|name| &messages[0].attributes[name]);
            assert_eq!(a, b);
            a.clone()
        };
        let first = context(&segment(1, GIVEN));
        assert_eq!(parts(&first), parts(GIVEN), "trace and flags stay");
        assert_ne!(first, GIVEN, "the span is the segment's");
        assert_eq!(first, context(&segment(1, GIVEN)), "published again it is the same");
        assert_ne!(first, context(&segment(2, GIVEN)));
        let own = context(&segment(1, ""));
        assert!(parts(&own).is_some_and(|(_, flags)| flags == "00"), "{own}");
    }
}
