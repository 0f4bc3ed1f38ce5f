//! Pub/Sub as this process reaches it, and what it knows of topics and
//! subscriptions.

use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_pubsub::client::{Subscriber, SubscriptionAdmin, TopicAdmin};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::publisher::Publisher;
use super::{SubscriptionProbe, Topic};
use crate::google::{
    self, CredentialsError, Endpoint, EndpointError, Failure, Service, credentials,
};

/// At a start Pub/Sub is waited for this long; then the worker goes on, and
/// what was to be checked shows when it is used.
const CHECK_MAX: Duration = Duration::from_secs(10);

/// Pub/Sub cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum PubsubError {
    /// The address is not spoken to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is nobody to ask as.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A client could not be made.
    #[error("no client of Pub/Sub at {endpoint}: {detail}")]
    Client {
        /// Its address.
        endpoint: String,
        /// What the client says.
        detail: String,
    },
    /// It is not there.
    #[error("{name} does not exist at {endpoint}; create it, or correct its name")]
    Missing {
        /// Full name of the topic or subscription.
        name: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// What was asked for cannot be had.
    #[error("{name} at {endpoint}: {source}")]
    Refused {
        /// Full name of the topic or subscription.
        name: String,
        /// Where.
        endpoint: String,
        /// What Pub/Sub says.
        source: Box<Error>,
    },
}

impl PubsubError {
    /// Whether the same may succeed later with nothing put right by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Credentials(error) if error.passes())
    }
}

/// What Pub/Sub says of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// How long it waits for an ack before it delivers again, where no lease
    /// says otherwise.
    pub ack_deadline: Duration,
    /// The longest pause before it delivers a refused message again; `None`
    /// where it has no retry policy and delivers at once.
    pub retry_backoff_max: Option<Duration>,
    /// Whether it keeps messages of one ordering key in order.
    pub ordered: bool,
}

/// Pub/Sub, with the credentials to use it.
#[derive(Clone, Debug)]
pub struct PubsubClient {
    endpoint: Endpoint,
    credentials: Credentials,
}

impl PubsubClient {
    /// Pub/Sub where the environment says it is.
    ///
    /// # Errors
    /// Its address is not spoken to, or there are no credentials.
    pub async fn of_environment() -> Result<Self, PubsubError> {
        google::install_crypto();
        let endpoint = Endpoint::of(Service::Pubsub)?;
        let credentials = credentials(&endpoint).await?;
        Ok(Self { endpoint, credentials })
    }

    /// Looks the topic `name` (a full name) up, which must exist as far as can
    /// be told.
    ///
    /// # Errors
    /// It does not exist, or no client can be made.
    pub async fn find_topic(&self, name: &str) -> Result<FoundTopic, PubsubError> {
        let admin = TopicAdmin::builder()
            .with_endpoint(self.endpoint.url())
            .with_credentials(self.credentials.clone())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .map_err(|error| self.no_client(error))?;
        self.look_up(name, || admin.get_topic().set_topic(name).send()).await?;
        Ok(FoundTopic { client: self.clone(), name: name.to_owned() })
    }

    /// What is known of the subscription `name` (a full name), which must
    /// exist as far as can be told; `None` where it may be used but not be
    /// looked at, or Pub/Sub does not answer.
    ///
    /// # Errors
    /// It does not exist, or no client can be made.
    pub async fn subscription(&self, name: &str) -> Result<Option<SubscriptionFacts>, PubsubError> {
        let admin = self.subscriptions().await?;
        let found =
            self.look_up(name, || admin.get_subscription().set_subscription(name).send()).await?;
        let Some(found) = found else { return Ok(None) };
        let retry_backoff_max = found.retry_policy.map(|policy| {
            // Where the policy names none, it is the service's longest.
            let longest = policy.maximum_backoff.map_or(600, |backoff| backoff.seconds());
            Duration::from_secs(longest.unsigned_abs())
        });
        Ok(Some(SubscriptionFacts {
            ack_deadline: Duration::from_secs(found.ack_deadline_seconds.unsigned_abs().into()),
            retry_backoff_max,
            ordered: found.enable_message_ordering,
        }))
    }

    /// What tells whether Pub/Sub answers when it is asked after the
    /// subscription `name` (a full name).
    ///
    /// # Errors
    /// No client can be made.
    pub async fn probe(&self, name: &str) -> Result<SubscriptionProbe, PubsubError> {
        Ok(SubscriptionProbe::new(self.subscriptions().await?, name))
    }

    /// A client that asks once.
    async fn subscriptions(&self) -> Result<SubscriptionAdmin, PubsubError> {
        SubscriptionAdmin::builder()
            .with_endpoint(self.endpoint.url())
            .with_credentials(self.credentials.clone())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .map_err(|error| self.no_client(error))
    }

    /// A client to pull with.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn subscriber(&self) -> Result<Subscriber, PubsubError> {
        Subscriber::builder()
            .with_endpoint(self.endpoint.url())
            .with_credentials(self.credentials.clone())
            .build()
            .await
            .map_err(|error| self.no_client(error))
    }

    /// Asks for what `name` stands for: `None` where that is not allowed, or
    /// nobody answers in time.
    async fn look_up<T, F>(&self, name: &str, ask: impl Fn() -> F) -> Result<Option<T>, PubsubError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let endpoint = self.endpoint.url().to_owned();
        let deadline = Instant::now() + CHECK_MAX;
        let mut backoff = google::backoff();
        loop {
            let error = match timeout_at(deadline, ask()).await {
                Ok(Ok(found)) => return Ok(Some(found)),
                Ok(Err(error)) => error,
                Err(_) => {
                    warn!(name, "Pub/Sub does not answer: that it exists is not checked");
                    return Ok(None);
                }
            };
            let code = error.status().map(|status| status.code);
            if code == Some(Code::NotFound) || error.http_status_code() == Some(404) {
                return Err(PubsubError::Missing { name: name.to_owned(), endpoint });
            }
            if code == Some(Code::PermissionDenied) {
                warn!(name, "may not be looked at: that it exists is not checked");
                return Ok(None);
            }
            match Failure::of(&error) {
                Failure::Transient if Instant::now() < deadline => {
                    backoff.pause().await;
                }
                Failure::Transient => {
                    warn!(name, %error, "Pub/Sub does not answer: that it exists is not checked");
                    return Ok(None);
                }
                Failure::Setup | Failure::Permanent => {
                    let (name, source) = (name.to_owned(), Box::new(error));
                    return Err(PubsubError::Refused { name, endpoint, source });
                }
            }
        }
    }

    fn no_client(&self, error: google_cloud_gax::client_builder::Error) -> PubsubError {
        PubsubError::Client { endpoint: self.endpoint.url().to_owned(), detail: error.to_string() }
    }
}

/// A topic that was looked up, for as many publishers as are needed.
#[derive(Clone, Debug)]
pub struct FoundTopic {
    client: PubsubClient,
    name: String,
}

impl FoundTopic {
    /// A publisher of its own.
    ///
    /// # Errors
    /// No client can be made.
    pub async fn publisher(&self) -> Result<Topic, PubsubError> {
        let Self { client, name } = self;
        let channel = google::channel(&client.endpoint).map_err(|error| PubsubError::Client {
            endpoint: client.endpoint.url().to_owned(),
            detail: error.to_string(),
        })?;
        Ok(Topic::new(name, Publisher::new(channel, client.credentials.clone(), name)))
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_auth::credentials::anonymous;

    use super::*;

    fn client() -> PubsubClient {
        let endpoint = Endpoint::read(Service::Pubsub, Some("127.0.0.1:1")).unwrap();
        PubsubClient { endpoint, credentials: anonymous::Builder::new().build() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_does_not_hold_up_a_start() {
        let client = client();
        let looked = client.look_up("t", std::future::pending::<Result<(), Error>>);
        let found = tokio::time::timeout(2 * CHECK_MAX, looked).await.expect("an end to waiting");
        assert!(found.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_pass_do_not_either() {
        let client = client();
        let away = || std::future::ready(Err::<(), _>(Error::io("connection reset")));
        let looked = client.look_up("t", away);
        let found = tokio::time::timeout(2 * CHECK_MAX, looked).await.expect("an end to waiting");
        assert!(found.unwrap().is_none());
    }
}
