//! `POST /v1/pings`: formats, verdicts, bodies that cannot be read.

use std::io::{Read, Write};
use std::time::Duration;

use engine::http::HttpLimits;
use engine::intake::{Entry, PauseReason, QueueLimits};
use prost::Message;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use serde_json::json;

use crate::client::{Connection, ask, post};
use crate::world::{START_MS, Setup, World, commit, json_ping, json_pings};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const PROTOBUF: &str = "application/x-protobuf";

fn vehicle_ping(vehicle: &str) -> VehiclePing {
    VehiclePing {
        vehicle_id: vehicle.into(),
        event_time_us: START_MS * 1_000,
        lat: 30.25,
        lon: -97.75,
        ..VehiclePing::default()
    }
}

fn batch(vehicles: &[&str]) -> Vec<u8> {
    let pings = vehicles.iter().map(|vehicle| vehicle_ping(vehicle)).collect();
    VehiclePingBatch { pings }.encode_to_vec()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_format_is_taken_ping_by_ping() {
    let world = World::new().await.commit_all();
    let object = json_ping("object");
    let array = json_pings(&["array-1", "array-2"]);
    let lines = format!("{}\n\n{}\r\n", json_ping("line-1"), json_ping("line-2"));
    let one = "application/x-protobuf; messageType=\"fleet.telemetry.v1.VehiclePing\"";
    let batched = "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch";
    let single = vehicle_ping("single").encode_to_vec();
    let cases: [(&str, &[u8], usize); 8] = [
        (JSON, object.as_bytes(), 1),
        ("Application/JSON; charset=utf-8", array.as_bytes(), 2),
        (NDJSON, lines.as_bytes(), 2),
        ("application/ndjson", lines.as_bytes(), 2),
        (PROTOBUF, &batch(&["batch-1", "batch-2"]), 2),
        ("application/protobuf", &batch(&["batch-3"]), 1),
        (batched, &batch(&["batch-4"]), 1),
        (one, &single, 1),
    ];
    for (content_type, body, accepted) in cases {
        let answer = post(world.address, content_type, body).await;
        assert_eq!(answer.status, 202, "{content_type}: {answer:?}");
        let expected = json!({"accepted": accepted, "duplicate": 0, "rejected": []});
        assert_eq!(answer.json(), expected, "{content_type}");
    }
    let expected = [
        "object", "array-1", "array-2", "line-1", "line-2", "line-1", "line-2", "batch-1",
        "batch-2", "batch-3", "batch-4", "single",
    ];
    assert_eq!(world.committed(), expected);
}

#[tokio::test]
async fn every_encoding_is_taken() {
    let world = World::new().await.commit_all();
    let body = json_pings(&["a", "b"]);
    let zstd = zstd::encode_all(body.as_bytes(), 3).unwrap();
    let two_members = [gzip(&body.as_bytes()[..20]), gzip(&body.as_bytes()[20..])].concat();
    let cases: [(&str, &[u8]); 4] = [
        ("identity", body.as_bytes()),
        ("gzip", &gzip(body.as_bytes())),
        ("GZIP", &two_members),
        ("zstd", &zstd),
    ];
    for (encoding, body) in cases {
        let headers = [("content-type", JSON), ("content-encoding", encoding)];
        let answer = ask(world.address, "POST /v1/pings", &headers, body).await;
        assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(2)), "{encoding}");
    }
}

#[tokio::test]
async fn a_chunked_body_is_taken() {
    let world = World::new().await.commit_all();
    let ping = json_ping("chunked");
    let (first, second) = ping.split_at(10);
    let mut connection = Connection::open(world.address).await;
    connection
        .send("POST /v1/pings HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n")
        .await
        .send("transfer-encoding: chunked\r\n\r\n")
        .await
        .send(format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", 10, second.len()))
        .await;
    assert_eq!(connection.answer().await.status, 202);
    assert_eq!(world.committed(), ["chunked"]);
}

#[tokio::test]
async fn nothing_to_take_is_taken() {
    let world = World::new().await.commit_all();
    for (content_type, body) in [(JSON, "[]"), (JSON, " [ ] "), (NDJSON, "\n"), (PROTOBUF, "")] {
        let answer = post(world.address, content_type, body).await;
        assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(0)), "{body:?}");
    }
}

#[tokio::test]
async fn verdicts_are_counted_and_rejects_named_by_index() {
    let world = World::new().await.commit_all();
    let large = format!("{{\"vehicle_id\":\"{}\"}}", "x".repeat(64 * 1024));
    let body = format!(
        "[{},{{\"vehicle_id\":\"no-time\",\"lat\":1,\"lon\":1}},{},17,{large},{}]",
        json_ping("a"),
        json_ping("twin"),
        json_ping("bad id"),
    );
    let answer = post(world.address, JSON, body).await;
    assert_eq!(answer.status, 202);
    let json = answer.json();
    assert_eq!((&json["accepted"], &json["duplicate"]), (&json!(1), &json!(1)));
    let rejected: Vec<(u64, &str)> = (json["rejected"].as_array().unwrap().iter())
        .map(|r| (r["index"].as_u64().unwrap(), r["code"].as_str().unwrap()))
        .collect();
    let expected = [
        (1, "event_time_missing"),
        (3, "undecodable"),
        (4, "too_large"),
        (5, "vehicle_id_bad_character"),
    ];
    assert_eq!(rejected, expected);
    assert_eq!(json["rejected"][4 - 2]["message"], "65553 bytes; a ping has at most 65536");

    // A reject travels whole, with a receive time and a stable id.
    let entries = world.entries.lock().unwrap();
    let Entry::Rejected(letter) = &entries[4] else { panic!("{entries:?}") };
    assert_eq!(letter.payload, large.as_bytes());
    assert_eq!(letter.source_message_id.len(), 32);
    assert_eq!(letter.receive_time_ms, START_MS);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_nothing_of_it_taken() {
    let world = World::new().await.commit_all();
    let good = json_ping("good");
    let cut = format!("[{good},{{\"vehicle");
    let zstd = zstd::encode_all(good.as_bytes(), 3).unwrap();
    let wide_window = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(good.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let torn = batch(&["good", "torn"]);
    let cases: [(&str, &str, &[u8], &str); 12] = [
        (JSON, "", b"", "body_empty"),
        (JSON, "", b"  \n", "body_empty"),
        (JSON, "", b"17", "body_not_pings"),
        (JSON, "", b"\"good\"", "body_not_pings"),
        (JSON, "", b"vehicle_id=good", "body_not_json"),
        (JSON, "", cut.as_bytes(), "body_not_json"),
        (JSON, "", b"[\"\xff\xfe\"]", "body_not_json"),
        (PROTOBUF, "", &torn[..torn.len() - 1], "body_not_protobuf"),
        (PROTOBUF, "", b"\xff\xff\xff", "body_not_protobuf"),
        (JSON, "gzip", good.as_bytes(), "body_not_decompressed"),
        (JSON, "zstd", &zstd[..zstd.len() - 3], "body_not_decompressed"),
        (JSON, "zstd", &wide_window, "body_not_decompressed"),
    ];
    for (content_type, encoding, body, code) in cases {
        let headers = [("content-type", content_type), ("content-encoding", encoding)];
        let answer = ask(world.address, "POST /v1/pings", &headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body:?}");
    }
    assert!(world.committed().is_empty());
}

#[tokio::test]
async fn a_format_or_encoding_that_is_not_read_is_named() {
    let world = World::new().await.commit_all();
    let body = json_ping("good");
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]
    {
        let answer = post(world.address, content_type, &body).await;
        let got = (answer.status, answer.code());
        assert_eq!(got, (415, "content_type_unsupported".into()), "{content_type}");
    }
    let untyped = ask(world.address, "POST /v1/pings", &[], body.as_bytes()).await;
    assert_eq!(untyped.status, 415);
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let headers = [("content-type", JSON), ("content-encoding", encoding)];
        let answer = ask(world.address, "POST /v1/pings", &headers, body.as_bytes()).await;
        let got = (answer.status, answer.code());
        assert_eq!(got, (415, "content_encoding_unsupported".into()), "{encoding}");
    }
    assert!(world.committed().is_empty());
}

#[tokio::test]
async fn too_much_in_one_request_is_refused() {
    let limits = HttpLimits {
        body_bytes_max: 10_000,
        decoded_bytes_max: 20_000,
        pings_max: 100,
        ..HttpLimits::default()
    };
    let world = World::limited(limits).await.commit_all();
    let send = async |encoding: &str, body: Vec<u8>| {
        let headers = [("content-type", NDJSON), ("content-encoding", encoding)];
        let answer = ask(world.address, "POST /v1/pings", &headers, &body).await;
        (answer.status, if answer.status == 202 { String::new() } else { answer.code() })
    };
    let blanks = |n: usize| vec![b'\n'; n];
    assert_eq!(send("", blanks(10_000)).await, (202, String::new()));
    assert_eq!(send("", blanks(10_001)).await, (413, "body_too_large".into()));
    let lines = |n: usize| "1\n".repeat(n).into_bytes();
    assert_eq!(send("", lines(100)).await, (202, String::new()));
    assert_eq!(send("", lines(101)).await, (413, "too_many_pings".into()));

    // 100 MB of zeros in a few hundred bytes or kilobytes.
    let zstd_bomb = zstd::encode_all(std::io::repeat(b'\n').take(100 << 20), 3).unwrap();
    let gzip_bomb = gzip(&blanks(8 << 20));
    assert!(zstd_bomb.len() < 20_000 && gzip_bomb.len() < 10_000);
    assert_eq!(send("gzip", gzip(&blanks(20_000))).await, (202, String::new()));
    let expanded = (413, "decoded_body_too_large".to_owned());
    assert_eq!(send("gzip", gzip(&blanks(20_001))).await, expanded);
    assert_eq!(send("gzip", gzip_bomb).await, expanded);
    assert_eq!(send("zstd", zstd_bomb).await, expanded);
    assert_eq!(world.committed().len(), 100);
}

#[tokio::test]
async fn a_chunked_body_is_bounded_like_any_other() {
    let limits = HttpLimits { body_bytes_max: 1_000, ..HttpLimits::default() };
    let world = World::limited(limits).await.commit_all();
    let mut connection = Connection::open(world.address).await;
    let chunk = format!("{:x}\r\n{}\r\n", 600, " ".repeat(600));
    connection
        .send("POST /v1/pings HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n")
        .await
        .send(format!("transfer-encoding: chunked\r\n\r\n{chunk}{chunk}"))
        .await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large".into()));
}

#[tokio::test]
async fn the_answer_comes_after_the_commit_and_not_before() {
    let mut world = World::new().await;
    let mut connection = Connection::open(world.address).await;
    let headers = [("content-type", JSON)];
    connection.request("POST /v1/pings", &headers, json_ping("held").as_bytes()).await;
    let delivery = world.delivery().await;
    assert_eq!((delivery.source, delivery.low_mark), (7, None), "a mark takes 12 buckets");
    assert!(!delivery.low_mark_bounds_lateness, "HTTP receive times bound nothing");
    assert!(connection.silent_for(Duration::from_millis(200)).await);
    commit(delivery);
    let answer = connection.answer().await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (202, &json!(1)));
}

#[tokio::test]
async fn a_shard_that_ends_before_the_commit_acknowledges_nothing() {
    let mut world = World::new().await;
    let mut connection = Connection::open(world.address).await;
    let headers = [("content-type", JSON)];
    connection.request("POST /v1/pings", &headers, json_ping("lost").as_bytes()).await;
    drop(world.delivery().await);
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.code()), (503, "not_committed".into()));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn a_full_queue_answers_503_at_the_exact_number_and_recovers() {
    let queue = QueueLimits { max_pings: 5, max_bytes: 1 << 20 };
    let mut world = World::with(Setup { queue, ..Setup::default() }).await;
    let address = world.address;
    let send = async move |n: usize| {
        let vehicles = vec!["v"; n];
        let mut connection = Connection::open(address).await;
        let headers = [("content-type", JSON)];
        connection.request("POST /v1/pings", &headers, json_pings(&vehicles).as_bytes()).await;
        connection
    };
    let mut first = send(3).await;
    let first_delivery = world.delivery().await;
    let full = send(3).await.answer().await;
    assert_eq!((full.status, full.code()), (503, "queue_full".into()));
    assert_eq!(full.header("retry-after"), Some("1"));
    let mut second = send(2).await;
    let second_delivery = world.delivery().await;
    assert_eq!(send(1).await.answer().await.status, 503);

    commit(first_delivery);
    assert_eq!(first.answer().await.json()["accepted"], 3);
    let mut third = send(3).await;
    commit(world.delivery().await);
    assert_eq!(third.answer().await.json()["accepted"], 3);
    commit(second_delivery);
    assert_eq!(second.answer().await.json()["accepted"], 2);

    let never = send(6).await.answer().await;
    assert_eq!((never.status, never.code()), (413, "batch_exceeds_queue".into()));
}

#[tokio::test]
async fn a_closed_intake_answers_503_with_its_reason() {
    let world = World::new().await;
    let cases = [
        (PauseReason::CommitStuck, "commit_stuck", "5"),
        (PauseReason::DiskNearlyFull, "disk_nearly_full", "30"),
        (PauseReason::Draining, "draining", "5"),
    ];
    for (reason, code, retry_after) in cases {
        world.intake.pause(reason);
        let answer = post(world.address, JSON, json_ping("late")).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, code));
        assert_eq!(answer.header("retry-after"), Some(retry_after));
        world.intake.resume(reason);
    }
}

#[tokio::test]
async fn receive_times_follow_the_pings_under_the_event_clock() {
    let world = World::new().await.commit_all();
    let at = |ms: i64| {
        let ms = START_MS + ms;
        format!("{{\"vehicle_id\":\"v\",\"event_time_ms\":{ms},\"lat\":1,\"lon\":1}}")
    };
    let body = [at(50), at(20), "junk".into(), at(70)].join("\n");
    assert_eq!(post(world.address, NDJSON, body).await.status, 202);
    assert_eq!(post(world.address, NDJSON, at(60)).await.status, 202);
    let received: Vec<i64> = (world.entries.lock().unwrap().iter())
        .map(|entry| match entry {
            Entry::Ping { ping, .. } => ping.receive_time.0 - START_MS,
            Entry::Rejected(letter) => letter.receive_time_ms - START_MS,
        })
        .collect();
    assert_eq!(received, [50, 50, 50, 70, 70]);
}

#[tokio::test]
async fn a_request_that_is_refused_moves_no_event_clock() {
    let queue = QueueLimits { max_pings: 2, max_bytes: 1 << 20 };
    let world = World::with(Setup { queue, ..Setup::default() }).await.commit_all();
    let at = |vehicle: &str, ms: i64| {
        let ms = START_MS + ms;
        format!("{{\"vehicle_id\":\"{vehicle}\",\"event_time_ms\":{ms},\"lat\":1,\"lon\":1}}\n")
    };
    // Three do not fit, and are a year ahead.
    let ahead = ["a", "b", "c"].map(|vehicle| at(vehicle, 31_536_000_000)).concat();
    assert_eq!(post(world.address, NDJSON, ahead).await.code(), "batch_exceeds_queue");
    assert_eq!(post(world.address, NDJSON, at("d", 60)).await.status, 202);
    let entries = world.entries.lock().unwrap();
    let [Entry::Ping { ping, .. }] = &entries[..] else { panic!("one ping") };
    assert_eq!(ping.receive_time.0 - START_MS, 60);
}

#[tokio::test]
async fn a_decoder_that_panics_costs_one_request() {
    let world = World::new().await.commit_all();
    let small = json_pings(&["a", "poison"]);
    // Large enough for a thread of its own.
    let large = format!("{}{}", small, " ".repeat(100_000));
    for body in [small, large] {
        let answer = post(world.address, JSON, body).await;
        assert_eq!((answer.status, answer.code()), (500, "internal_error".into()));
    }
    assert_eq!(post(world.address, JSON, json_ping("next")).await.status, 202);
    assert_eq!(world.committed(), ["next"]);
}
