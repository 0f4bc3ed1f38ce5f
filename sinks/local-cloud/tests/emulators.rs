//! The emulators start, do their work, and end.

use std::time::Duration;

use google_cloud_pubsub::model::Message;
use local_cloud::{FirestoreEmulator, PubsubClient, PubsubEmulator};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn messages_go_through_and_a_restart_begins_empty_on_the_same_port() {
    let Some(emulator) = PubsubEmulator::start_or_skip().unwrap() else { return };
    let client = PubsubClient::connect(&emulator.endpoint()).await.unwrap();
    let (topic, subscription) = client.create_pair("things").await.unwrap();
    let messages = (0..250).map(|n| Message::new().set_data(format!("{n}")));
    let ids = client.publish(&topic, messages).await.unwrap();
    assert_eq!(ids.len(), 250);
    let collected = client.collect(&subscription, PATIENCE, |all| all.len() == 250).await.unwrap();
    let mut numbers: Vec<u32> = collected
        .iter()
        .map(|message| str::from_utf8(&message.data).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..250));

    let host = emulator.host();
    emulator.restart().unwrap();
    assert_eq!(emulator.host(), host);
    client.create_pair("things").await.expect("the names are free again");
    emulator.stop();
    assert!(std::net::TcpStream::connect(&host).is_err(), "nobody listens after a stop");
}

#[test]
fn firestore_starts_and_is_shared() {
    let Some(emulator) = FirestoreEmulator::shared().unwrap() else { return };
    let again = FirestoreEmulator::shared().unwrap().expect("it was there before");
    assert!(std::ptr::eq(emulator, again));
    assert!(std::net::TcpStream::connect(emulator.host()).is_ok());
}
