//! To a topic and back from one, on Google's emulator.

use std::time::Duration;

use crate::support::{Faults, messages_of, world};
use google_cloud_pubsub::model::Message;
use loadgen::google::Pubsub;
use loadgen::profile::Thresholds;
use loadgen::run::{RunPlan, Target, run};
use loadgen::send::Snapshot;
use loadgen::send::pubsub::Shape;
use loadgen::truth::Names;
use loadgen::verdict::Part;
use local_cloud::{PubsubClient, PubsubEmulator};
use prost::Message as _;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id, Reason};
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use rstest::rstest;
use tokio::sync::watch::channel;
use tokio_util::sync::CancellationToken;

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
        profile: "smoke".into(),
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        patience: PATIENCE,
        pubsub: Pubsub::Emulator(emulator.endpoint()),
        events_subscription: Some(events),
        ..RunPlan::new(
            world(300, 3),
            Target::Pubsub(topic, Shape { pings_per_message, ordering_keys }),
            directory.path(),
        )
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
        // A batch says so; a ping alone is plain, the last of several too.
        match message.attributes.get("content-type") {
            None => vec![VehiclePing::decode(data).expect("a ping")],
            Some(_) => VehiclePingBatch::decode(data).expect("a batch").pings,
        }
    };
    let enough = |messages: &[Message]| {
        messages.iter().map(|message| pings_of(message).len()).sum::<usize>() >= 900
    };
    let messages = client.collect(&pings, PATIENCE, enough).await?;
    let sizes = messages.iter().map(|message| pings_of(message).len());
    let largest = sizes.max().expect("some came");
    assert!(largest <= pings_per_message && (largest > 1) == (pings_per_message > 1), "{largest}");
    for message in &messages {
        // A key is that of every ping of its message.
        let number = |ping: VehiclePing| ping.vehicle_id[3..].parse::<u32>().expect("a number");
        let keys = pings_of(message).into_iter().map(number).map(|n| n.checked_rem(ordering_keys));
        for key in keys {
            assert_eq!(message.ordering_key, key.map(|key| key.to_string()).unwrap_or_default());
        }
    }
    let mut seen: Vec<(String, Option<u64>)> =
        messages.iter().flat_map(pings_of).map(|ping| (ping.vehicle_id, ping.seq)).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 900);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_published_long_after_their_pings_are_told_as_that() -> anyhow::Result<()> {
    let Some(emulator) = PubsubEmulator::shared()? else { return Ok(()) };
    let client = PubsubClient::connect(&emulator.endpoint()).await?;
    let topic = client.create_topic("pings-published-late").await?;
    let (events_topic, events) = client.create_pair("events-published-late").await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let names = Names { start_ms: now_ms + 500, prefix: "t-".into() };
    // As if the pings that decided them had been published 5 s ago.
    let decided = |event: FleetEvent| FleetEvent {
        observed_at_ms: now_ms - 5_000,
        reason: Reason::Crossed.into(),
        ..event
    };
    let told: Vec<FleetEvent> =
        messages_of(&world(300, 3), &names, Faults::default()).into_iter().map(decided).collect();
    // Of another fleet, as a run before may have left it in the subscription.
    let strange = FleetEvent {
        event_id: Id::new(u64::MAX.into()),
        vehicle_id: "x-v0000001".into(),
        ..told.iter().find(|event| is_enter(event)).expect("somebody enters").clone()
    };
    let enters = told.iter().filter(|event| is_enter(event)).count() as u64;
    // The first one comes twice.
    let all = told.iter().chain(told.first()).chain([&strange]);
    let messages = all.map(|event| Message::new().set_data(event.encode_to_vec()));
    client.publish(&events_topic, messages).await?;

    let directory = tempfile::tempdir()?;
    let mut world = world(300, 3);
    world.profile.thresholds =
        Thresholds { published_p99_ms_max: Some(4_000.0), ..Thresholds::default() };
    let report = run(RunPlan {
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        patience: PATIENCE,
        pubsub: Pubsub::Emulator(emulator.endpoint()),
        events_subscription: Some(events),
        ..RunPlan::new(
            world,
            Target::Pubsub(topic, Shape { pings_per_message: 1, ordering_keys: 0 }),
            directory.path(),
        )
    })
    .await?;

    let published = report.latency.published;
    let of_a_ping = |kind: &&str| !kind.contains("dwell") && kind.starts_with("geofence");
    let counted: u64 = (report.kinds.iter())
        .filter(|(kind, _)| of_a_ping(&kind.as_str()))
        .map(|(_, score)| score.found)
        .sum();
    assert!(enters > 0 && published.count >= enters, "{enters} of {published:?}");
    assert_eq!(published.count, counted);
    assert!(published.p50_ms >= 5_000.0, "{published:?}");
    let [check] = &report.checks[..] else { panic!("{:?}", report.checks) };
    assert_eq!((&check.name[..], check.holds, report.pass), ("published_p99_ms_max", false, false));
    assert!(directory.path().join("published.hlog").exists());
    Ok(())
}

fn is_enter(event: &FleetEvent) -> bool {
    matches!(event.detail, Some(Detail::GeofenceEnter(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_that_are_not_there_fail_the_run() -> anyhow::Result<()> {
    let Some(emulator) = PubsubEmulator::shared()? else { return Ok(()) };
    let client = PubsubClient::connect(&emulator.endpoint()).await?;
    let topic = client.create_topic("pings-unread").await?;
    let (_, letters) = client.create_pair("letters-unread").await?;
    let missing = letters.replace("letters", "missing");
    let read = async |events: &str, letters: &str| {
        let directory = tempfile::tempdir()?;
        let mut world = world(100, 2);
        world.profile.thresholds = Thresholds { acknowledged_min: Some(1.0), ..Default::default() };
        let shape = Shape { pings_per_message: 1, ordering_keys: 0 };
        run(RunPlan {
            patience: PATIENCE,
            pubsub: Pubsub::Emulator(emulator.endpoint()),
            events_subscription: Some(events.to_owned()),
            dead_letters_subscription: Some(letters.to_owned()),
            ..RunPlan::new(world, Target::Pubsub(topic.clone(), shape), directory.path())
        })
        .await
    };

    let report = read(&missing, &missing).await?;
    assert_eq!(report.unread.keys().collect::<Vec<_>>(), [&Part::DeadLetters, &Part::Events]);
    assert!(report.unread.values().all(|why| why.contains(&missing)), "{:?}", report.unread);
    assert_eq!((report.events, report.rejects.dead_letters), (None, None));
    assert!(!report.pass);

    // One that is there and holds nothing can be read.
    let (_, events) = client.create_pair("events-unread").await?;
    let report = read(&events, &letters).await?;
    assert!(report.pass && report.unread.is_empty(), "{:?}", report.unread);
    assert_eq!(report.rejects.dead_letters.map(|letters| letters.len()), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_missed_is_counted_and_every_key_goes_on_after() -> anyhow::Result<()> {
    // Of its own: it ends on the way, with all its topics.
    let Some(emulator) = PubsubEmulator::start_or_skip()? else { return Ok(()) };
    let client = PubsubClient::connect(&emulator.endpoint()).await?;
    let topic = client.create_topic("pings-outage").await?;
    let directory = tempfile::tempdir()?;
    let (monitor, mut seen) = channel(Snapshot::default());
    let (world, interrupt) = (world(200, 300), CancellationToken::new());
    let shape = Shape { pings_per_message: 1, ordering_keys: 3 };
    let running = tokio::spawn(run(RunPlan {
        patience: Duration::from_secs(2),
        pubsub: Pubsub::Emulator(emulator.endpoint()),
        interrupt: interrupt.clone(),
        monitor: Some(monitor),
        ..RunPlan::new(world, Target::Pubsub(topic, shape), directory.path())
    }));
    seen.wait_for(|seen| seen.answered > 200).await?;
    emulator.stop();
    seen.wait_for(|seen| seen.given_up > 0).await?;
    tokio::task::block_in_place(|| emulator.restart())?;
    client.create_topic("pings-outage").await?;
    let before = seen.borrow().answered;
    // Some seconds of every key.
    seen.wait_for(|seen| seen.answered > before + 600).await?;
    interrupt.cancel();
    let report = running.await??;

    let (sending, tally) = (&report.sending, report.pings.tally);
    assert!(sending.given_up > 0 && !report.pass);
    assert_eq!(sending.answered + sending.given_up, sending.intended);
    assert_eq!(tally.acknowledged, sending.answered);
    assert!(sending.answers.contains_key("not published"), "{:?}", sending.answers);
    Ok(())
}
