//! Start and end of the server.

use std::time::Duration;

use engine::http::{BindError, HttpLimits, HttpServer};
use engine::intake::PauseReason;
use tokio::net::TcpStream;

use crate::client::{Connection, PATIENCE, get};
use crate::world::{World, commit, json_ping};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let world = World::new().await;
    let error = World::bind_again(world.address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&world.address.to_string()) && text.contains("another port"), "{text}");
    let nowhere = World::bind_again("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(nowhere, BindError::NoSuchAddress { .. }), "{nowhere}");
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let world = World::new().await;
    let mut connection = Connection::open(world.address).await;
    for _ in 0..3 {
        assert_eq!(connection.request("GET /livez", &[], b"").await.answer().await.status, 200);
    }
}

#[tokio::test]
async fn requests_under_way_are_answered_before_the_end() {
    let mut world = World::new().await;
    let mut idle = Connection::open(world.address).await;
    assert_eq!(idle.request("GET /livez", &[], b"").await.answer().await.status, 200);
    let mut under_way = Connection::open(world.address).await;
    under_way.request("POST /v1/pings", &[JSON], json_ping("last").as_bytes()).await;
    let delivery = world.delivery().await;

    world.intake.pause(PauseReason::Draining);
    world.stop.cancel();
    assert_eq!(idle.read_to_close().await, "");
    assert!(!world.served.is_finished());
    commit(delivery);
    assert_eq!(under_way.answer().await.status, 202);
    assert_eq!(under_way.read_to_close().await, "");
    tokio::time::timeout(PATIENCE, world.served).await.expect("ended").unwrap();
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_shutdown() {
    let limits = HttpLimits { drain_timeout: Duration::from_millis(100), ..HttpLimits::default() };
    let mut world = World::limited(limits).await;
    let mut stuck = Connection::open(world.address).await;
    stuck.request("POST /v1/pings", &[JSON], json_ping("stuck").as_bytes()).await;
    let _held = world.delivery().await;
    world.stop.cancel();
    tokio::time::timeout(PATIENCE, world.served).await.expect("ended").unwrap();
    assert_eq!(stuck.read_to_close().await, "", "cut off, and above all not acknowledged");
}

#[tokio::test]
async fn nothing_is_served_before_serve() {
    let world = World::new().await;
    let server: HttpServer = World::bind_again("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut early = Connection::open(server.address()).await;
    early.request("GET /livez", &[], b"").await;
    assert!(early.silent_for(Duration::from_millis(50)).await);
    let address = server.address();
    let serving = tokio::spawn(server.serve());
    assert_eq!(early.answer().await.status, 200);
    assert_eq!(get(address, "/livez").await.status, 200);
    serving.abort();
    drop(world);
}

#[tokio::test]
async fn behind_a_shut_door_only_health_is_told() {
    let world = World::new().await;
    let server = World::bind_again("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let door = server.door();
    let mut connection = Connection::open(server.address()).await;
    let serving = tokio::spawn(server.serve());
    assert_eq!(connection.request("GET /livez", &[], b"").await.answer().await.status, 200);
    let unready = connection.request("GET /readyz", &[], b"").await.answer().await;
    assert_eq!((unready.status, &unready.json()["ready"]), (503, &false.into()));
    assert_eq!(unready.json()["reasons"][0]["code"], "recovering");
    for line in ["GET /v1/positions", "GET /metrics", "GET /", "POST /v1/pings"] {
        let answer = connection.request(line, &[], b"").await.answer().await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &"recovering".into()), "{line}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{line}");
    }
    // The connection that stands finds it open.
    door.open(world.services.clone());
    assert_eq!(connection.request("GET /readyz", &[], b"").await.answer().await.status, 200);
    let answer = connection.request("GET /v1/positions", &[], b"").await.answer().await;
    assert_eq!(answer.status, 200);
    serving.abort();
}
