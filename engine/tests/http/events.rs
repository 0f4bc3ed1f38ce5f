//! `GET /v1/events`: order, filters, resumption, lag, end.

use std::time::Duration;

use engine::http::{FeedLimits, HttpLimits};
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceEnter, GeofenceExit, IdleEnd, IdleStart};
use protos::journal::Segment;

use crate::client::{Connection, ask, get};
use crate::world::{Setup, World};

fn segment(seq: u64, events: &[(&str, &str, &str)]) -> Segment {
    let event = |(kind, vehicle, fence): &(&str, &str, &str)| FleetEvent {
        detail: Some(detail(kind)),
        vehicle_id: (*vehicle).into(),
        fence_id: (*fence).into(),
        ..FleetEvent::default()
    };
    Segment { shard: 0, seq, events: events.iter().map(event).collect(), ..Segment::default() }
}

fn detail(kind: &str) -> Detail {
    match kind {
        "geofence_enter" => Detail::GeofenceEnter(GeofenceEnter {}),
        "geofence_exit" => Detail::GeofenceExit(GeofenceExit {}),
        "idle_start" => Detail::IdleStart(IdleStart {}),
        "idle_end" => Detail::IdleEnd(IdleEnd::default()),
        other => panic!("no test speaks of {other}"),
    }
}

/// An open stream, its greeting read: what is published from here on is seen.
async fn follow(world: &World, query: &str, headers: &[(&str, &str)]) -> Connection {
    let mut stream = Connection::open(world.address).await;
    stream.request(&format!("GET /v1/events{query}"), headers, b"").await;
    let head = stream.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    let greeting = stream.read_until("\n\n").await;
    assert!(greeting.contains(": committed events") && greeting.contains("retry: 2000"));
    stream
}

/// The lines of the next event, without the chunks' sizes.
async fn next(stream: &mut Connection) -> Vec<String> {
    let text = stream.read_until("\n\n").await;
    let field = |line: &&str| ["id:", "event:", "data:", ":"].iter().any(|f| line.starts_with(f));
    text.lines().filter(field).map(str::to_owned).collect()
}

#[tokio::test]
async fn committed_events_arrive_in_order_with_id_kind_and_object() {
    let world = World::new().await;
    world.feed.publish(&segment(1, &[("idle_start", "before", "")]));
    let mut stream = follow(&world, "", &[]).await;
    world.feed.publish(&segment(2, &[("geofence_enter", "a", "f"), ("idle_end", "b", "")]));
    let enter = next(&mut stream).await;
    assert_eq!(enter[..2], ["id: 0-2-0", "event: geofence_enter"]);
    let data = enter[2].strip_prefix("data: ").expect("the object");
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&event["kind"], &event["vehicle_id"]), (&"geofence_enter".into(), &"a".into()));
    assert_eq!(event["fence_id"], "f");
    assert_eq!(next(&mut stream).await[..2], ["id: 0-2-1", "event: idle_end"]);
}

#[tokio::test]
async fn filters_pass_what_they_name() {
    let world = World::new().await;
    let cases = [
        ("?kind=geofence_enter", vec!["0-1-0", "0-1-3"]),
        ("?kind=geofence_enter,idle_start", vec!["0-1-0", "0-1-3", "0-1-4"]),
        ("?vehicle=b", vec!["0-1-2", "0-1-3"]),
        ("?fence=f,g&vehicle=b", vec!["0-1-2", "0-1-3"]),
        ("?fence=g&kind=geofence_enter", vec!["0-1-3"]),
        // Given once it is a list, given again each is a name as it stands.
        ("?fence=dock,%20north,f", vec!["0-1-0", "0-1-2"]),
        ("?fence=dock,%20north&fence=f", vec!["0-1-0", "0-1-1", "0-1-2"]),
        ("?fence=dock%2C+north&fence=", vec!["0-1-1"]),
        ("?vehicle=b&kind=geofence_exit&vehicle=c&kind=idle_end", vec!["0-1-1", "0-1-2"]),
        ("?vehicle=&vehicle=", vec!["0-1-0", "0-1-1", "0-1-2", "0-1-3", "0-1-4"]),
    ];
    let mut streams = Vec::new();
    for (query, ids) in cases {
        streams.push((follow(&world, query, &[]).await, query, ids));
    }
    world.feed.publish(&segment(
        1,
        &[
            ("geofence_enter", "a", "f"),
            ("geofence_exit", "c", "dock, north"),
            ("geofence_exit", "b", "f"),
            ("geofence_enter", "b", "g"),
            ("idle_start", "a", ""),
        ],
    ));
    for (stream, query, ids) in &mut streams {
        for id in ids {
            assert_eq!(next(stream).await[0], format!("id: {id}"), "{query}");
        }
    }
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_or_says_that_it_cannot() {
    let feed = FeedLimits { events_max: 3, ..FeedLimits::default() };
    let world = World::with(Setup { feed, ..Setup::default() }).await;
    for seq in 1..=4 {
        world.feed.publish(&segment(seq, &[("idle_start", "v", "")]));
    }
    let mut resumed = follow(&world, "", &[("last-event-id", "0-3-0")]).await;
    assert_eq!(next(&mut resumed).await[0], "id: 0-4-0");

    let mut too_late = follow(&world, "", &[("last-event-id", "0-1-0")]).await;
    assert_eq!(next(&mut too_late).await[0], "event: gap");
    assert_eq!(next(&mut too_late).await[0], "id: 0-2-0");

    let bad = ask(world.address, "GET /v1/events", &[("last-event-id", "17")], b"").await;
    assert_eq!((bad.status, bad.code()), (400, "last_event_id_unreadable".into()));
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed_and_holds_up_nobody() {
    let feed = FeedLimits { events_max: 3, ..FeedLimits::default() };
    let world = World::with(Setup { feed, ..Setup::default() }).await;
    let mut stream = follow(&world, "", &[]).await;
    // Ten at once: seven are gone before any reader can have its turn.
    world.feed.publish(&segment(1, &[("idle_start", "v", ""); 10]));
    assert_eq!(next(&mut stream).await, ["event: lagged", "data: {\"missed\":7}"]);
    assert_eq!(next(&mut stream).await[0], "id: 0-1-7");
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let limits = HttpLimits { keep_alive: Duration::from_millis(50), ..HttpLimits::default() };
    let world = World::limited(limits).await;
    let mut stream = follow(&world, "", &[]).await;
    assert_eq!(next(&mut stream).await, [": keep-alive"]);
    assert_eq!(next(&mut stream).await, [": keep-alive"]);
}

#[tokio::test]
async fn streams_are_bounded_in_number_and_their_places_come_back() {
    let limits = HttpLimits {
        event_streams_max: 1,
        keep_alive: Duration::from_millis(20),
        ..HttpLimits::default()
    };
    let world = World::limited(limits).await;
    let first = follow(&world, "", &[]).await;
    let refused = get(world.address, "/v1/events").await;
    assert_eq!((refused.status, refused.code()), (503, "too_many_streams".into()));
    drop(first);
    // The server learns of it at its next write.
    let freed = async {
        loop {
            let mut stream = Connection::open(world.address).await;
            stream.request("GET /v1/events", &[], b"").await;
            if stream.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    };
    tokio::time::timeout(crate::client::PATIENCE, freed).await.expect("the place is free again");
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    for (query, code) in [
        ("?kind=geofence", "kind_unknown"),
        ("?kind=idle_start,idle_end&kind=idle_end", "kind_unknown"),
        ("?knid=x", "query_unreadable"),
    ] {
        let answer = get(world.address, &format!("/v1/events{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::new().await;
    let mut stream = follow(&world, "", &[]).await;
    world.stop.cancel();
    // The last chunk: the client knows that it has everything.
    assert!(stream.read_to_close().await.ends_with("0\r\n\r\n"));
    tokio::time::timeout(crate::client::PATIENCE, world.served).await.expect("ended").unwrap();
}
