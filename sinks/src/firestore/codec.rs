//! Live positions as Firestore documents, and back.
//!
//! A vehicle is a set of fields: those of its document, or, packed, those of
//! its entry in the map `vehicles`. Writes name the fields they set, so that
//! what others keep beside them stays.

use std::collections::HashMap;
use std::sync::Arc;

use geofence::{FenceIds, LivePosition, Position, Status, TimeMs};
use googleapis_tonic_google_firestore_v1::google::firestore::v1::value::ValueType;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::{
    ArrayValue, Document, DocumentMask, MapValue, Precondition, Value, Write, precondition, write,
};
use googleapis_tonic_google_firestore_v1::google::r#type::LatLng;
use prost_types::Timestamp;

use super::layout::{Layout, name};
use super::tracker::Guard;

const VEHICLE_ID: &str = "vehicle_id";
const LOCATION: &str = "location";
const EVENT_TIME: &str = "event_time";
const ACCURACY: &str = "accuracy_m";
const HEADING: &str = "heading_deg";
const SPEED: &str = "speed_mps";
const STATUS: &str = "status";
const FENCES: &str = "fences";
const SEQ: &str = "seq";
const SHARD: &str = "shard";
const FIELDS: [&str; 10] =
    [VEHICLE_ID, LOCATION, EVENT_TIME, ACCURACY, HEADING, SPEED, STATUS, FENCES, SEQ, SHARD];
/// Of a packed document: the map of its vehicles.
const VEHICLES: &str = "vehicles";

/// What a document takes in a request beside its positions, at the most.
pub(super) const DOCUMENT_BYTES: usize = 1024;
/// What a position takes beside the ids of its fences: names of fields, and
/// its own id several times over.
const POSITION_BYTES: usize = 1024;
/// What the id of a fence takes beside itself.
const FENCE_BYTES: usize = 12;

/// The write that makes the document `name` say `positions`, provided that it
/// is what `guard` says.
pub(super) fn write(
    layout: Layout,
    document: String,
    shard: u32,
    guard: Guard,
    positions: &[Arc<LivePosition>],
) -> Write {
    let (mask, fields) = match (layout, positions) {
        (Layout::Document, [position]) => {
            (FIELDS.map(str::to_owned).to_vec(), vehicle(position, shard))
        }
        _ => packed(positions, shard),
    };
    let condition = match guard {
        Guard::Unread => None,
        Guard::Missing => Some(precondition::ConditionType::Exists(false)),
        Guard::At(time) => Some(precondition::ConditionType::UpdateTime(time)),
    };
    Write {
        update_mask: Some(DocumentMask { field_paths: mask }),
        update_transforms: vec![],
        current_document: condition.map(|it| Precondition { condition_type: Some(it) }),
        operation: Some(write::Operation::Update(Document {
            name: document,
            fields,
            ..Document::default()
        })),
    }
}

/// What `position` takes in a request, at the most.
pub(super) fn position_bytes(position: &LivePosition) -> usize {
    let of_fences: usize = position.fences.iter().map(|id| id.len() + FENCE_BYTES).sum();
    POSITION_BYTES + of_fences
}

/// The positions that `document` holds. What it holds in another form is
/// passed over: it was put there by somebody else and is written over.
pub(super) fn read(layout: Layout, mut document: Document) -> Vec<LivePosition> {
    match layout {
        Layout::Document => position(document.fields).into_iter().collect(),
        Layout::Packed { .. } => match take(&mut document.fields, VEHICLES) {
            Some(ValueType::MapValue(vehicles)) => {
                let entries = vehicles.fields.into_values();
                let fields = entries.filter_map(|value| match value.value_type {
                    Some(ValueType::MapValue(vehicle)) => Some(vehicle.fields),
                    _ => None,
                });
                fields.filter_map(position).collect()
            }
            _ => vec![],
        },
    }
}

fn packed(positions: &[Arc<LivePosition>], shard: u32) -> (Vec<String>, HashMap<String, Value>) {
    let mut mask = vec![SHARD.to_owned()];
    let mut vehicles = HashMap::with_capacity(positions.len());
    for position in positions {
        let key = name(&position.vehicle_id);
        // Vehicles' ids have no backtick and no backslash.
        mask.push(format!("{VEHICLES}.`{key}`"));
        let mut fields = vehicle(position, shard);
        fields.remove(SHARD);
        vehicles.insert(key, value(ValueType::MapValue(MapValue { fields })));
    }
    let vehicles = value(ValueType::MapValue(MapValue { fields: vehicles }));
    let shard = value(ValueType::IntegerValue(shard.into()));
    (mask, HashMap::from([(SHARD.to_owned(), shard), (VEHICLES.to_owned(), vehicles)]))
}

fn vehicle(position: &LivePosition, shard: u32) -> HashMap<String, Value> {
    let text = |text: &str| ValueType::StringValue(text.to_owned());
    let fences = position.fences.iter().map(|id| value(text(id))).collect();
    let location =
        LatLng { latitude: position.position.lat_deg(), longitude: position.position.lon_deg() };
    // Seqs begin at a time in milliseconds: an i64 has room for all of them.
    let seq = i64::try_from(position.seq).unwrap_or(i64::MAX);
    let known = [
        (VEHICLE_ID, text(&position.vehicle_id)),
        (LOCATION, ValueType::GeoPointValue(location)),
        (EVENT_TIME, ValueType::TimestampValue(timestamp(position.event_time))),
        (STATUS, text(position.status.as_str())),
        (FENCES, ValueType::ArrayValue(ArrayValue { values: fences })),
        (SEQ, ValueType::IntegerValue(seq)),
        (SHARD, ValueType::IntegerValue(shard.into())),
    ];
    let measured = [
        (ACCURACY, position.accuracy_m),
        (HEADING, position.heading_deg),
        (SPEED, position.speed_mps),
    ];
    let measured = measured
        .into_iter()
        .filter_map(|(name, number)| Some((name, ValueType::DoubleValue(number?))));
    known.into_iter().chain(measured).map(|(name, of)| (name.to_owned(), value(of))).collect()
}

fn position(mut fields: HashMap<String, Value>) -> Option<LivePosition> {
    let text = |of: Option<ValueType>| match of {
        Some(ValueType::StringValue(text)) => Some(text),
        _ => None,
    };
    let Some(ValueType::GeoPointValue(location)) = take(&mut fields, LOCATION) else { return None };
    let Some(ValueType::TimestampValue(time)) = take(&mut fields, EVENT_TIME) else { return None };
    let Some(ValueType::IntegerValue(seq)) = take(&mut fields, SEQ) else { return None };
    let fences = match take(&mut fields, FENCES) {
        Some(ValueType::ArrayValue(fences)) => {
            fences.values.into_iter().filter_map(|id| text(id.value_type)).collect()
        }
        _ => FenceIds::default(),
    };
    let mut number = |name| match take(&mut fields, name) {
        Some(ValueType::DoubleValue(number)) => Some(number),
        Some(ValueType::IntegerValue(number)) => Some(number as f64),
        _ => None,
    };
    let (accuracy_m, heading_deg, speed_mps) = (number(ACCURACY), number(HEADING), number(SPEED));
    let status = text(take(&mut fields, STATUS))?;
    Some(LivePosition {
        vehicle_id: text(take(&mut fields, VEHICLE_ID))?.into(),
        event_time: time_ms(time),
        position: Position::from_degrees(location.latitude, location.longitude)?,
        accuracy_m,
        heading_deg,
        speed_mps,
        status: [Status::Moving, Status::Stationary, Status::Idle, Status::Offline]
            .into_iter()
            .find(|it| it.as_str() == status)?,
        fences,
        seq: u64::try_from(seq).ok()?,
    })
}

fn take(fields: &mut HashMap<String, Value>, name: &str) -> Option<ValueType> {
    fields.remove(name)?.value_type
}

fn value(of: ValueType) -> Value {
    Value { value_type: Some(of) }
}

fn timestamp(time: TimeMs) -> Timestamp {
    let nanos = time.0.rem_euclid(1000) * 1_000_000;
    Timestamp {
        seconds: time.0.div_euclid(1000),
        nanos: i32::try_from(nanos).expect("under a thousand million"),
    }
}

fn time_ms(time: Timestamp) -> TimeMs {
    TimeMs(time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos) / 1_000_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::testing::live_position;

    const PACKED: Layout = Layout::Packed { documents: 4 };

    fn any_position() -> impl Strategy<Value = LivePosition> {
        let known = || proptest::option::of(0.0..400.0);
        let status = prop_oneof![
            Just(Status::Moving),
            Just(Status::Stationary),
            Just(Status::Idle),
            Just(Status::Offline)
        ];
        (
            ("[A-Za-z0-9._:-]{1,64}", -90.0..=90.0, -180.0..=180.0),
            (known(), known(), known(), status),
            (-9_000_000_000_000..9_000_000_000_000_i64, 0..=i64::MAX as u64),
            proptest::collection::vec("[a-zü]{1,90}", 0..5),
        )
            .prop_map(|(who, how, at, fences)| LivePosition {
                event_time: TimeMs(at.0),
                accuracy_m: how.0,
                heading_deg: how.1,
                speed_mps: how.2,
                status: how.3,
                fences: fences.into_iter().collect(),
                ..live_position(&who.0, who.1, who.2, at.1)
            })
    }

    fn document(write: Write) -> Document {
        match write.operation {
            Some(write::Operation::Update(document)) => document,
            other => panic!("{other:?}"),
        }
    }

    fn foreseen(positions: &[Arc<LivePosition>]) -> usize {
        DOCUMENT_BYTES + positions.iter().map(|it| position_bytes(it)).sum::<usize>()
    }

    fn name_of_length(length: usize) -> String {
        format!("projects/p/databases/d/documents/{}", "x".repeat(length))
    }

    proptest! {
        #[test]
        fn reads_back_what_is_written(position in any_position()) {
            let positions = [Arc::new(position.clone())];
            let at = Guard::At(Timestamp { seconds: 9, nanos: 1000 });
            for layout in [Layout::Document, PACKED] {
                let write = write(layout, name_of_length(9), 3, at, &positions);
                prop_assert_eq!(read(layout, document(write)), vec![position.clone()]);
            }
        }

        #[test]
        fn no_write_is_longer_than_foreseen(
            positions in proptest::collection::vec(any_position().prop_map(Arc::new), 1..9),
        ) {
            let at = Guard::At(Timestamp { seconds: i64::MAX, nanos: 999_999_000 });
            let packed = write(PACKED, name_of_length(250), u32::MAX, at, &positions);
            prop_assert!(packed.encoded_len() <= foreseen(&positions));
            let one = &positions[..1];
            let single = write(Layout::Document, name_of_length(250), u32::MAX, at, one);
            prop_assert!(single.encoded_len() <= foreseen(one));
        }
    }

    #[test]
    fn a_packed_write_touches_its_vehicles_only() {
        let positions = ["bus-7", "..", "a:b"].map(|id| Arc::new(live_position(id, 1.0, 2.0, 5)));
        let write = write(PACKED, "name".into(), 3, Guard::Missing, &positions);
        assert_eq!(
            write.update_mask.unwrap().field_paths,
            ["shard", "vehicles.`bus-7`", "vehicles.`%2E.`", "vehicles.`a:b`"]
        );
        assert_eq!(
            write.current_document.unwrap().condition_type,
            Some(precondition::ConditionType::Exists(false))
        );
    }

    #[test]
    fn what_is_no_position_is_passed_over() {
        assert_eq!(read(Layout::Document, Document::default()), []);
        assert_eq!(read(PACKED, Document::default()), []);
        let positions = [Arc::new(live_position("a", 1.0, 2.0, 5))];
        let mut document = document(write(PACKED, "n".into(), 3, Guard::Missing, &positions));
        let Some(ValueType::MapValue(vehicles)) =
            &mut document.fields.get_mut(VEHICLES).unwrap().value_type
        else {
            panic!("a map");
        };
        vehicles.fields.insert("b".into(), value(ValueType::BooleanValue(true)));
        assert_eq!(read(PACKED, document), [live_position("a", 1.0, 2.0, 5)]);
    }
}
