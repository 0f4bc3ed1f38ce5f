//! Every reject of admission over HTTP: whole in the dead letter, once, with
//! its code; the stream goes on.

use std::io::Write as _;
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use tempfile::TempDir;

use crate::support::{Launch, Outputs, ping, text};

const TIME: &str = "2026-03-01T12:00:00Z";

fn good() -> VehiclePing {
    VehiclePing {
        vehicle_id: "good".to_owned(),
        event_time_us: 1_772_366_400_000_000,
        lat: 50.0,
        lon: 10.0,
        ..VehiclePing::default()
    }
}

/// Code, and a line of JSON that has it.
fn bad_lines() -> Vec<(&'static str, String)> {
    let at = |lon: f64, lat: f64| ping("v", TIME, lon, lat, "");
    let called = |id: &str| ping(id, TIME, 10.0, 50.0, "");
    vec![
        ("undecodable", "{\"vehicle_id\":\"v\",".to_owned()),
        ("undecodable", "[1,2,3]".to_owned()),
        ("undecodable", ping("v", "yesterday", 10.0, 50.0, "")),
        ("undecodable", r#"{"vehicle_id":"v","event_time_ms":1,"lat":"north","lon":1}"#.to_owned()),
        ("event_time_missing", r#"{"vehicle_id":"v","lat":50,"lon":10}"#.to_owned()),
        ("vehicle_id_empty", called("")),
        ("vehicle_id_too_long", called(&"x".repeat(65))),
        ("vehicle_id_bad_character", called("no spaces")),
        ("vehicle_id_bad_character", called("é")),
        ("lat_out_of_range", at(10.0, 91.0)),
        ("lat_out_of_range", at(10.0, -90.000_000_1)),
        ("lon_out_of_range", at(180.5, 50.0)),
        ("null_island", at(0.0, 0.0)),
        ("too_large", ping("v", TIME, 10.0, 50.0, &format!(r#","x":"{}""#, "y".repeat(70_000)))),
        ("too_large", "z".repeat(300_000)),
    ]
}

/// Code, and an encoded ping that has it.
fn bad_payloads() -> Vec<(&'static str, Vec<u8>)> {
    let changed = |change: &dyn Fn(&mut VehiclePing)| {
        let mut ping = good();
        change(&mut ping);
        ping.encode_to_vec()
    };
    let truncated = good().encode_to_vec();
    vec![
        ("undecodable", vec![0xff; 40]),
        ("undecodable", truncated[..truncated.len() - 3].to_vec()),
        ("event_time_missing", changed(&|ping| ping.event_time_us = 0)),
        ("number_not_finite", changed(&|ping| ping.lat = f64::NAN)),
        ("number_not_finite", changed(&|ping| ping.lon = f64::INFINITY)),
        ("number_not_finite", changed(&|ping| ping.fuel_percent = Some(f64::NEG_INFINITY))),
        ("vehicle_id_empty", changed(&|ping| ping.vehicle_id.clear())),
    ]
}

/// A batch as bytes: its pings may be none.
fn batch(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        prost::encoding::bytes::encode(1, payload, &mut bytes);
    }
    bytes
}

#[test]
fn every_reject_is_in_the_dead_letter_once_and_the_stream_goes_on() {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path()).set("clock", "event").set("commit.max_delay", "5ms");
    let mut worker = launch.start();
    let client = worker.client();

    let (lines, payloads) = (bad_lines(), bad_payloads());
    // Good ones before, between and after.
    let mut sent: Vec<String> = Vec::new();
    for (n, (_, line)) in lines.iter().enumerate() {
        sent.push(ping("good", TIME, 10.0, 50.0, &format!(r#","seq":{}"#, n + 1)));
        sent.push(line.clone());
    }
    let taken = client.deliver(&sent);
    assert_eq!(taken["accepted"], lines.len(), "{taken}");
    let rejected = taken["rejected"].as_array().unwrap();
    let told: Vec<_> = rejected
        .iter()
        .map(|entry| (entry["index"].as_u64().unwrap(), entry["code"].as_str().unwrap()))
        .collect();
    let expected: Vec<_> =
        lines.iter().enumerate().map(|(n, (code, _))| (2 * n as u64 + 1, *code)).collect();
    assert_eq!(told, expected, "{taken}");
    assert!(rejected.iter().all(|entry| !entry["message"].as_str().unwrap().is_empty()));

    let mut encoded: Vec<Vec<u8>> = payloads.iter().map(|(_, payload)| payload.clone()).collect();
    encoded.push(VehiclePing { seq: Some(99), ..good() }.encode_to_vec());
    let answer = client.post("application/x-protobuf", &batch(&encoded)).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let taken = answer.json();
    assert_eq!(taken["accepted"], 1, "{taken}");
    assert_eq!(taken["rejected"].as_array().unwrap().len(), payloads.len(), "{taken}");

    // Bodies that cannot be read as a whole leave nothing.
    for (content_type, body, status) in [
        ("application/json", &b"[{\"vehicle_id\""[..], 400),
        ("application/json", b"", 400),
        ("application/x-protobuf", b"\x0a\xff\xff\xff\xff\x0f", 400),
        ("text/csv", b"a,b", 415),
    ] {
        let answer = client.post(content_type, body).unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let too_large = client.post("application/json", &vec![b' '; 2 << 20]);
    // An answer may be lost when it comes before the whole body was sent.
    assert!(too_large.as_ref().is_none_or(|answer| answer.status == 413), "{too_large:?}");
    let whole = VehiclePingBatch { pings: vec![VehiclePing { seq: Some(100), ..good() }] };
    let answer = client.post("application/x-protobuf", &whole.encode_to_vec()).unwrap();
    assert_eq!(answer.json()["accepted"], 1, "the stream goes on");

    assert!(worker.stop().success(), "{}", worker.log());
    let outputs = Outputs::of(dir.path());
    let letters: Vec<(String, Vec<u8>)> = outputs
        .dead_letters()
        .iter()
        .map(|letter| {
            let payload = letter["payload_base64"].as_str().unwrap();
            assert_eq!(letter["source"], "http", "{letter}");
            assert!(!letter["source_message_id"].as_str().unwrap().is_empty());
            (letter["reason"].as_str().unwrap().to_owned(), STANDARD.decode(payload).unwrap())
        })
        .collect();
    let mut expected: Vec<(String, Vec<u8>)> =
        lines.into_iter().map(|(code, line)| (code.to_owned(), line.into_bytes())).collect();
    expected.extend(payloads.into_iter().map(|(code, payload)| (code.to_owned(), payload)));
    assert_eq!(letters.len(), expected.len());
    for (letter, expected) in letters.iter().zip(&expected) {
        assert_eq!(letter.0, expected.0);
        assert!(letter.1 == expected.1, "{}: the original bytes", letter.0);
    }
    // One place in time: all but the largest seq are superseded, and archived.
    assert_eq!(outputs.archive().len(), bad_lines().len() + 2);
}

#[test]
fn a_vehicle_too_many_is_rejected_and_the_others_go_on() {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path()).set("clock", "event").set("detection.vehicles_max", "2");
    let mut worker = launch.start();
    let from = |vehicle: &str, second: u32| {
        ping(vehicle, &format!("2026-03-01T12:00:{second:02}Z"), 10.0, 50.0, "")
    };
    let taken = worker.client().deliver(&[from("a", 0), from("b", 0), from("c", 0), from("a", 1)]);
    assert_eq!(taken["accepted"], 3, "{taken}");
    assert_eq!(taken["rejected"][0]["code"], "vehicle_limit", "{taken}");
    worker.kill();
    let mut worker = launch.start();
    assert!(worker.stop().success(), "{}", worker.log());
    let letters = Outputs::of(dir.path()).dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "vehicle_limit");
}

#[test]
fn values_that_mean_none_cost_the_value_alone() {
    let dir = TempDir::new().unwrap();
    let mut worker = Launch::run(dir.path()).set("clock", "event").start();
    let odd = r#","speed_mps":113.99,"heading_deg":-1,"accuracy_m":0"#;
    let taken = worker.client().deliver(&[ping("v", TIME, 10.0, 50.0, odd)]);
    assert_eq!(taken["accepted"], 1, "{taken}");
    assert!(worker.stop().success());
    let position = &Outputs::of(dir.path()).positions()["v"];
    for field in ["speed_mps", "heading_deg", "accuracy_m"] {
        assert!(position[field].is_null(), "{position}");
    }
}

#[test]
fn a_body_is_as_large_as_configured_before_and_after_decompression() {
    let dir = TempDir::new().unwrap();
    let mut worker = Launch::run(dir.path()).set("http.max_body", "64KiB").start();
    let client = worker.client();
    let send = |encoding: &str, bytes: usize| {
        let mut body = ping("v", TIME, 10.0, 50.0, "").into_bytes();
        body.resize(bytes, b' ');
        let body = match encoding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&body).unwrap();
                encoder.finish().unwrap()
            }
            _ => body,
        };
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        client.change("POST", "/v1/pings", &headers, body).expect("an answer").status
    };
    for encoding in ["identity", "gzip"] {
        assert_eq!(send(encoding, 64 << 10), 202, "{encoding}");
        assert_eq!(send(encoding, (64 << 10) + 1), 413, "{encoding}");
    }
    assert!(worker.stop().success());
}

#[test]
fn dead_letters_of_nobody_who_answers_are_not_none() {
    // Free, since it was just given out, and nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = ["--subscription", "projects/p/subscriptions/letters", "--wait", "1"];
    let launch = Launch::of(&[&["dlq", "list"], &name[..]].concat())
        .env("PUBSUB_EMULATOR_HOST", &nobody.to_string());
    let output = launch.output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Pub/Sub does not answer"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
