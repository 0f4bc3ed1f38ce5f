//! Topics, subscriptions and messages of an emulator, as tests and trials
//! need them.

use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use google_cloud_auth::credentials::{Credentials, anonymous};
use google_cloud_pubsub::client::{
    Publisher, SchemaService, Subscriber, SubscriptionAdmin, TopicAdmin,
};
use google_cloud_pubsub::model::{Encoding, Message, Schema, SchemaSettings, schema};
use google_cloud_pubsub::subscriber::MessageStream;
use tokio::time::{Instant, timeout_at};

/// Emulators take any project for granted.
const PROJECT: &str = "local-project";
/// Messages of one publish that are under way at the same time; the client's
/// own queue has no bound.
const PUBLISH_CHUNK: usize = 5_000;

/// A client of an emulator, for one project.
#[derive(Clone, Debug)]
pub struct PubsubClient {
    endpoint: String,
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
}

impl PubsubClient {
    /// A client of the emulator at `endpoint`, such as
    /// [`Emulator::endpoint`](crate::emulator::Emulator::endpoint) gives.
    ///
    /// # Errors
    /// The clients cannot be made.
    pub async fn connect(endpoint: &str) -> anyhow::Result<Self> {
        // Idempotent, and the clients panic without one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let topics = TopicAdmin::builder().with_endpoint(endpoint).with_credentials(anonymous());
        let subscriptions =
            SubscriptionAdmin::builder().with_endpoint(endpoint).with_credentials(anonymous());
        Ok(Self {
            endpoint: endpoint.to_owned(),
            topics: topics.build().await?,
            subscriptions: subscriptions.build().await?,
        })
    }

    /// The full name of the topic `id` (3 characters or more).
    #[must_use]
    pub fn topic(&self, id: &str) -> String {
        format!("projects/{PROJECT}/topics/{id}")
    }

    /// The full name of the subscription `id` (3 characters or more).
    #[must_use]
    pub fn subscription(&self, id: &str) -> String {
        format!("projects/{PROJECT}/subscriptions/{id}")
    }

    /// Creates the topic `id` and returns its full name.
    ///
    /// # Errors
    /// The emulator refuses: it is there already, or `id` is no name.
    pub async fn create_topic(&self, id: &str) -> anyhow::Result<String> {
        let topic = self.topic(id);
        let created = self.topics.create_topic().set_name(&topic).send().await;
        created.with_context(|| format!("creating topic {topic}"))?;
        Ok(topic)
    }

    /// Creates the topic `id`, which refuses requests with a message that does
    /// not begin as `avro` says, in Avro's binary encoding, and returns its full
    /// name.
    ///
    /// # Errors
    /// The emulator refuses: it is there already, or `avro` is no schema.
    pub async fn create_topic_of(&self, id: &str, avro: &str) -> anyhow::Result<String> {
        let schemas = SchemaService::builder().with_endpoint(&self.endpoint);
        let schemas = schemas.with_credentials(anonymous()).build().await?;
        let schema = Schema::new().set_type(schema::Type::Avro).set_definition(avro);
        let creating = schemas.create_schema().set_parent(format!("projects/{PROJECT}"));
        let created = creating.set_schema_id(id).set_schema(schema).send().await;
        let schema = created.with_context(|| format!("creating schema {id}"))?.name;
        let settings = SchemaSettings::new().set_schema(schema).set_encoding(Encoding::Binary);
        let topic = self.topic(id);
        let creating = self.topics.create_topic().set_name(&topic).set_schema_settings(settings);
        let created = creating.send().await;
        created.with_context(|| format!("creating topic {topic}"))?;
        Ok(topic)
    }

    /// Deletes `topic` (a full name). Its subscriptions stay, and get nothing
    /// any more.
    ///
    /// # Errors
    /// The emulator refuses: it is not there.
    pub async fn delete_topic(&self, topic: &str) -> anyhow::Result<()> {
        let deleted = self.topics.delete_topic().set_topic(topic).send().await;
        deleted.with_context(|| format!("deleting topic {topic}"))
    }

    /// Creates the subscription `id` to `topic` (a full name) and returns its
    /// full name. `ack_deadline` counts in whole seconds, 10 to 600.
    ///
    /// # Errors
    /// The emulator refuses: it is there already, or the topic is not.
    pub async fn create_subscription(
        &self,
        id: &str,
        topic: &str,
        ack_deadline: Duration,
    ) -> anyhow::Result<String> {
        let subscription = self.subscription(id);
        let seconds = i32::try_from(ack_deadline.as_secs()).context("a deadline in seconds")?;
        self.subscriptions
            .create_subscription()
            .set_name(&subscription)
            .set_topic(topic)
            .set_ack_deadline_seconds(seconds)
            .send()
            .await
            .with_context(|| format!("creating subscription {subscription}"))?;
        Ok(subscription)
    }

    /// Deletes `subscription` (a full name) with what it holds.
    ///
    /// # Errors
    /// The emulator refuses: it is not there.
    pub async fn delete_subscription(&self, subscription: &str) -> anyhow::Result<()> {
        let deleted = self.subscriptions.delete_subscription().set_subscription(subscription);
        deleted.send().await.with_context(|| format!("deleting subscription {subscription}"))
    }

    /// Creates a topic and a subscription to it, both named `id`, and returns
    /// the full names of both.
    ///
    /// # Errors
    /// The emulator refuses.
    pub async fn create_pair(&self, id: &str) -> anyhow::Result<(String, String)> {
        let topic = self.create_topic(id).await?;
        let subscription = self.create_subscription(id, &topic, Duration::from_secs(10)).await?;
        Ok((topic, subscription))
    }

    /// Publishes `messages` to `topic` (a full name), in order where they
    /// share an ordering key, and returns their ids once the emulator has all
    /// of them.
    ///
    /// # Errors
    /// One of them could not be published.
    pub async fn publish(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> anyhow::Result<Vec<String>> {
        let publisher = self.publisher(topic).await?;
        let mut ids = Vec::new();
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let chunk = messages.by_ref().take(PUBLISH_CHUNK);
            let published = chunk.map(|message| publisher.publish(message)).collect::<Vec<_>>();
            publisher.flush().await;
            ids.extend(try_join_all(published).await?);
        }
        Ok(ids)
    }

    /// A publisher to `topic` (a full name). Its queue has no bound: whoever
    /// uses it waits for what was published.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn publisher(&self, topic: &str) -> anyhow::Result<Publisher> {
        let builder = Publisher::builder(topic).with_endpoint(&self.endpoint);
        let builder = builder.with_credentials(anonymous()).set_message_count_threshold(1_000);
        Ok(builder.build().await?)
    }

    /// Pulls messages of `subscription` (a full name) and acknowledges each,
    /// until `enough` says so of all that came.
    ///
    /// # Errors
    /// There were not enough within `patience`: the message says how many came.
    pub async fn collect(
        &self,
        subscription: &str,
        patience: Duration,
        mut enough: impl FnMut(&[Message]) -> bool,
    ) -> anyhow::Result<Vec<Message>> {
        let mut stream = self.stream(subscription).await?;
        let deadline = Instant::now() + patience;
        let mut collected = Vec::new();
        while !enough(&collected) {
            let next = timeout_at(deadline, stream.next()).await.with_context(|| {
                let count = collected.len();
                format!("{count} messages of {subscription} within {patience:?} are not enough")
            })?;
            let (message, handler) = next.context("the stream ended")??;
            handler.ack();
            collected.push(message);
        }
        stream.shutdown_token().shutdown().await;
        Ok(collected)
    }

    /// Messages of `subscription` (a full name) as they come.
    ///
    /// # Errors
    /// The client cannot be made.
    pub async fn stream(&self, subscription: &str) -> anyhow::Result<MessageStream> {
        let builder = Subscriber::builder().with_endpoint(&self.endpoint);
        let subscriber = builder.with_credentials(anonymous()).build().await?;
        let stream = subscriber.subscribe(subscription).set_max_outstanding_messages(10_000_i64);
        Ok(stream.set_max_lease_extension(Duration::from_secs(10)).build())
    }
}

fn anonymous() -> Credentials {
    anonymous::Builder::new().build()
}
