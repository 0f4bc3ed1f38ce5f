//! Messages that are no pings, one for each way in which the engine refuses
//! them.

use prost::Message;
use protos::telemetry::VehiclePing;
use serde::{Deserialize, Serialize};

use crate::draws::{Draws, key};

/// `[malformed]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Malformed {
    /// Malformed messages for each ping.
    pub share: f64,
}

/// The codes they are refused with. Each is sent as often as any other.
pub const CODES: [&str; 10] = [
    "undecodable",
    "event_time_missing",
    "too_large",
    "vehicle_id_empty",
    "vehicle_id_too_long",
    "vehicle_id_bad_character",
    "number_not_finite",
    "lat_out_of_range",
    "lon_out_of_range",
    "null_island",
];

/// More than a message may have.
const TOO_LARGE_BYTES: usize = 64 * 1024;
/// Large ones are rarer: they would be most of the bytes of a run.
const TOO_LARGE_OF: u64 = 20;

impl Malformed {
    /// The code of the malformed message that goes with a fix, as an index of
    /// [`CODES`], if there is one.
    #[must_use]
    pub fn with(&self, seed: u64, vehicle: u32, seq: u32) -> Option<usize> {
        if self.share == 0.0 {
            return None;
        }
        let id = u64::from(vehicle) << 32 | u64::from(seq);
        let mut draws = Draws::new(key(seed, "malformed", id));
        if !draws.chance(self.share) {
            return None;
        }
        let code = draws.below(CODES.len() as u64) as usize;
        let large = CODES[code] == "too_large";
        Some(if large && draws.below(TOO_LARGE_OF) > 0 { 0 } else { code })
    }
}

/// What the name of a malformed message begins with that is made from a ping of
/// a vehicle whose id begins with `prefix`.
#[must_use]
pub fn malformed_mark(prefix: &str) -> String {
    format!("bad-{prefix}v")
}

/// The bytes of a message that is refused with `CODES[code]`. `ping` is a good
/// ping, whose vehicle and number name the message: it is another one than any
/// other, of this run or of one before.
#[must_use]
pub fn encode(code: usize, ping: &VehiclePing) -> Vec<u8> {
    let name = format!("bad-{}-{}", ping.vehicle_id, ping.seq.unwrap_or(0));
    let mut bad = VehiclePing { ping_id: Some(name.clone()), ..ping.clone() };
    match CODES[code] {
        "undecodable" => {
            // A text that says it is longer than it is.
            let mut bytes = vec![0x0A, 0xFF, 0x7F];
            bytes.extend(name.bytes());
            return bytes;
        }
        "event_time_missing" => bad.event_time_us = 0,
        "too_large" => bad.trip_id = Some("x".repeat(TOO_LARGE_BYTES)),
        "vehicle_id_empty" => bad.vehicle_id.clear(),
        "vehicle_id_too_long" => bad.vehicle_id = "v".repeat(65),
        "vehicle_id_bad_character" => bad.vehicle_id = "a b".into(),
        "number_not_finite" => bad.speed_mps = Some(f64::NAN),
        "lat_out_of_range" => bad.lat = 91.0,
        "lon_out_of_range" => bad.lon = -181.0,
        _ => (bad.lat, bad.lon) = (0.0, 0.0),
    }
    bad.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use geofence::{TimeMs, admission};
    use protos::PingView;

    #[test]
    fn each_is_refused_with_its_code() {
        let good = VehiclePing {
            vehicle_id: "a-v1".into(),
            seq: Some(17),
            event_time_us: 1,
            lat: 1.0,
            lon: 1.0,
            ..VehiclePing::default()
        };
        for (code, name) in CODES.into_iter().enumerate() {
            let bytes = encode(code, &good);
            assert_eq!(bytes.len() > TOO_LARGE_BYTES, name == "too_large");
            for other in [
                VehiclePing { seq: Some(18), ..good.clone() },
                VehiclePing { vehicle_id: "b-v1".into(), ..good.clone() },
            ] {
                assert_ne!(bytes, encode(code, &other), "{name}");
            }
            let Ok(ping) = VehiclePing::decode(bytes.as_slice()) else {
                assert_eq!(name, "undecodable");
                continue;
            };
            match admission::admit(&PingView::from(&ping), TimeMs(0), false) {
                Err(reject) => assert_eq!(reject.code(), name),
                Ok(_) => assert!(name == "too_large" || ping.event_time_us == 0, "{name}"),
            }
        }
    }

    #[test]
    fn all_codes_come_up() {
        let malformed = Malformed { share: 0.5 };
        let sent: Vec<usize> = (0..20_000).filter_map(|seq| malformed.with(1, 2, seq)).collect();
        assert!((9_500..10_500).contains(&sent.len()));
        for (code, name) in CODES.into_iter().enumerate() {
            assert!(sent.contains(&code), "{name}");
        }
    }
}
