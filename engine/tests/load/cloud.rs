//! The whole cloud pipeline, judged: pings by a topic; events and dead letters
//! from theirs, positions from Firestore, the archive from BigQuery.

use std::process::Command;

use loadgen::google::Pubsub;
use loadgen::google::rest::Rest;
use loadgen::ledger::Ledger;
use loadgen::profile::Profile;
use loadgen::read::bigquery::Table;
use loadgen::read::firestore::Collection;
use loadgen::run::{RunDirectory, RunPlan, Target, run};
use loadgen::send::pubsub::Shape;
use loadgen::truth::Names;
use local_cloud::bigquery::{Options, Standin};
use local_cloud::{FirestoreEmulator, PubsubClient, PubsubEmulator};
use rstest::rstest;

use crate::failed_but_for_speed;
use crate::worker::Worker;

const DATASET: &str = "projects/local-project/datasets/fleet";

#[rstest]
#[case::a_document_for_each_vehicle("document")]
#[case::packed_documents("packed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_pipeline_is_judged_whole(#[case] layout: &str) -> anyhow::Result<()> {
    let Some(pubsub) = PubsubEmulator::shared()? else { return Ok(()) };
    let Some(firestore) = FirestoreEmulator::shared()? else { return Ok(()) };
    let standin = Standin::start(Options::default()).await?;
    standin.create_dataset("local-project", "fleet")?;
    let client = PubsubClient::connect(&pubsub.endpoint()).await?;
    let (pings_topic, pings) = client.create_pair(&format!("load-pings-{layout}")).await?;
    let (events_topic, events) = client.create_pair(&format!("load-events-{layout}")).await?;
    let (letters_topic, letters) = client.create_pair(&format!("load-letters-{layout}")).await?;
    let database = format!("projects/load-{layout}/databases/(default)");

    let directory = tempfile::tempdir()?;
    let mut profile = Profile::load("smoke")?;
    profile.malformed.share = 0.02;
    profile.transport.duplicates = 0.02;
    profile.thresholds.rejects_exact = true;
    profile.thresholds.positions_wrong_max = Some(0);
    let world = profile.world(None)?;
    RunDirectory::create(directory.path())?.write_world(&world)?;
    let variables = [
        ("PUBSUB_EMULATOR_HOST", pubsub.host()),
        ("FIRESTORE_EMULATOR_HOST", firestore.host()),
        ("BIGQUERY_STORAGE_ENDPOINT", standin.storage_endpoint()),
        ("BIGQUERY_REST_ENDPOINT", standin.rest_endpoint()),
    ];
    let settings = [
        ("pubsub.subscription", pings),
        ("pubsub.events_topic", events_topic),
        ("pubsub.dead_letter_topic", letters_topic),
        ("firestore.database", database.clone()),
        ("firestore.layout", layout.to_owned()),
        ("positions.min_interval", "1s".to_owned()),
        ("bigquery.dataset", DATASET.to_owned()),
        ("files.parquet", "false".to_owned()),
        ("files.event_log", "false".to_owned()),
        ("files.dead_letters", "false".to_owned()),
        ("files.positions", "false".to_owned()),
    ];
    let ensured = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
        .args(["bigquery", "ensure", "--set", &format!("bigquery.dataset={DATASET}")])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()?;
    assert!(ensured.status.success(), "{}", String::from_utf8_lossy(&ensured.stderr));
    let _worker = Worker::start(directory.path(), &variables, &settings);

    let table = Table::new(Rest::at(standin.rest_endpoint().parse()?)?, DATASET.parse()?);
    let start_ms = jiff::Timestamp::now().as_millisecond() / 1000 * 1000 + 2_000;
    let names = Names { start_ms, prefix: "whole-".to_owned() };
    let shape = Shape { pings_per_message: 1, ordering_keys: 0 };
    let report = run(RunPlan {
        start_ms: Some(names.start_ms),
        prefix: Some(names.prefix.clone()),
        pubsub: Pubsub::Emulator(pubsub.endpoint()),
        events_subscription: Some(events),
        dead_letters_subscription: Some(letters),
        positions: Some(Collection::new(
            Rest::at(firestore.endpoint().parse()?)?,
            database.parse()?,
        )),
        archive: Some(table.clone()),
        ..RunPlan::new(world, Target::Pubsub(pings_topic, shape), directory.path())
    })
    .await?;

    let text = loadgen::verdict::text(&report);
    assert_eq!(failed_but_for_speed(&report), [""; 0], "{text}");
    let tally = report.pings.tally;
    assert_eq!((tally.sent, tally.acknowledged, tally.archived), (2_000, 2_000, 2_000), "{text}");
    assert_eq!((tally.missing, tally.doubled, tally.strangers), (0, 0, 0), "{text}");
    assert_eq!(report.pings.positions_wrong, Some((0, 200)), "{text}");
    assert!(report.pings.archive_behind_max.is_some(), "{text}");
    assert!(report.rejects.expected.len() > 3 && !report.rejects.told, "{text}");
    assert_eq!(report.rejects.dead_letters.as_ref(), Some(&report.rejects.expected), "{text}");
    assert_eq!((tally.altered, report.rejects.dead_letters_altered), (0, 0), "{text}");
    let operations = report.events.as_ref().map(|events| events.operations);
    let rows = report.event_rows.as_ref().map(|rows| (rows.rows, rows.wrong()));
    assert_eq!(rows, operations.map(|it| (it, 0)), "{text}");
    assert!(report.kinds["geofence_enter"].found >= 20, "{text}");
    // Which document a packed vehicle lies in is the worker's affair.
    assert_eq!(report.latency.position.count > 0, layout == "document", "{text}");
    assert_eq!(report.unchecked, [""; 0], "{text}");

    // A run that was acknowledged one ping more, of these vehicles, and sent no
    // others.
    let mut ledger = Ledger::new(200);
    ledger.sent(0, 9_999, 0);
    ledger.acknowledged(0, 9_999);
    let archive = table.clone().rows(names, start_ms)?.read(&mut ledger).await?;
    assert_eq!(archive.rows, 2_000);
    let tally = ledger.tally(|_| true);
    assert_eq!((tally.missing, tally.archived, tally.strangers), (1, 0, 2_000));
    // Nor are those rows another run's.
    let other = Names { start_ms, prefix: "other-".to_owned() };
    assert_eq!(table.rows(other, start_ms)?.count().await?, 0);
    Ok(())
}
