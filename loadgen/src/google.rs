//! How Google's services are reached: Pub/Sub at the emulator that
//! `PUBSUB_EMULATOR_HOST` names, else the service, with the credentials of the
//! environment; others by [`rest`].

pub mod rest;

use std::time::Duration;

use google_cloud_auth::credentials::{Credentials, anonymous};
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use google_cloud_pubsub::client::{Publisher, Subscriber};
use google_cloud_pubsub::retry_policy::RetryableErrors;

/// Where an emulator listens, as `host:port`.
const EMULATOR_VARIABLE: &str = "PUBSUB_EMULATOR_HOST";
/// The client's own batches: fewer calls, and a wait that no latency notices.
const MESSAGES_PER_CALL: u32 = 1_000;
/// Messages that may be under way to here.
const OUTSTANDING_MAX: i64 = 50_000;

/// Where Pub/Sub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pubsub {
    /// An emulator, as `http://host:port`.
    Emulator(String),
    /// Google's service.
    Service,
}

impl Pubsub {
    /// As the environment says.
    #[must_use]
    pub fn of_environment() -> Self {
        match std::env::var(EMULATOR_VARIABLE) {
            Ok(host) if !host.is_empty() => Self::Emulator(format!("http://{host}")),
            _ => Self::Service,
        }
    }

    /// A publisher for `topic`, its full name, over so many connections; what
    /// is not published within `patience` has failed.
    ///
    /// # Errors
    /// No credentials, or the address is none.
    pub async fn publisher(
        &self,
        topic: &str,
        connections: usize,
        patience: Duration,
    ) -> anyhow::Result<Publisher> {
        install_crypto();
        let builder = Publisher::builder(topic)
            .set_message_count_threshold(MESSAGES_PER_CALL)
            .with_grpc_subchannel_count(connections.max(1))
            .with_retry_policy(RetryableErrors.with_time_limit(patience));
        let builder = match self {
            Self::Emulator(endpoint) => builder.with_endpoint(endpoint).with_credentials(nobody()),
            Self::Service => builder,
        };
        Ok(builder.build().await?)
    }

    /// A subscriber.
    ///
    /// # Errors
    /// No credentials, or the address is none.
    pub async fn subscriber(&self) -> anyhow::Result<Subscriber> {
        install_crypto();
        let builder = Subscriber::builder();
        let builder = match self {
            Self::Emulator(endpoint) => builder.with_endpoint(endpoint).with_credentials(nobody()),
            Self::Service => builder,
        };
        Ok(builder.build().await?)
    }

    /// Messages that a stream may have outstanding.
    pub(crate) fn outstanding_max() -> i64 {
        OUTSTANDING_MAX
    }
}

/// Emulators ask for no credentials.
fn nobody() -> Credentials {
    anonymous::Builder::new().build()
}

fn install_crypto() {
    // Idempotent, and the clients panic without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
