//! What is wrong shows at the start, with exit code 78.

use tempfile::TempDir;

use crate::cloud::Cloud;
use crate::support::{Launch, text};

/// Asserts that a worker refuses to start and says all of `words`.
fn refuses(launch: Launch, words: &[&str]) {
    let output = launch.output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not said:\n{said}");
    }
}

#[test]
fn what_does_not_exist_is_named() {
    let Some(cloud) = Cloud::shared("start") else { return };
    let dir = TempDir::new().unwrap();
    let nowhere = cloud.subscription("nowhere");
    let launch = cloud.worker(dir.path()).set("pubsub.subscription", &nowhere);
    refuses(launch, &[&format!("{nowhere} does not exist"), "pubsub.subscription"]);
    let nowhere = cloud.topic("nowhere");
    let launch = cloud.worker(dir.path()).set("pubsub.events_topic", &nowhere);
    refuses(launch, &[&format!("{nowhere} does not exist"), "pubsub.events_topic"]);
}

#[test]
fn an_ack_deadline_over_a_minute_is_refused() {
    let Some(cloud) = Cloud::shared("slowly") else { return };
    let dir = TempDir::new().unwrap();
    let slow = std::time::Duration::from_secs(90);
    let topic = cloud.topic("pings");
    let created = cloud.client.create_subscription("slowly-acked", &topic, slow);
    let subscription = cloud.runtime.block_on(created).unwrap();
    let launch = cloud.worker(dir.path()).set("pubsub.subscription", &subscription);
    refuses(launch, &["ack deadline is 90 s", "--ack-deadline=60"]);
}

#[test]
fn without_credentials_nothing_starts() {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path())
        .set("pubsub.subscription", "projects/some-project/subscriptions/pings")
        .env("PUBSUB_EMULATOR_HOST", "")
        .env("GOOGLE_APPLICATION_CREDENTIALS", dir.path().join("none.json").to_str().unwrap());
    refuses(launch, &["no credentials for https://pubsub.googleapis.com", "none.json"]);
}

#[test]
fn plain_text_to_another_machine_is_refused() {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path())
        .set("pubsub.subscription", "projects/some-project/subscriptions/pings")
        .env("PUBSUB_EMULATOR_HOST", "10.0.0.7:8085");
    refuses(launch, &["PUBSUB_EMULATOR_HOST=10.0.0.7:8085", "10.0.0.7 is not this machine"]);
}
