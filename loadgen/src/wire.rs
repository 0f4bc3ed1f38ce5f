//! Pings as bytes.

use prost::Message;
use protos::json::Object;
use protos::telemetry::VehiclePing;

use crate::dials::encode_malformed;
use crate::stream::{Delivery, Ping, What};
use crate::truth::vehicle_id;

/// Content type of a `VehiclePingBatch`.
pub const BATCH_TYPE: &str =
    "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch";

/// Turns deliveries into bytes. Holds one ping whose memory is used again.
#[derive(Debug)]
pub struct Encoder {
    /// Start of the run, milliseconds since the epoch.
    start_ms: i64,
    prefix: String,
    scratch: VehiclePing,
    message: Vec<u8>,
}

impl Encoder {
    /// For a run that starts at `start_ms` since the epoch, of vehicles whose
    /// ids begin with `prefix`.
    #[must_use]
    pub fn new(start_ms: i64, prefix: &str) -> Self {
        let scratch = VehiclePing::default();
        Self { start_ms, prefix: prefix.to_owned(), scratch, message: Vec::new() }
    }

    /// Appends the message to a `VehiclePingBatch` in the making. Returns where
    /// the message itself begins in `batch`; it ends where `batch` does.
    pub fn batched(&mut self, delivery: &Delivery, batch: &mut Vec<u8>) -> usize {
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        self.protobuf(delivery, &mut message);
        push_batched(batch, &message);
        let start = batch.len() - message.len();
        self.message = message;
        start
    }

    /// Appends the message as one `VehiclePing`, or bytes that are none.
    pub fn protobuf(&mut self, delivery: &Delivery, out: &mut Vec<u8>) {
        self.fill(&delivery.ping);
        match delivery.what {
            What::Malformed(code) => out.extend(encode_malformed(code, &self.scratch)),
            What::Ping | What::Copy => {
                self.scratch.encode(out).expect("a Vec takes every byte");
            }
        }
    }

    /// Appends the ping as a line of JSON, with its receive time if one is
    /// given, milliseconds since the epoch.
    pub fn json_line(&mut self, ping: &Ping, receive_ms: Option<i64>, out: &mut Vec<u8>) {
        self.fill(ping);
        let fields = &self.scratch;
        let mut object = Object::open(out);
        object
            .text("vehicle_id", &fields.vehicle_id)
            .integer("seq", u64::from(ping.seq))
            .time("event_time", self.start_ms + ping.event_ms)
            .number("lat", fields.lat)
            .number("lon", fields.lon)
            .number_if_known("accuracy_m", fields.accuracy_m)
            .number_if_known("speed_mps", fields.speed_mps)
            .number_if_known("heading_deg", fields.heading_deg);
        if let Some(on) = fields.ignition {
            object.flag("ignition", on);
        }
        if let Some(ms) = receive_ms {
            object.time("receive_time", ms);
        }
        object.close();
        out.push(b'\n');
    }

    /// The ping as its producer fills it in.
    pub fn fields(&mut self, ping: &Ping) -> &VehiclePing {
        self.fill(ping);
        &self.scratch
    }

    fn fill(&mut self, ping: &Ping) {
        let fields = &mut self.scratch;
        push_id(&mut fields.vehicle_id, &self.prefix, ping.vehicle);
        fields.seq = Some(ping.seq.into());
        fields.event_time_us = (self.start_ms + ping.event_ms) * 1000;
        fields.lat = ping.position.lat_deg();
        fields.lon = ping.position.lon_deg();
        fields.accuracy_m = ping.accuracy_m;
        fields.speed_mps = ping.speed_mps.map(speed_sent);
        fields.heading_deg = ping.heading_deg.map(degrees_sent);
        fields.ignition = ping.engine_on;
    }
}

/// As [`vehicle_id`], in memory used before.
fn push_id(text: &mut String, prefix: &str, number: u32) {
    if number >= 10_000_000 {
        *text = vehicle_id(prefix, number);
        return;
    }
    text.clear();
    text.push_str(prefix);
    text.push('v');
    let mut unit = 1_000_000;
    while unit > 0 {
        text.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

/// A speed, to the places a device would send.
pub(crate) fn speed_sent(mps: f32) -> f64 {
    round(mps, 100.0)
}

/// The same of a heading.
pub(crate) fn degrees_sent(degrees: f32) -> f64 {
    round(degrees, 10.0)
}

fn round(value: f32, places: f64) -> f64 {
    (f64::from(value) * places).round() / places
}

/// Appends `message` to a `VehiclePingBatch` in the making.
pub fn push_batched(batch: &mut Vec<u8>, message: &[u8]) {
    const PINGS_KEY: u8 = 1 << 3 | 2;
    batch.push(PINGS_KEY);
    let mut length = message.len();
    while length >= 0x80 {
        batch.push(length as u8 | 0x80);
        length >>= 7;
    }
    batch.push(length as u8);
    batch.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use geofence::Position;
    use protos::telemetry::VehiclePingBatch;

    use super::*;

    fn delivery() -> Delivery {
        let ping = Ping {
            vehicle: 42,
            seq: 7,
            event_ms: 1_500,
            position: Position { lat: 481_234_567, lon: 115_000_001 },
            accuracy_m: Some(7.6),
            speed_mps: Some(13.333),
            heading_deg: Some(359.96),
            engine_on: Some(true),
        };
        Delivery { send_ms: 1_500, what: What::Ping, ping }
    }

    #[test]
    fn a_batch_is_what_prost_reads_back() {
        let mut encoder = Encoder::new(1_000_000, "run-");
        let (mut message, mut batch) = (Vec::new(), Vec::new());
        encoder.protobuf(&delivery(), &mut message);
        for _ in 0..2 {
            let start = encoder.batched(&delivery(), &mut batch);
            assert_eq!(batch[start..], message);
        }
        let read = VehiclePingBatch::decode(batch.as_slice()).unwrap();
        assert_eq!(read.pings.len(), 2);
        let ping = &read.pings[1];
        assert_eq!((ping.vehicle_id.as_str(), ping.seq), ("run-v0000042", Some(7)));
        assert_eq!(ping.event_time_us, 1_001_500_000);
        assert_eq!((ping.lat, ping.lon), (48.123_456_7, 11.500_000_1));
        assert_eq!((ping.speed_mps, ping.heading_deg), (Some(13.33), Some(360.0)));
    }

    #[test]
    fn a_line_of_json_says_the_same() {
        let mut line = Vec::new();
        Encoder::new(0, "").json_line(&delivery().ping, Some(2_000), &mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"vehicle_id\":\"v0000042\",\"seq\":7,\"event_time\":\"1970-01-01T00:00:01.500Z\",\
             \"lat\":48.1234567,\"lon\":11.5000001,\"accuracy_m\":7.6,\"speed_mps\":13.33,\
             \"heading_deg\":360.0,\"ignition\":true,\
             \"receive_time\":\"1970-01-01T00:00:02.000Z\"}\n"
        );
    }

    #[test]
    fn ids_are_the_same_either_way() {
        let mut text = String::new();
        for number in [0, 7, 999_999, 9_999_999, 10_000_000, u32::MAX] {
            push_id(&mut text, "run-", number);
            assert_eq!(text, vehicle_id("run-", number));
        }
    }
}
