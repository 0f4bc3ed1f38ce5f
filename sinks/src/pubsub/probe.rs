//! Whether Pub/Sub answers at all, and for a subscription that has a topic.

use std::time::Duration;

use google_cloud_pubsub::client::SubscriptionAdmin;
use tokio::time::timeout;

use crate::google::Failure;

/// Whoever answers does so within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What a subscription's topic is called once it is deleted.
const DELETED_TOPIC: &str = "_deleted-topic_";

/// What a look at a subscription shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The service answers, be it that the subscription is gone or may not be
    /// looked at.
    Answers,
    /// It answers that the subscription's topic is deleted: no message comes by
    /// it any more, also not by a new topic of the name.
    WithoutTopic,
    /// Nobody answers, or not now.
    Away,
}

/// Asks after a subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionProbe {
    admin: SubscriptionAdmin,
    /// Its full name.
    subscription: String,
}

impl SubscriptionProbe {
    pub(super) fn new(admin: SubscriptionAdmin, subscription: &str) -> Self {
        Self { admin, subscription: subscription.to_owned() }
    }

    /// Asks once, for a few seconds.
    pub async fn look(&self) -> Looked {
        let asked = self.admin.get_subscription().set_subscription(&self.subscription).send();
        match timeout(ANSWERS_WITHIN, asked).await {
            Ok(Ok(found)) if found.topic == DELETED_TOPIC => Looked::WithoutTopic,
            Ok(Ok(_)) => Looked::Answers,
            Ok(Err(error)) if Failure::of(&error) == Failure::Transient => Looked::Away,
            Ok(Err(_)) => Looked::Answers,
            Err(_) => Looked::Away,
        }
    }
}
