use super::*;
use crate::events::*;

/// An enter with every field of the envelope set.
fn whole() -> FleetEvent {
    FleetEvent {
        event_id: Id::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        op: Op::Amend.into(),
        revision: 1_480_075_200_017,
        vehicle_id: "bus-7".into(),
        fence_id: "zone \"A\"".into(),
        fence_version: 3,
        visit_id: Id::new(0xaa << 120),
        episode_id: Id::new(0xbb << 120),
        event_time_ms: 1_480_075_215_000,
        not_before_ms: 1_480_075_200_000,
        not_after_ms: 1_480_075_230_001,
        observed_at_ms: 1_480_075_231_500,
        lat: Some(50.005),
        lon: Some(-97.743_106_1),
        distance_m: Some(0.0),
        accuracy_m: Some(5.0),
        confidence: Some(0.9731),
        reason: Reason::Crossed.into(),
        late: true,
        replaces: Id::new(0xff << 120),
        schema_version: 1,
        detail: Some(Detail::GeofenceEnter(GeofenceEnter {})),
    }
}

fn text(event: &FleetEvent, rendering: Rendering) -> String {
    let mut out = Vec::new();
    push_event(&mut out, event, rendering);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_whole_envelope_in_full() {
    assert_eq!(
        text(&whole(), Rendering::Full),
        concat!(
            r#"{"event_id":"0123456789abcdef0123456789abcdef","op":"amend","#,
            r#""revision":1480075200017,"kind":"geofence_enter","vehicle_id":"bus-7","#,
            r#""fence_id":"zone \"A\"","fence_version":3,"visit_id":"aa000000000000000000000000000000","episode_id":"bb000000000000000000000000000000","#,
            r#""event_time":"2016-11-25T12:00:15.000Z","not_before":"2016-11-25T12:00:00.000Z","#,
            r#""not_after":"2016-11-25T12:00:30.001Z","observed_at":"2016-11-25T12:00:31.500Z","#,
            r#""lat":50.005,"lon":-97.7431061,"distance_m":0.0,"accuracy_m":5.0,"#,
            r#""confidence":0.9731,"reason":"crossed","late":true,"replaces":"ff000000000000000000000000000000","#,
            r#""schema_version":1}"#,
        )
    );
}

#[test]
fn folded_leaves_out_how_it_was_learnt() {
    assert_eq!(
        text(&whole(), Rendering::Folded),
        concat!(
            r#"{"event_id":"0123456789abcdef0123456789abcdef","kind":"geofence_enter","#,
            r#""vehicle_id":"bus-7","fence_id":"zone \"A\"","fence_version":3,"visit_id":"aa000000000000000000000000000000","#,
            r#""episode_id":"bb000000000000000000000000000000","event_time":"2016-11-25T12:00:15.000Z","#,
            r#""not_before":"2016-11-25T12:00:00.000Z","not_after":"2016-11-25T12:00:30.001Z","#,
            r#""lat":50.005,"lon":-97.7431061,"distance_m":0.0,"accuracy_m":5.0,"#,
            r#""confidence":0.9731,"reason":"crossed","schema_version":1}"#,
        )
    );
}

#[test]
fn each_kind_with_its_own_fields() {
    let cases = [
        (Detail::GeofenceEnter(GeofenceEnter {}), r#""kind":"geofence_enter""#, ""),
        (Detail::GeofenceExit(GeofenceExit {}), r#""kind":"geofence_exit""#, ""),
        (
            Detail::GeofenceCross(GeofenceCross { out_time_ms: 1500, inside_m: 286.7 }),
            r#""kind":"geofence_cross""#,
            r#","out_time":"1970-01-01T00:00:01.500Z","inside_m":286.7"#,
        ),
        (
            Detail::GeofenceDwell(GeofenceDwell { threshold_s: 300 }),
            r#""kind":"geofence_dwell""#,
            r#","threshold_s":300"#,
        ),
        (
            Detail::GeofenceVisit(GeofenceVisit {
                enter_time_ms: 0,
                duration_s: 296.7,
                certain_s: 290.0,
                possible_s: 310.0,
                max_gap_s: 10.0,
                pings: 30,
            }),
            r#""kind":"geofence_visit""#,
            concat!(
                r#","enter_time":"1970-01-01T00:00:00.000Z","duration_s":296.7,"#,
                r#""certain_s":290.0,"possible_s":310.0,"max_gap_s":10.0,"pings":30"#,
            ),
        ),
        (Detail::StationaryStart(StationaryStart {}), r#""kind":"stationary_start""#, ""),
        (
            Detail::StationaryEnd(StationaryEnd { duration_s: 301.0 }),
            r#""kind":"stationary_end""#,
            r#","duration_s":301.0"#,
        ),
        (Detail::IdleStart(IdleStart {}), r#""kind":"idle_start""#, ""),
        (
            Detail::IdleEnd(IdleEnd { duration_s: 301.25 }),
            r#""kind":"idle_end""#,
            r#","duration_s":301.25"#,
        ),
        (
            Detail::VehicleOffline(VehicleOffline { threshold_s: 300.0 }),
            r#""kind":"vehicle_offline""#,
            r#","threshold_s":300.0"#,
        ),
        (
            Detail::VehicleOnline(VehicleOnline { silence_s: 1234.5 }),
            r#""kind":"vehicle_online""#,
            r#","silence_s":1234.5"#,
        ),
        (
            Detail::SourceStalled(SourceStalled { source: "http".into() }),
            r#""kind":"source_stalled""#,
            r#","source":"http""#,
        ),
        (
            Detail::SourceRecovered(SourceRecovered { source: "http".into() }),
            r#""kind":"source_recovered""#,
            r#","source":"http""#,
        ),
    ];
    for (detail, kind, fields) in cases {
        let event = FleetEvent {
            event_id: Id::new(0xe << 124),
            op: Op::Assert.into(),
            revision: 9,
            event_time_ms: 1000,
            schema_version: 1,
            detail: Some(detail),
            ..FleetEvent::default()
        };
        assert_eq!(
            text(&event, Rendering::Full),
            format!(
                r#"{{"event_id":"e0000000000000000000000000000000","op":"assert","revision":9,{kind},"event_time":"1970-01-01T00:00:01.000Z","late":false,"schema_version":1{fields}}}"#
            )
        );
    }
}

#[test]
fn names_follow_the_wire_names() {
    let lower = |name: &str, prefix: &str| {
        let name = name.strip_prefix(prefix).unwrap().to_lowercase();
        if name == "unspecified" { String::new() } else { name }
    };
    for value in 0..=13 {
        let reason = Reason::try_from(value).unwrap();
        assert_eq!(reason_name(value), lower(reason.as_str_name(), "REASON_"));
    }
    for value in 0..=3 {
        let op = Op::try_from(value).unwrap();
        assert_eq!(op_name(value), lower(op.as_str_name(), "OP_"));
    }
    assert_eq!((reason_name(99), op_name(99)), ("", ""));
}
