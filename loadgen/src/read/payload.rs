//! Whose message a payload is: one that was refused, and may be none at all.

use prost::Message as _;
use protos::telemetry::VehiclePing;

use crate::dials::malformed_mark;
use crate::truth::vehicle_number;

/// Whether it is a message of the run whose vehicles' ids begin with `prefix`: a
/// ping of one of them, or a malformed message of the run.
pub(super) fn is_of_run(payload: &[u8], prefix: &str) -> bool {
    let mark = malformed_mark(prefix);
    // Some cannot be decoded, but all have it.
    let is_malformed = payload.windows(mark.len()).any(|bytes| bytes == mark.as_bytes());
    let is_ping = |ping: VehiclePing| vehicle_number(prefix, &ping.vehicle_id).is_some();
    is_malformed || VehiclePing::decode(payload).is_ok_and(is_ping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dials::{CODES, encode_malformed};
    use crate::truth::vehicle_id;

    #[test]
    fn every_message_of_a_run_is_known_and_none_of_another() {
        for (prefix, other) in [("a-", "b-"), ("", "a-"), ("69-", "669-"), ("669-", "69-")] {
            let good = VehiclePing {
                vehicle_id: vehicle_id(prefix, 42),
                seq: Some(7),
                event_time_us: 1,
                ..VehiclePing::default()
            };
            let bad = (0..CODES.len()).map(|code| encode_malformed(code, &good));
            for payload in bad.chain([good.encode_to_vec()]) {
                assert!(is_of_run(&payload, prefix), "{prefix:?}");
                assert!(!is_of_run(&payload, other), "{prefix:?} and {other:?}");
            }
        }
        assert!(!is_of_run(b"", "") && !is_of_run(b"no ping", "a-"));
    }
}
