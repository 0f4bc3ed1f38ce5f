//! A live position as one JSON object, for the file and for HTTP alike.

use geofence::{LivePosition, Position, Status, TimeMs};
use protos::json::Object;
use serde::Deserialize;

/// Appends `position` to `out` as one JSON object, without a line break:
/// `vehicle_id`, `event_time`, `lat`, `lon`, `accuracy_m`, `heading_deg`,
/// `speed_mps` (left out when unknown), `status`, `fences`, `seq`.
pub fn push_position(out: &mut Vec<u8>, position: &LivePosition) {
    let mut object = Object::open(out);
    object
        .text("vehicle_id", &position.vehicle_id)
        .time("event_time", position.event_time.0)
        .number("lat", position.position.lat_deg())
        .number("lon", position.position.lon_deg())
        .number_if_known("accuracy_m", position.accuracy_m)
        .number_if_known("heading_deg", position.heading_deg)
        .number_if_known("speed_mps", position.speed_mps)
        .text("status", position.status.as_str())
        .texts("fences", position.fences.iter().map(|id| &**id))
        .integer("seq", position.seq);
    object.close();
}

/// The same, as it is read.
#[derive(Deserialize)]
struct Line {
    vehicle_id: String,
    event_time: jiff::Timestamp,
    lat: f64,
    lon: f64,
    accuracy_m: Option<f64>,
    heading_deg: Option<f64>,
    speed_mps: Option<f64>,
    status: String,
    fences: Vec<String>,
    seq: u64,
}

/// Reads what [`push_position`] wrote; the error says what is wrong with it.
pub(super) fn parse_position(line: &[u8]) -> Result<LivePosition, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let position = Position::from_degrees(line.lat, line.lon)
        .ok_or_else(|| format!("lat {}, lon {} is no position", line.lat, line.lon))?;
    Ok(LivePosition {
        vehicle_id: line.vehicle_id.into(),
        event_time: TimeMs(line.event_time.as_millisecond()),
        position,
        accuracy_m: line.accuracy_m,
        heading_deg: line.heading_deg,
        speed_mps: line.speed_mps,
        status: parse_status(&line.status)?,
        fences: line.fences.into_iter().collect(),
        seq: line.seq,
    })
}

fn parse_status(name: &str) -> Result<Status, String> {
    [Status::Moving, Status::Stationary, Status::Idle, Status::Offline]
        .into_iter()
        .find(|status| status.as_str() == name)
        .ok_or_else(|| format!("unknown status {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::live_position;

    #[test]
    fn golden_line() {
        let position = LivePosition {
            heading_deg: Some(270.5),
            fences: ["depot", "zone"].into_iter().collect(),
            ..live_position("bus-7", 30.2672, -97.743_106_1, 42)
        };
        let mut out = Vec::new();
        push_position(&mut out, &position);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"vehicle_id":"bus-7","event_time":"2016-11-25T12:00:00.000Z","#,
                r#""lat":30.2672,"lon":-97.7431061,"heading_deg":270.5,"status":"moving","#,
                r#""fences":["depot","zone"],"seq":42}"#
            )
        );
    }

    #[test]
    fn reads_back_what_was_written() {
        for status in [Status::Moving, Status::Stationary, Status::Idle, Status::Offline] {
            let position = LivePosition {
                accuracy_m: Some(0.1),
                speed_mps: Some(0.0),
                status,
                ..live_position("v", -0.000_000_1, 180.0, u64::MAX)
            };
            let mut line = Vec::new();
            push_position(&mut line, &position);
            assert_eq!(parse_position(&line), Ok(position));
        }
    }
}
