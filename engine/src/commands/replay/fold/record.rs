//! An event operation as it is kept until the end: what its line among the
//! final events says of it, and its revision.
//!
//! A million of them are written and read within one process, so their form is
//! nobody else's: numbers stand at fixed places, texts behind them, and nothing
//! is measured before it is written. The vehicle is the one they are kept for.

use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, GeofenceCross, GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, Id,
    IdleEnd, IdleStart, SourceRecovered, SourceStalled, StationaryEnd, StationaryStart,
    VehicleOffline, VehicleOnline,
};
use smol_str::SmolStr;

const WORD_BYTES: usize = 8;
/// Numbers that every record has.
const WORDS: usize = 13;
/// Ids, which come next.
const IDS: usize = 3;
/// The most that a kind has besides.
const NUMBERS_MAX: usize = 6;

/// A kind's own numbers.
type Numbers = [[u8; WORD_BYTES]; NUMBERS_MAX];

/// Appends the record of `event`.
pub(super) fn push(out: &mut Vec<u8>, event: &FleetEvent) {
    // Whoever adds a field is asked here whether its line says it.
    let FleetEvent {
        event_id,
        op: _,
        revision,
        vehicle_id: _,
        fence_id,
        fence_version,
        visit_id,
        episode_id,
        event_time_ms,
        not_before_ms,
        not_after_ms,
        observed_at_ms: _,
        lat,
        lon,
        distance_m,
        accuracy_m,
        confidence,
        reason,
        late: _,
        replaces: _,
        schema_version,
        detail,
    } = event;
    let measures = [lat, lon, distance_m, accuracy_m, confidence];
    let known = measures.iter().rev().fold(0, |known, it| known << 1 | u32::from(it.is_some()));
    let [lat, lon, distance_m, accuracy_m, confidence] =
        measures.map(|measure| measure.unwrap_or_default().to_bits());
    let (kind, numbers, count, source) = taken_apart(detail.as_ref());
    let words: [u64; WORDS] = [
        *revision,
        event_time_ms.cast_unsigned(),
        not_before_ms.cast_unsigned(),
        not_after_ms.cast_unsigned(),
        lat,
        lon,
        distance_m,
        accuracy_m,
        confidence,
        pair(*fence_version, reason.cast_unsigned()),
        pair(*schema_version, known),
        pair(fence_id.len() as u32, source.len() as u32),
        pair(kind, count as u32),
    ];
    out.extend_from_slice(words.map(u64::to_le_bytes).as_flattened());
    let ids: [_; IDS] = [event_id, visit_id, episode_id].map(|id| id.0);
    out.extend_from_slice(ids.as_flattened());
    out.extend_from_slice(numbers[..count].as_flattened());
    out.extend_from_slice(fence_id.as_bytes());
    out.extend_from_slice(source.as_bytes());
}

/// Takes a record, kept for `vehicle`, from the front of `records` into `event`.
/// `None` if it is none.
pub(super) fn take(records: &mut &[u8], vehicle: &SmolStr, event: &mut FleetEvent) -> Option<()> {
    let words: [u64; WORDS] = next_words(records)?;
    let [revision, event_time, not_before, not_after, lat, lon, distance, accuracy, confidence, ..] =
        words;
    let (fence_version, reason) = unpair(words[9]);
    let (schema_version, known) = unpair(words[10]);
    let (fence_id, source) = unpair(words[11]);
    let (kind, count) = unpair(words[12]);
    let measure = |place: u32, bits| (known >> place & 1 == 1).then(|| f64::from_bits(bits));

    let [event_id, visit_id, episode_id] = next_ids(records)?;
    event.event_id = event_id;
    event.visit_id = visit_id;
    event.episode_id = episode_id;
    event.revision = revision;
    event.fence_version = fence_version;
    event.event_time_ms = event_time.cast_signed();
    event.not_before_ms = not_before.cast_signed();
    event.not_after_ms = not_after.cast_signed();
    event.lat = measure(0, lat);
    event.lon = measure(1, lon);
    event.distance_m = measure(2, distance);
    event.accuracy_m = measure(3, accuracy);
    event.confidence = measure(4, confidence);
    event.reason = reason.cast_signed();
    event.schema_version = schema_version;
    event.vehicle_id.clone_from(vehicle);

    let mut numbers = [0; NUMBERS_MAX];
    for number in numbers.get_mut(..count as usize)? {
        [*number] = next_words(records)?;
    }
    // Checked to be texts all at once: a call for each costs more than its bytes.
    let (texts, rest) = records.split_at_checked(fence_id as usize + source as usize)?;
    *records = rest;
    let (fence_id, source) = str::from_utf8(texts).ok()?.split_at_checked(fence_id as usize)?;
    event.fence_id = fence_id.into();
    event.detail = put_together(kind, numbers, source)?;
    Some(())
}

/// Number of the kind, its own numbers and how many they are, its text.
fn taken_apart(detail: Option<&Detail>) -> (u32, Numbers, usize, &str) {
    fn numbers<const N: usize>(kind: u32, own: [u64; N]) -> (u32, Numbers, usize, &'static str) {
        let mut numbers = Numbers::default();
        numbers[..N].copy_from_slice(&own.map(u64::to_le_bytes));
        (kind, numbers, N, "")
    }
    match detail {
        None => numbers(0, []),
        Some(Detail::GeofenceEnter(GeofenceEnter {})) => numbers(1, []),
        Some(Detail::GeofenceExit(GeofenceExit {})) => numbers(2, []),
        Some(Detail::GeofenceCross(GeofenceCross { out_time_ms, inside_m })) => {
            numbers(3, [out_time_ms.cast_unsigned(), inside_m.to_bits()])
        }
        Some(Detail::GeofenceDwell(GeofenceDwell { threshold_s })) => {
            numbers(4, [u64::from(*threshold_s)])
        }
        Some(Detail::GeofenceVisit(visit)) => {
            let GeofenceVisit {
                enter_time_ms,
                duration_s,
                certain_s,
                possible_s,
                max_gap_s,
                pings,
            } = visit;
            let [duration, certain, possible, gap] =
                [duration_s, certain_s, possible_s, max_gap_s].map(|seconds| seconds.to_bits());
            numbers(5, [enter_time_ms.cast_unsigned(), duration, certain, possible, gap, *pings])
        }
        Some(Detail::StationaryStart(StationaryStart {})) => numbers(6, []),
        Some(Detail::StationaryEnd(StationaryEnd { duration_s })) => {
            numbers(7, [duration_s.to_bits()])
        }
        Some(Detail::IdleStart(IdleStart {})) => numbers(8, []),
        Some(Detail::IdleEnd(IdleEnd { duration_s })) => numbers(9, [duration_s.to_bits()]),
        Some(Detail::VehicleOffline(VehicleOffline { threshold_s })) => {
            numbers(10, [threshold_s.to_bits()])
        }
        Some(Detail::VehicleOnline(VehicleOnline { silence_s })) => {
            numbers(11, [silence_s.to_bits()])
        }
        Some(Detail::SourceStalled(SourceStalled { source })) => {
            (12, Numbers::default(), 0, source)
        }
        Some(Detail::SourceRecovered(SourceRecovered { source })) => {
            (13, Numbers::default(), 0, source)
        }
    }
}

/// The opposite of [`taken_apart`].
fn put_together(kind: u32, numbers: [u64; NUMBERS_MAX], source: &str) -> Option<Option<Detail>> {
    let measure = |place: usize| f64::from_bits(numbers[place]);
    Some(Some(match kind {
        0 => return Some(None),
        1 => Detail::GeofenceEnter(GeofenceEnter {}),
        2 => Detail::GeofenceExit(GeofenceExit {}),
        3 => Detail::GeofenceCross(GeofenceCross {
            out_time_ms: numbers[0].cast_signed(),
            inside_m: measure(1),
        }),
        4 => Detail::GeofenceDwell(GeofenceDwell { threshold_s: numbers[0] as u32 }),
        5 => Detail::GeofenceVisit(GeofenceVisit {
            enter_time_ms: numbers[0].cast_signed(),
            duration_s: measure(1),
            certain_s: measure(2),
            possible_s: measure(3),
            max_gap_s: measure(4),
            pings: numbers[5],
        }),
        6 => Detail::StationaryStart(StationaryStart {}),
        7 => Detail::StationaryEnd(StationaryEnd { duration_s: measure(0) }),
        8 => Detail::IdleStart(IdleStart {}),
        9 => Detail::IdleEnd(IdleEnd { duration_s: measure(0) }),
        10 => Detail::VehicleOffline(VehicleOffline { threshold_s: measure(0) }),
        11 => Detail::VehicleOnline(VehicleOnline { silence_s: measure(0) }),
        12 => Detail::SourceStalled(SourceStalled { source: source.to_owned() }),
        13 => Detail::SourceRecovered(SourceRecovered { source: source.to_owned() }),
        _ => return None,
    }))
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn unpair(pair: u64) -> (u32, u32) {
    (pair as u32, (pair >> 32) as u32)
}

/// The next words of `records`.
fn next_words<const N: usize>(records: &mut &[u8]) -> Option<[u64; N]> {
    let (words, rest) = records.split_at_checked(N * WORD_BYTES)?;
    *records = rest;
    let (words, _) = words.as_chunks::<WORD_BYTES>();
    Some(std::array::from_fn(|place| u64::from_le_bytes(words[place])))
}

/// The ids behind the words of a record.
fn next_ids(records: &mut &[u8]) -> Option<[Id; IDS]> {
    let (ids, rest) = records.split_at_checked(size_of::<[Id; IDS]>())?;
    *records = rest;
    let (ids, _) = ids.as_chunks();
    Some(std::array::from_fn(|place| Id(ids[place])))
}

#[cfg(test)]
mod tests {
    use protos::event_json::{Rendering, push_event};

    use super::*;

    /// An event of every kind, with every field given, and one without any.
    fn events() -> Vec<FleetEvent> {
        let details = [
            Detail::GeofenceEnter(GeofenceEnter {}),
            Detail::GeofenceExit(GeofenceExit {}),
            Detail::GeofenceCross(GeofenceCross { out_time_ms: -5, inside_m: 1.5 }),
            Detail::GeofenceDwell(GeofenceDwell { threshold_s: u32::MAX }),
            Detail::GeofenceVisit(GeofenceVisit {
                enter_time_ms: 1,
                duration_s: 2.5,
                certain_s: 3.5,
                possible_s: 4.5,
                max_gap_s: 5.5,
                pings: 6,
            }),
            Detail::StationaryStart(StationaryStart {}),
            Detail::StationaryEnd(StationaryEnd { duration_s: 0.25 }),
            Detail::IdleStart(IdleStart {}),
            Detail::IdleEnd(IdleEnd { duration_s: 0.5 }),
            Detail::VehicleOffline(VehicleOffline { threshold_s: 0.75 }),
            Detail::VehicleOnline(VehicleOnline { silence_s: 1.25 }),
            Detail::SourceStalled(SourceStalled { source: "stalled".into() }),
            Detail::SourceRecovered(SourceRecovered { source: "räcovered".into() }),
        ];
        let whole = |detail| FleetEvent {
            event_id: Id::new(u128::MAX - 1),
            revision: u64::MAX,
            vehicle_id: "vehicle".into(),
            fence_id: "fénce".into(),
            fence_version: 1,
            visit_id: Id::new(2),
            episode_id: Id::new(3 << 64),
            event_time_ms: i64::MIN,
            not_before_ms: -2,
            not_after_ms: 3,
            lat: Some(4.5),
            lon: Some(-5.5),
            distance_m: Some(6.5),
            accuracy_m: Some(7.5),
            confidence: Some(0.5),
            reason: 8,
            schema_version: 9,
            detail: Some(detail),
            ..FleetEvent::default()
        };
        let mut events: Vec<FleetEvent> = details.into_iter().map(whole).collect();
        events.push(FleetEvent { vehicle_id: "vehicle".into(), ..FleetEvent::default() });
        // What is known is told apart.
        let known = |lat, accuracy_m| FleetEvent { lat, accuracy_m, ..events[0].clone() };
        events.extend([known(None, Some(0.0)), known(Some(0.0), None)]);
        events
    }

    #[test]
    fn records_read_back_as_what_was_written() {
        let events = events();
        let mut records = Vec::new();
        events.iter().for_each(|event| push(&mut records, event));
        let mut rest = records.as_slice();
        let mut read = FleetEvent::default();
        for event in &events {
            take(&mut rest, &"vehicle".into(), &mut read).unwrap();
            assert_eq!(&read, event);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn nothing_is_missing_in_the_line_of_an_event() {
        let line = |event: &FleetEvent| {
            let mut line = Vec::new();
            push_event(&mut line, event, Rendering::Folded);
            String::from_utf8(line).unwrap()
        };
        for event in events() {
            let operation =
                FleetEvent { op: 2, observed_at_ms: 7, late: true, replaces: Id::new(4), ..event };
            let (mut record, mut read) = (Vec::new(), FleetEvent::default());
            push(&mut record, &operation);
            take(&mut record.as_slice(), &"vehicle".into(), &mut read).unwrap();
            assert_eq!(line(&read), line(&operation));
        }
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        for event in events() {
            let (mut record, mut read) = (Vec::new(), FleetEvent::default());
            push(&mut record, &event);
            for length in 0..record.len() {
                let read = take(&mut &record[..length], &"vehicle".into(), &mut read);
                assert_eq!(read, None, "{length}");
            }
        }
    }
}
