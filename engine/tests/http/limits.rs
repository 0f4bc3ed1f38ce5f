//! Slow, silent and too many clients.

use std::time::Duration;

use engine::http::HttpLimits;

use crate::client::{Connection, PATIENCE, get, post};
use crate::world::{World, commit, json_ping};

const JSON: (&str, &str) = ("content-type", "application/json");

fn quick() -> HttpLimits {
    HttpLimits {
        header_timeout: Duration::from_millis(150),
        body_timeout: Duration::from_millis(150),
        ..HttpLimits::default()
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let world = World::limited(quick()).await;
    let mut connection = Connection::open(world.address).await;
    connection
        .send("POST /v1/pings HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n")
        .await
        .send("content-length: 100\r\n\r\n{\"vehicle")
        .await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.code()), (408, "body_timeout".into()));
    assert_eq!(connection.read_to_close().await, "");
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let world = World::new().await.commit_all();
    let body = vec![b'x'; 4 << 20];
    let mut connection = Connection::open(world.address).await;
    for (content_type, status) in [("text/plain", 415), (JSON.1, 413), ("text/plain", 415)] {
        let headers = [("content-type", content_type)];
        connection.request("POST /v1/pings", &headers, &body).await;
        assert_eq!(connection.answer().await.status, status);
    }
    // The connection goes on, too.
    connection.request("POST /v1/pings", &[JSON], json_ping("v").as_bytes()).await;
    assert_eq!(connection.answer().await.status, 202);
}

#[tokio::test]
async fn who_asks_first_is_refused_before_sending_anything() {
    let world = World::new().await.commit_all();
    let mut connection = Connection::open(world.address).await;
    let head = "POST /v1/pings HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n";
    connection.send(head).await.send("content-length: 4000000\r\n").await;
    connection.send("expect: 100-continue\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 413);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_closes_the_connection() {
    let world = World::limited(quick()).await;
    for start in ["", "POST /v1/pings HTTP/1.1\r\nhost: t\r\nx: "] {
        let mut connection = Connection::open(world.address).await;
        connection.send(start).await;
        assert_eq!(connection.read_to_close().await, "", "after {start:?}");
    }
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_given_up_too() {
    let world = World::limited(quick()).await;
    let mut connection = Connection::open(world.address).await;
    connection.send("GET /livez HTTP/1.1\r\n").await;
    let mut slow = Connection::open(world.address).await;
    // Each byte comes well within the limit, all of them do not.
    let dribble = async {
        loop {
            connection.send("x").await;
            if !connection.silent_for(Duration::from_millis(20)).await {
                break connection.read_to_close().await;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, dribble).await.expect("closed"), "");
    assert_eq!(slow.read_to_close().await, "");
}

#[tokio::test]
async fn what_is_not_http_is_answered_400() {
    let world = World::new().await;
    let mut connection = Connection::open(world.address).await;
    connection.send("\x16\x03\x01 hello\r\n\r\n").await;
    assert!(connection.read_to_close().await.starts_with("HTTP/1.1 400"));
    assert_eq!(get(world.address, "/livez").await.status, 200);
}

#[tokio::test]
async fn more_requests_under_way_than_allowed_are_sent_back() {
    let limits = HttpLimits { in_flight_max: 2, ..HttpLimits::default() };
    let mut world = World::limited(limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(world.address).await;
        connection.request("POST /v1/pings", &[JSON], json_ping("held").as_bytes()).await;
        held.push((connection, world.delivery().await));
    }
    let third = post(world.address, JSON.1, json_ping("third")).await;
    assert_eq!((third.status, third.code()), (429, "too_many_requests".into()));
    assert_eq!(third.header("retry-after"), Some("1"));
    assert_eq!(get(world.address, "/v1/positions").await.status, 200, "reads are not concerned");

    for (mut connection, delivery) in held {
        commit(delivery);
        assert_eq!(connection.answer().await.status, 202);
    }
    let mut again = Connection::open(world.address).await;
    again.request("POST /v1/pings", &[JSON], json_ping("again").as_bytes()).await;
    commit(world.delivery().await);
    assert_eq!(again.answer().await.status, 202);
}

#[tokio::test]
async fn bodies_being_read_are_bounded_in_bytes_over_all_requests() {
    let limits = HttpLimits {
        body_bytes_max: 1_000,
        decoded_bytes_max: 0,
        in_flight_bytes_max: 1_000,
        ..HttpLimits::default()
    };
    let world = World::limited(limits).await.commit_all();
    let mut half_sent = Connection::open(world.address).await;
    half_sent
        .send("POST /v1/pings HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n")
        .await
        // The server says when it has taken up the body.
        .send("content-length: 800\r\nexpect: 100-continue\r\n\r\n")
        .await;
    half_sent.read_until("100 Continue\r\n\r\n").await;

    let padded = |bytes: usize| format!("{:<bytes$}", json_ping("v"));
    let refused = post(world.address, JSON.1, padded(201)).await;
    assert_eq!((refused.status, refused.code()), (429, "too_many_bytes".into()));
    assert_eq!(post(world.address, JSON.1, padded(200)).await.status, 202);
    half_sent.send(padded(800)).await;
    assert_eq!(half_sent.answer().await.status, 202);
    assert_eq!(post(world.address, JSON.1, padded(1_000)).await.status, 202);
}

#[tokio::test]
async fn a_commit_that_takes_too_long_is_not_waited_for() {
    let limits = HttpLimits { answer_timeout: Duration::from_millis(150), ..HttpLimits::default() };
    let mut world = World::limited(limits).await;
    let mut connection = Connection::open(world.address).await;
    connection.request("POST /v1/pings", &[JSON], json_ping("slow").as_bytes()).await;
    let delivery = world.delivery().await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.code()), (503, "timed_out".into()));
    assert!(!delivery.ack.is_wanted(), "the shard can see that nobody waits");
    assert_eq!(world.intake.pings_held(), 1, "and still holds the ping");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let limits = HttpLimits { connections_max: 1, ..HttpLimits::default() };
    let world = World::limited(limits).await;
    let mut first = Connection::open(world.address).await;
    assert_eq!(first.request("GET /livez", &[], b"").await.answer().await.status, 200);
    let mut second = Connection::open(world.address).await;
    second.request("GET /livez", &[], b"").await;
    assert!(second.silent_for(Duration::from_millis(100)).await);
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_a_large_answer_is_cut_off() {
    let limits = HttpLimits {
        write_timeout: Duration::from_millis(150),
        connections_max: 1,
        ..HttpLimits::default()
    };
    let world = World::limited(limits).await;
    // More than the socket buffers of both ends hold.
    world.fences.send_replace(vec![b' '; 64 << 20].into());
    let mut deaf = Connection::open(world.address).await;
    deaf.request("GET /v1/fences", &[], b"").await;
    // Its place becomes free although it never reads and never closes.
    assert_eq!(get(world.address, "/livez").await.status, 200);
    drop(deaf);
}
