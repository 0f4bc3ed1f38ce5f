//! To a topic and back from one, on Google's emulator.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Faults, messages_of, world};
use google_cloud_pubsub::model::Message;
use loadgen::google::Pubsub;
use loadgen::run::{RunPlan, Target, run};
use loadgen::send::pubsub::Shape;
use loadgen::truth::Names;
use local_cloud::{PubsubClient, PubsubEmulator};
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use rstest::rstest;

const PATIENCE: Duration = Duration::from_secs(60);

#[rstest]
#[case::a_ping_a_message("single", 1, 0)]
#[case::batches_by_key("batches", 50, 4)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ping_is_published_once_and_events_are_judged(
    #[case] name: &str,
    #[case] pings_per_message: usize,
    #[case] ordering_keys: u32,
) -> anyhow::Result<()> {
    let Some(emulator) = PubsubEmulator::shared()? else { return Ok(()) };
    let client = PubsubClient::connect(&emulator.endpoint()).await?;
    let (topic, pings) = client.create_pair(&format!("pings-{name}")).await?;
    let (events_topic, events) = client.create_pair(&format!("events-{name}")).await?;
    let start_ms = jiff::Timestamp::now().as_millisecond() + 500;
    let names = Names { start_ms, prefix: "t-".into() };
    let told = messages_of(&world(300, 3), &names, Faults::default());
    let count = told.len() as u64;
    let told = told.into_iter().map(|event| Message::new().set_data(event.encode_to_vec()));
    client.publish(&events_topic, told).await?;

    let directory = tempfile::tempdir()?;
    let report = run(RunPlan {
        world: Arc::new(world(300, 3)),
        profile: "smoke".into(),
        traces: None,
        target: Target::Pubsub(topic, Shape { pings_per_message, ordering_keys }),
        out: directory.path().to_owned(),
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        connections: 1,
        patience: PATIENCE,
        read_from: None,
        pubsub: Pubsub::Emulator(emulator.endpoint()),
        events_subscription: Some(events),
        data_dir: None,
        pid: None,
        view: false,
    })
    .await?;

    assert_eq!(report.pings.tally.acknowledged, 900);
    assert_eq!(report.sending.given_up, 0);
    assert_eq!(report.events.as_ref().map(|events| events.operations), Some(count));
    for (kind, score) in &report.kinds {
        assert_eq!((score.precision, score.recall), (1.0, 1.0), "{kind}");
    }
    let pings_of = |message: &Message| -> Vec<VehiclePing> {
        let data = message.data.clone();
        if pings_per_message == 1 {
            vec![VehiclePing::decode(data).expect("a ping")]
        } else {
            VehiclePingBatch::decode(data).expect("a batch").pings
        }
    };
    let enough = |messages: &[Message]| {
        messages.iter().map(|message| pings_of(message).len()).sum::<usize>() >= 900
    };
    let messages = client.collect(&pings, PATIENCE, enough).await?;
    assert_eq!(messages.iter().all(|m| m.ordering_key.is_empty()), ordering_keys == 0);
    let mut seen: Vec<(String, Option<u64>)> =
        messages.iter().flat_map(pings_of).map(|ping| (ping.vehicle_id, ping.seq)).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 900);
    Ok(())
}
