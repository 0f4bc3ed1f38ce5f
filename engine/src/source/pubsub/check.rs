//! Whether a subscription's own settings let the source keep what the
//! semantics promise.

use std::time::Duration;

use anyhow::Context;
use sinks::pubsub::{PubsubClient, SubscriptionFacts};
use tracing::warn;

use crate::exit::{Exit, WithExit as _};

/// The low mark counts on a message that was delivered before being delivered
/// again within two minutes: a deadline and a pause of this much each.
const REDELIVERY_MAX: Duration = Duration::from_secs(60);

/// Looks at the subscription with this full name.
///
/// # Errors
/// It is missing, or a setting of it is refused (exit code 78).
pub(super) async fn check(client: &PubsubClient, name: &str) -> anyhow::Result<()> {
    let facts =
        client.subscription(name).await.context("pubsub.subscription").exit_with(Exit::Config)?;
    let Some(facts) = facts else { return Ok(()) };
    if let Some(mistake) = mistake(name, &facts) {
        return Err(anyhow::anyhow!(mistake)).exit_with(Exit::Config);
    }
    if facts.ordered {
        warn!(
            subscription = name,
            "it keeps messages in order: of each ordering key one message at a time is \
             delivered for each commit; a subscription without order is faster and as good"
        );
    }
    if facts.retry_backoff_max.is_none() {
        warn!(
            subscription = name,
            "it has no retry policy: messages that go back come again at once; a backoff of 10 s \
             to 60 s is kinder to a worker that starts again and again"
        );
    }
    Ok(())
}

fn mistake(name: &str, facts: &SubscriptionFacts) -> Option<String> {
    let id = name.rsplit('/').next().unwrap_or(name);
    let too_long = |what: &str, found: Duration, flag: &str| {
        (found > REDELIVERY_MAX).then(|| {
            format!(
                "{name}: its {what} is {} s, longer than {} s: a ping that comes again after \
                 that could be taken for one that was published late; `gcloud pubsub \
                 subscriptions update {id} {flag}={}`",
                found.as_secs(),
                REDELIVERY_MAX.as_secs(),
                REDELIVERY_MAX.as_secs(),
            )
        })
    };
    too_long("ack deadline", facts.ack_deadline, "--ack-deadline")
        .or_else(|| too_long("longest retry delay", facts.retry_backoff_max?, "--max-retry-delay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(ack_deadline: u64, retry: Option<u64>) -> SubscriptionFacts {
        SubscriptionFacts {
            ack_deadline: Duration::from_secs(ack_deadline),
            retry_backoff_max: retry.map(Duration::from_secs),
            ordered: false,
        }
    }

    #[test]
    fn a_minute_is_the_longest_that_redelivery_may_take() {
        let name = "projects/p/subscriptions/pings";
        for fits in [facts(10, None), facts(60, Some(60))] {
            assert_eq!(mistake(name, &fits), None);
        }
        let deadline = mistake(name, &facts(61, None)).expect("a mistake");
        assert!(deadline.contains("ack deadline is 61 s"), "{deadline}");
        let retry = mistake(name, &facts(10, Some(600))).expect("a mistake");
        assert!(retry.contains("update pings --max-retry-delay=60"), "{retry}");
    }
}
