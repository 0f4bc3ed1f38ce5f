//! Whether Pub/Sub answers at all.

use std::time::Duration;

use google_cloud_pubsub::client::SubscriptionAdmin;
use tokio::time::timeout;

use crate::google::Failure;

/// Whoever answers does so within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

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

    /// Whether the service answers now, be it that the subscription is gone or
    /// may not be looked at.
    pub async fn answers(&self) -> bool {
        let asked = self.admin.get_subscription().set_subscription(&self.subscription).send();
        match timeout(ANSWERS_WITHIN, asked).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => Failure::of(&error) != Failure::Transient,
            Err(_) => false,
        }
    }
}
