//! Input that is refused: whole to the dead-letter topic, listed, and sent in
//! again.

use std::collections::BTreeSet;
use std::time::Duration;

use google_cloud_pubsub::model::Message;
use prost::Message as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::cloud::{self, Cloud, drives};
use crate::support::{Launch, Outputs};

const JUNK: usize = 1_000;
const OUT_OF_RANGE: usize = 7;

#[test]
fn a_thousand_rejects_in_a_row_stop_nothing_and_can_be_sent_in_again() {
    let Some(cloud) = Cloud::shared("refused") else { return };
    let dir = TempDir::new().unwrap();
    // What a command gives back the emulator hands out only when the lease of
    // 10 s ends: each has a subscription of its own.
    for own in ["listed", "dry-run", "redriven"] {
        let (topic, deadline) = (cloud.topic("letters"), Duration::from_secs(10));
        let id = format!("refused-{own}");
        let created = cloud.client.create_subscription(&id, &topic, deadline);
        cloud.runtime.block_on(created).unwrap();
    }
    let mut worker = cloud.worker(dir.path()).start();
    let junk = (0..JUNK).map(|n| Message::new().set_data(format!("{{junk {n}")));
    let drive = drives("bus", 1).remove(0);
    let nowhere = drive.iter().take(OUT_OF_RANGE).map(|ping| {
        let mut ping = ping.clone();
        ping.lat = 91.0;
        cloud::message(&ping)
    });
    cloud.publish(junk.chain(nowhere));
    cloud.publish(drive.iter().map(cloud::message));
    cloud::wait_for_metric(&worker, "fleetstream_archived_total", drive.len());
    cloud::wait_for_metric(&worker, "fleetstream_rejected_total", JUNK + OUT_OF_RANGE);
    assert!(worker.stop().success(), "{}", worker.log());
    // Of what the engine has put out itself: it must not come back as input.
    let event = Message::new()
        .set_data("an event")
        .set_attributes([("dlq_reason", "bigquery_refused_event"), ("source_message_id", "e")]);
    let topic = cloud.topic("letters");
    cloud.runtime.block_on(cloud.client.publish(&topic, [event])).unwrap();

    let ids = |letters: &[Value]| -> BTreeSet<String> {
        let id = |letter: &Value| letter["source_message_id"].as_str().unwrap().to_owned();
        letters.iter().map(id).collect()
    };
    let logged = Outputs::of(dir.path()).dead_letters();
    assert_eq!(ids(&logged).len(), JUNK + OUT_OF_RANGE);
    let all = dlq(&cloud, "listed", &["list", "--limit", "5000"]);
    let mut published = ids(&logged);
    published.insert("e".to_owned());
    assert_eq!(ids(all["letters"].as_array().unwrap()), published, "all of them, given back");
    let directory = dir.path().to_str().unwrap();
    let of_files = run(&cloud, &["dlq", "list", "--data-dir", directory, "--limit", "5000"]);
    assert_eq!(ids(of_files["letters"].as_array().unwrap()), ids(&logged));

    let topic = cloud.topic("again");
    cloud.runtime.block_on(cloud.client.create_pair("refused-again")).unwrap();
    let redrive = |of: &str, more: &[&str]| {
        let reasons = ["--reason", "lat_out_of_range", "--reason", "bigquery_refused_event"];
        let mut arguments = vec!["redrive", "--topic", &topic];
        arguments.extend(reasons);
        arguments.extend(more);
        dlq(&cloud, of, &arguments)
    };
    let dry = redrive("dry-run", &["--dry-run"]);
    assert_eq!((&dry["redriven"], &dry["left"]), (&OUT_OF_RANGE.into(), &JUNK.into()));
    assert_eq!(dry["events"], 1);
    let done = redrive("redriven", &["--rate", "100"]);
    assert_eq!(done["by_reason"]["lat_out_of_range"], OUT_OF_RANGE);
    assert_eq!((&done["redriven"], &done["events"]), (&OUT_OF_RANGE.into(), &1.into()));
    let again = cloud.collect("again", |found| found.len() == OUT_OF_RANGE);
    for message in again {
        let ping = protos::telemetry::VehiclePing::decode(message.data.clone()).unwrap();
        let letter = logged
            .iter()
            .find(|letter| letter["receive_time"] == *message.attributes["original_publish_time"]);
        assert!(letter.is_some() && ping.lat == 91.0, "{message:?}");
        assert!(!message.attributes.contains_key("dlq_reason"));
    }
    let gone = ["list", "--reason", "lat_out_of_range", "--wait", "12"];
    let gone = dlq(&cloud, "redriven", &gone);
    assert_eq!(gone["letters"], Value::Array(vec![]), "what was sent in is gone");
}

/// `fleetstream dlq` on a subscription to the letters.
fn dlq(cloud: &Cloud, of: &str, arguments: &[&str]) -> Value {
    let subscription = cloud.subscription(of);
    let (command, rest) = arguments.split_first().unwrap();
    let mut all = vec!["dlq", command, "--subscription", &subscription];
    all.extend(rest);
    run(cloud, &all)
}

fn run(cloud: &Cloud, arguments: &[&str]) -> Value {
    let launch = Launch::of(arguments).arg("--format").arg("json");
    // What it prints is more than a pipe holds, so somebody must read it.
    let mut process = launch.env("PUBSUB_EMULATOR_HOST", &cloud.host).spawn();
    assert!(process.wait().success(), "{}", process.log());
    serde_json::from_str(&process.printed()).unwrap()
}
