use std::borrow::Cow;

use bytes::Bytes;
use geofence::TimeMs;
use geofence::admission::Dropped;
use proptest::prelude::*;
use prost::Message;
use protos::journal::DeadLetter;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use rstest::rstest;
use sinks::dead_letters::content_id;

use super::entry::Envelope;
use super::fields::PingFields;
use super::*;
use crate::intake::Entry;

const ENVELOPE: Envelope<'_> = Envelope {
    source: "test",
    message_id: "m1",
    receive_time: TimeMs(1_700_000_000_000),
    allow_null_island: false,
    owned: None,
};

fn ping() -> VehiclePing {
    VehiclePing {
        vehicle_id: "bus-1".into(),
        event_time_us: 1_480_075_200_123_456,
        lat: 30.25,
        lon: -97.75,
        ..VehiclePing::default()
    }
}

fn full_ping() -> VehiclePing {
    VehiclePing {
        ping_id: Some("p 1".into()),
        seq: Some(7),
        altitude_m: Some(150.5),
        accuracy_m: Some(4.0),
        speed_mps: Some(11.25),
        heading_deg: Some(270.0),
        odometer_m: Some(1e7),
        ignition: Some(false),
        engine_rpm: Some(900.0),
        fuel_percent: Some(50.0),
        battery_percent: Some(99.0),
        driver_id: Some("d".into()),
        route_id: Some("801".into()),
        trip_id: Some("\"t\"\n".into()),
        ..ping()
    }
}

/// The ping of an item, or why it is none.
fn read(item: &Item) -> Result<VehiclePing, DecodeError> {
    let payload = item.payload().map_err(Clone::clone)?;
    view(payload).map(|ping| ping.to_ping())
}

/// The one ping of a JSON message, or the code and message of its refusal.
fn json(text: &str) -> Result<VehiclePing, (&'static str, String)> {
    let refused = |error: DecodeError| (error.code(), error.to_string());
    let items =
        decode(ContentType::Json, &Bytes::copy_from_slice(text.as_bytes())).map_err(refused)?;
    assert_eq!(items.len(), 1);
    let item = items.into_iter().next().expect("one item");
    let ping = read(&item).map_err(refused)?;
    assert_eq!(
        item.payload(),
        Ok(&ping.encode_to_vec().into()),
        "the payload is the ping, encoded"
    );
    Ok(ping)
}

#[test]
fn json_reads_every_field_by_its_proto_name() {
    let text = r#"{"vehicle_id":"bus-1","ping_id":"p 1","seq":7,
        "event_time":"2016-11-25T12:00:00.123456Z","lat":30.25,"lon":-97.75,"altitude_m":150.5,
        "accuracy_m":4,"speed_mps":11.25,"heading_deg":270,"odometer_m":1e7,"ignition":false,
        "engine_rpm":900,"fuel_percent":50,"battery_percent":99,"driver_id":"d","route_id":"801",
        "trip_id":"\"t\"\n"}"#;
    assert_eq!(json(text), Ok(full_ping()));
}

#[rstest]
#[case::rfc3339(r#""event_time":"2016-11-25T12:00:00.123456Z""#, 1_480_075_200_123_456)]
#[case::offset(r#""event_time":"2016-11-25T06:00:00-06:00""#, 1_480_075_200_000_000)]
#[case::nanoseconds(r#""event_time":"2016-11-25T12:00:00.123456999Z""#, 1_480_075_200_123_456)]
#[case::before_1970(r#""event_time":"1969-12-31T23:59:59.9999999Z""#, -1)]
#[case::micros(r#""event_time_us":1480075200123456"#, 1_480_075_200_123_456)]
#[case::millis(r#""event_time_ms":1480075200123"#, 1_480_075_200_123_000)]
#[case::null_beside(r#""event_time":null,"event_time_ms":1"#, 1_000)]
fn json_times(#[case] time: &str, #[case] us: i64) {
    let text = format!(r#"{{"vehicle_id":"bus-1",{time},"lat":30.25,"lon":-97.75}}"#);
    assert_eq!(json(&text), Ok(VehiclePing { event_time_us: us, ..ping() }));
}

#[rstest]
#[case::unknown_keys(r#""colour":{"r":[1,null]},"receive_time":5,"x":[[]]"#)]
#[case::nulls(r#""ping_id":null,"seq":null,"speed_mps":null,"ignition":null"#)]
#[case::escaped_key(r#""\u0073eq_":1"#)]
fn json_ignores(#[case] more: &str) {
    let text = format!(
        r#" {{"vehicle_id":"bus-1","event_time_us":1480075200123456,"lat":30.25,"lon":-97.75,{more}}} "#
    );
    assert_eq!(json(&text), Ok(ping()));
}

#[rstest]
#[case::string_lat(r#"{"lat":"30"}"#, "lat is a string; expected a number")]
#[case::id_number(r#"{"vehicle_id":5}"#, "vehicle_id is a number; expected a string")]
#[case::id_object(r#"{"vehicle_id":{}}"#, "vehicle_id is an object; expected a string")]
#[case::seq_negative(
    r#"{"seq":-1}"#,
    "seq is a negative number; expected a whole number from 0 on"
)]
#[case::seq_fraction(r#"{"seq":1.5}"#, "seq is a number; expected a whole number from 0 on")]
#[case::ignition_number(r#"{"ignition":1}"#, "ignition is a number; expected true or false")]
#[case::time_number(
    r#"{"event_time":1480075200}"#,
    "event_time is a number; expected an RFC 3339 time such as 2016-11-25T12:00:00Z"
)]
#[case::time_without_zone(
    r#"{"event_time":"2016-11-25T12:00:00"}"#,
    "event_time is \"2016-11-25T12:00:00\"; expected an RFC 3339 time such as 2016-11-25T12:00:00Z"
)]
#[case::time_overflow(
    r#"{"event_time_ms":9223372036854775807}"#,
    "event_time_ms is 9223372036854775807; expected milliseconds since 1970, less than 292,000 \
     years from then"
)]
#[case::time_twice(
    r#"{"event_time_ms":1,"event_time_us":1000}"#,
    "event_time_us repeats a time that was given before; give it once"
)]
#[case::lat_missing(r#"{"vehicle_id":"a","event_time_ms":1,"lon":1}"#, "lat is missing")]
#[case::lon_null(r#"{"vehicle_id":"a","event_time_ms":1,"lat":1,"lon":null}"#, "lon is missing")]
#[case::number("5", "a ping is a JSON object, not a number")]
#[case::nothing("null", "a ping is a JSON object, not null")]
#[case::text("\"{}\"", "a ping is a JSON object, not a string")]
#[case::empty("", "not JSON: EOF while parsing a value at line 1 column 0")]
#[case::cut(r#"{"lat":"x","lon""#, "not JSON: EOF while parsing an object at line 1 column 16")]
#[case::two(r#"{}{}"#, "not JSON: trailing characters at line 1 column 3")]
#[case::nan(r#"{"lat":NaN}"#, "not JSON: expected value at line 1 column 8")]
#[case::huge(r#"{"lat":1e999}"#, "not JSON: number out of range at line 1 column 12")]
fn json_refuses(#[case] text: &str, #[case] message: &str) {
    assert_eq!(json(text), Err(("undecodable", message.to_owned())));
}

#[test]
fn a_time_of_zero_is_a_missing_one() {
    let code = |text| json(text).expect_err("refused").0;
    assert_eq!(code(r#"{"vehicle_id":"a","lat":1,"lon":1}"#), "event_time_missing");
    let zero = r#"{"vehicle_id":"a","lat":1,"lon":1,"event_time":"1970-01-01T00:00:00Z"}"#;
    assert_eq!(code(zero), "event_time_missing");
    let bytes = VehiclePing { event_time_us: 0, ..ping() }.encode_to_vec().into();
    let items = decode(ContentType::Ping, &bytes).expect("a message");
    assert_eq!(read(&items[0]), Err(DecodeError::EventTimeMissing));
}

#[test]
fn arrays_and_lines_give_an_item_each_cut_from_the_message() {
    let good =
        r#"{"vehicle_id":"bus-1","event_time_us":1480075200123456,"lat":30.25,"lon":-97.75}"#;
    let array = format!(" [{good} , 5,{{\"lat\":true}}]");
    let lines = format!("\r\n{good}\r\n5\n\n{{\"lat\":true}}");
    for (content_type, text) in [(ContentType::Json, array), (ContentType::Ndjson, lines)] {
        let items = decode(content_type, &text.into()).expect("can be read as such");
        let originals: Vec<&[u8]> = items.iter().map(|item| &item.original[..]).collect();
        assert_eq!(originals, [good.as_bytes(), b"5", b"{\"lat\":true}"]);
        let pings: Vec<bool> = items.iter().map(|item| read(item).is_ok()).collect();
        assert_eq!(pings, [true, false, false]);
    }
    assert_eq!(decode(ContentType::Json, &"[]".into()), Ok(vec![]));
    assert_eq!(decode(ContentType::Ndjson, &"\n\n".into()), Ok(vec![]));
    // One line that is no JSON is refused alone, one syntax error in an array
    // makes the array unreadable.
    let items = decode(ContentType::Ndjson, &format!("{{\n{good}\n").into()).expect("lines");
    assert!(read(&items[0]).is_err() && read(&items[1]).is_ok());
    assert!(decode(ContentType::Json, &format!("[{{,{good}]").into()).is_err());
}

#[test]
fn limits_are_exact() {
    let sized = |bytes: usize| {
        let bare = VehiclePing { ping_id: Some(String::new()), ..ping() }.encoded_len();
        // The length of a long text takes two bytes more than that of none.
        let ping = VehiclePing { ping_id: Some("x".repeat(bytes - bare - 2)), ..ping() };
        Bytes::from(ping.encode_to_vec())
    };
    assert_eq!(sized(PING_BYTES_MAX).len(), PING_BYTES_MAX);
    assert!(view(&sized(PING_BYTES_MAX)).is_ok());
    let over = view(&sized(PING_BYTES_MAX + 1)).expect_err("too large");
    assert_eq!(over, DecodeError::TooLarge { bytes: PING_BYTES_MAX + 1 });
    assert_eq!(over.code(), "too_large");

    let batch = |pings| VehiclePingBatch { pings: vec![ping(); pings] }.encode_to_vec().into();
    assert_eq!(decode(ContentType::Batch, &batch(1_000)).map(|items| items.len()), Ok(1_000));
    let over = decode(ContentType::Batch, &batch(1_001)).expect_err("too many");
    assert_eq!((over.code(), over), ("too_large", DecodeError::TooMany { pings: 1_001 }));

    let junk = Bytes::from(vec![b'x'; 300_000]);
    assert_eq!(decode(ContentType::Json, &junk).expect_err("junk").code(), "too_large");
}

#[test]
fn a_broken_ping_in_a_batch_is_refused_alone() {
    let mut batch = Vec::new();
    for ping in [&ping().encode_to_vec()[..], &[0x0a, 0x7f], &[]] {
        wire::bytes(&mut batch, 1, ping);
    }
    let items = decode(ContentType::Batch, &batch.into()).expect("a batch");
    assert_eq!(read(&items[0]), Ok(ping()));
    let code = |item: &Item| read(item).expect_err("refused").code();
    assert_eq!(code(&items[1]), "undecodable");
    assert_eq!(code(&items[2]), "event_time_missing");
}

#[test]
fn fields_of_later_versions_stay_in_the_payload() {
    let mut bytes = ping().encode_to_vec();
    wire::varint(&mut bytes, 900, 5);
    let bytes = Bytes::from(bytes);
    let items = decode(ContentType::Ping, &bytes).expect("unknown fields are no error");
    assert_eq!(read(&items[0]), Ok(ping()));
    assert_eq!(items[0].payload(), Ok(&bytes));
}

#[rstest]
#[case("application/x-protobuf", Some(ContentType::Ping))]
#[case("Application/Protobuf", Some(ContentType::Ping))]
#[case(
    "application/x-protobuf; messageType=\"fleet.telemetry.v1.VehiclePing\"",
    Some(ContentType::Ping)
)]
#[case(
    "application/x-protobuf;messageType=fleet.telemetry.v1.VehiclePingBatch",
    Some(ContentType::Batch)
)]
#[case("application/json; charset=utf-8", Some(ContentType::Json))]
#[case("application/x-ndjson", Some(ContentType::Ndjson))]
#[case("text/csv", None)]
#[case("", None)]
fn content_types(#[case] name: &str, #[case] expected: Option<ContentType>) {
    assert_eq!(ContentType::named(name), expected);
}

#[test]
fn content_types_read_back_their_own_names() {
    for content_type in
        [ContentType::Ping, ContentType::Batch, ContentType::Json, ContentType::Ndjson]
    {
        assert_eq!(ContentType::named(content_type.name()), Some(content_type));
    }
}

fn entries(envelope: &Envelope<'_>, content_type: ContentType, bytes: &Bytes) -> Vec<Entry> {
    let mut out = Vec::new();
    envelope.entries(content_type, bytes, &mut out);
    out
}

fn letter(entry: &Entry) -> &DeadLetter {
    match entry {
        Entry::Rejected(letter) => letter,
        Entry::Ping { .. } => panic!("not refused: {entry:?}"),
    }
}

#[test]
fn an_admitted_ping_keeps_the_bytes_it_came_in() {
    let bytes = Bytes::from(full_ping().encode_to_vec());
    match &entries(&ENVELOPE, ContentType::Ping, &bytes)[..] {
        [Entry::Ping { ping, payload, message_id, dropped }] => {
            assert_eq!(ping.vehicle_id, "bus-1");
            assert_eq!(ping.event_time, TimeMs(1_480_075_200_123));
            assert_eq!(ping.receive_time, ENVELOPE.receive_time);
            assert_eq!(payload.as_ptr(), bytes.as_ptr(), "not copied");
            assert_eq!((payload, message_id.as_str()), (&bytes, "m1"));
            assert_eq!(*dropped, Dropped::default());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dropped_value_is_gone_from_the_payload_too() {
    let sent = VehiclePing { speed_mps: Some(114.0), heading_deg: Some(400.0), ..full_ping() };
    let expected = VehiclePing { speed_mps: None, heading_deg: None, ..full_ping() };
    match &entries(&ENVELOPE, ContentType::Ping, &sent.encode_to_vec().into())[..] {
        [Entry::Ping { ping, payload, dropped, .. }] => {
            assert_eq!((ping.speed_mps, ping.heading_deg), (None, None));
            assert_eq!(VehiclePing::decode(payload.clone()), Ok(expected));
            assert_eq!(*dropped, Dropped { speed: true, heading: true, accuracy: false });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dead_letter_holds_the_original_and_says_why() {
    let bytes = Bytes::from_static(b"junk");
    let found = entries(&ENVELOPE, ContentType::Ping, &bytes);
    let found = letter(&found[0]);
    assert_eq!((found.reason.as_str(), &found.payload), ("undecodable", &bytes));
    assert!(found.detail.starts_with("not a protobuf VehiclePing: "), "{}", found.detail);
    assert_eq!((found.source.as_str(), found.source_message_id.as_str()), ("test", "m1"));
    assert_eq!(found.receive_time_ms, ENVELOPE.receive_time.0);
    assert_eq!(found.content_type, "application/x-protobuf");

    let null_island = VehiclePing { lat: 0.0, lon: 0.0, ..ping() }.encode_to_vec().into();
    let found = entries(&ENVELOPE, ContentType::Ping, &null_island);
    assert_eq!(letter(&found[0]).reason, "null_island");
    let allowing = Envelope { allow_null_island: true, ..ENVELOPE };
    assert!(matches!(
        entries(&allowing, ContentType::Ping, &null_island)[..],
        [Entry::Ping { .. }]
    ));
}

#[test]
fn a_dead_letter_is_keyed_by_message_place_or_content() {
    let bad = VehiclePing { lat: 91.0, ..ping() };
    let batch = VehiclePingBatch { pings: vec![bad.clone(), ping(), bad.clone()] };
    let bytes = batch.encode_to_vec().into();
    let ids = |envelope: &Envelope<'_>| {
        let found = entries(envelope, ContentType::Batch, &bytes);
        assert!(matches!(found[1], Entry::Ping { .. }));
        [&found[0], &found[2]].map(|entry| {
            assert_eq!(letter(entry).content_type, "application/x-protobuf");
            assert_eq!(letter(entry).payload, bad.encode_to_vec());
            letter(entry).source_message_id.clone()
        })
    };
    assert_eq!(ids(&ENVELOPE), ["m1#0", "m1#2"]);
    let hash = content_id(&bad.encode_to_vec());
    assert_eq!(ids(&Envelope { message_id: "", ..ENVELOPE }), [hash.clone(), hash]);
    // XXH3-128 of no bytes, as the algorithm's specification gives it.
    assert_eq!(content_id(b""), "99aa06d3014798d86001c324468d497f");
}

#[test]
fn a_dead_letter_of_a_text_holds_the_text() {
    let text = |lat: f64, speed: f64| {
        format!(
            r#"{{"vehicle_id":"bus-1","event_time_us":1480075200123456,"lat":{lat},"lon":-97.75,"speed_mps":{speed}}}"#
        )
    };
    let lines = [text(91.0, 5.0), text(30.25, 114.0), "5".into()];
    let array = format!("[{}]", lines.join(","));
    for (content_type, all) in [(ContentType::Json, array), (ContentType::Ndjson, lines.join("\n"))]
    {
        let found = entries(&ENVELOPE, content_type, &all.into());
        for (index, reason) in [(0, "lat_out_of_range"), (2, "undecodable")] {
            let found = letter(&found[index]);
            assert_eq!(
                (found.reason.as_str(), &found.payload[..]),
                (reason, lines[index].as_bytes())
            );
            assert_eq!(found.source_message_id, format!("m1#{index}"));
            assert_eq!(found.content_type, "application/json");
        }
        match &found[1] {
            Entry::Ping { payload, dropped, .. } => {
                assert_eq!(VehiclePing::decode(payload.clone()), Ok(ping()));
                assert_eq!(*dropped, Dropped { speed: true, heading: false, accuracy: false });
            }
            other => panic!("{other:?}"),
        }
    }
}

fn fields(ping: &VehiclePing) -> PingFields<'_> {
    let text = |text: &'_ Option<String>| text.clone().map(Cow::Owned);
    PingFields {
        vehicle_id: Some(Cow::Borrowed(&ping.vehicle_id)),
        ping_id: text(&ping.ping_id),
        seq: ping.seq,
        event_time_us: Some(ping.event_time_us),
        receive_time_us: None,
        lat: Some(ping.lat),
        lon: Some(ping.lon),
        altitude_m: ping.altitude_m,
        accuracy_m: ping.accuracy_m,
        speed_mps: ping.speed_mps,
        heading_deg: ping.heading_deg,
        odometer_m: ping.odometer_m,
        ignition: ping.ignition,
        engine_rpm: ping.engine_rpm,
        fuel_percent: ping.fuel_percent,
        battery_percent: ping.battery_percent,
        driver_id: text(&ping.driver_id),
        route_id: text(&ping.route_id),
        trip_id: text(&ping.trip_id),
    }
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), -200.0..200.0, Just(f64::NAN)]
}

fn any_ping() -> impl Strategy<Value = VehiclePing> {
    let number = || prop::option::of(any_number());
    let text = || prop::option::of(prop_oneof![Just(String::new()), ".{0,200}"]);
    let time = prop_oneof![any::<i64>(), Just(0), 1_480_075_200_000_000..1_480_075_300_000_000_i64];
    (
        (
            prop_oneof![".{0,80}", "[a-z0-9:._-]{1,64}"],
            text(),
            prop::option::of(any::<u64>()),
            time,
        ),
        (any_number(), any_number(), number(), number(), number(), number(), number()),
        (prop::option::of(any::<bool>()), number(), number(), number(), text(), text(), text()),
    )
        .prop_map(|(key, place, rest)| VehiclePing {
            vehicle_id: key.0,
            ping_id: key.1,
            seq: key.2,
            event_time_us: key.3,
            lat: place.0,
            lon: place.1,
            altitude_m: place.2,
            accuracy_m: place.3,
            speed_mps: place.4,
            heading_deg: place.5,
            odometer_m: place.6,
            ignition: rest.0,
            engine_rpm: rest.1,
            fuel_percent: rest.2,
            battery_percent: rest.3,
            driver_id: rest.4,
            route_id: rest.5,
            trip_id: rest.6,
        })
}

proptest! {
    #[test]
    fn fields_encode_byte_for_byte_as_prost_does(ping in any_ping()) {
        let fields = fields(&ping);
        let mut encoded = Vec::new();
        fields.encode(&mut encoded);
        prop_assert_eq!(&encoded, &ping.encode_to_vec());
        prop_assert_eq!(fields.view().to_ping().encode_to_vec(), encoded);
    }

    #[test]
    fn a_batch_is_cut_as_prost_decodes_it(pings in prop::collection::vec(any_ping(), 0..20)) {
        let bytes = Bytes::from(VehiclePingBatch { pings }.encode_to_vec());
        let whole = VehiclePingBatch::decode(bytes.clone()).expect("encoded by prost");
        let items = decode(ContentType::Batch, &bytes).expect("a batch");
        prop_assert_eq!(items.len(), whole.pings.len());
        for (item, ping) in items.iter().zip(&whole.pings) {
            prop_assert_eq!(&item.original, &ping.encode_to_vec());
            let message = bytes.as_ptr_range();
            prop_assert!(item.original.is_empty() || message.contains(&item.original.as_ptr()));
            prop_assert_eq!(item.payload().map(|payload| payload.as_ptr()), Ok(item.original.as_ptr()));
            match read(item) {
                Ok(read) => prop_assert_eq!(read.encode_to_vec(), ping.encode_to_vec()),
                Err(error) => {
                    prop_assert_eq!((error, ping.event_time_us), (DecodeError::EventTimeMissing, 0));
                }
            }
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        judge_all_ways(bytes.into())?;
    }

    #[test]
    fn no_damage_makes_it_panic(
        pings in prop::collection::vec(any_ping(), 1..4),
        as_json in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = if as_json {
            let text = |ping: &VehiclePing| format!(
                r#"{{"vehicle_id":{:?},"event_time_us":{},"lat":{},"lon":{}}}"#,
                ping.vehicle_id, ping.event_time_us, ping.lat, ping.lon,
            );
            format!("[{}]", pings.iter().map(text).collect::<Vec<_>>().join(",")).into_bytes()
        } else {
            VehiclePingBatch { pings }.encode_to_vec()
        };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        judge_all_ways(bytes.into())?;
    }
}

/// Whatever the bytes, each entry accounts for bytes of the message.
fn judge_all_ways(bytes: Bytes) -> Result<(), TestCaseError> {
    for content_type in
        [ContentType::Ping, ContentType::Batch, ContentType::Json, ContentType::Ndjson]
    {
        for entry in entries(&ENVELOPE, content_type, &bytes) {
            if let Entry::Rejected(letter) = entry {
                prop_assert!(letter.payload.len() <= bytes.len());
                prop_assert!(!letter.reason.is_empty() && !letter.detail.is_empty());
            }
        }
    }
    Ok(())
}
