//! Where letters are sent in: a topic of all shards, or that of each letter's
//! own.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use futures::future::join_all;
use google_cloud_pubsub::model::Message;
use sinks::SinkError;
use sinks::pubsub::{PubsubClient, Topic, attributes};

use super::Publish;
use crate::cli::DlqRedriveArgs;
use crate::config::ShardName;
use crate::decode::{ContentType, decode, view};
use crate::exit::{Exit, WithExit as _};
use crate::intake::shard_of;

/// One topic, or one for each shard.
pub(super) struct Topics(Vec<Topic>);

impl Topics {
    /// Those with these full names, in the order of the shards.
    ///
    /// # Errors
    /// One does not exist or cannot be used (78).
    pub(super) async fn find(client: &PubsubClient, names: &[String]) -> anyhow::Result<Self> {
        let mut topics = Vec::new();
        for name in names {
            let topic = client.find_topic(name).await.context("--topic").exit_with(Exit::Config)?;
            topics.push(topic.publisher().await.exit_with(Exit::Config)?);
        }
        Ok(Self(topics))
    }
}

/// What `args` names: a topic, or that of each shard.
///
/// # Errors
/// `{shard}` and the number of shards do not go together.
pub(super) fn names(args: &DlqRedriveArgs) -> anyhow::Result<Vec<String>> {
    let topic = ShardName::new(&args.topic);
    match (topic.is_per_shard(), args.shards) {
        (false, None) => Ok(vec![topic.to_string()]),
        (true, Some(shards)) => Ok((0..shards).map(|shard| topic.of(shard)).collect()),
        (true, None) => bail!("{{shard}} in --topic asks for --shards, the worker's setting"),
        (false, Some(_)) => bail!("--shards asks for {{shard}} in --topic"),
    }
}

impl Publish for Topics {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>> {
        let mut outcomes: Vec<_> = messages.iter().map(|_| None).collect();
        // A request has one topic, and one ordering key at the most.
        let mut parts: BTreeMap<_, (Vec<usize>, Vec<Message>)> = BTreeMap::new();
        for (index, message) in messages.into_iter().enumerate() {
            let place = place_of(&message, self.0.len());
            let part = parts.entry((place, message.ordering_key.clone())).or_default();
            part.0.push(index);
            part.1.push(message);
        }
        let publishing = parts.into_iter().map(|((place, _), (indexes, messages))| async move {
            indexes.into_iter().zip(self.0[place].publish_each(messages).await)
        });
        for (index, outcome) in join_all(publishing).await.into_iter().flatten() {
            outcomes[index] = Some(outcome);
        }
        let each = "each message is in one part, and a topic answers for each";
        outcomes.into_iter().map(|outcome| outcome.expect(each)).collect()
    }
}

/// The topic of the shard of the first vehicle in `message`. What has none is
/// refused anew by whichever worker gets it.
fn place_of(message: &Message, topics: usize) -> usize {
    let shards = u32::try_from(topics).expect("no more than there are shards");
    let named = message.attributes.get(attributes::CONTENT_TYPE).map(String::as_str);
    let content_type = named.map_or(Some(ContentType::Ping), ContentType::named);
    let first = content_type.and_then(|it| decode(it, &message.data).ok()?.into_iter().next());
    let payload = first.as_ref().and_then(|item| item.payload().ok());
    let ping = payload.and_then(|payload| view(payload).ok());
    ping.map_or(0, |ping| shard_of(ping.vehicle_id, shards) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DlqFilter, Format};

    #[test]
    fn a_topic_of_each_shard_goes_with_their_number() {
        let args = |topic: &str, shards| DlqRedriveArgs {
            subscription: String::new(),
            topic: topic.to_owned(),
            tenant: String::new(),
            shards,
            filter: DlqFilter { reason: Vec::new(), limit: 1, wait: 1 },
            rate: 0,
            dry_run: true,
            format: Format::Text,
        };
        let each = names(&args("projects/p/topics/pings-{shard}", Some(2))).expect("both");
        assert_eq!(each, ["projects/p/topics/pings-000", "projects/p/topics/pings-001"]);
        assert_eq!(names(&args("pings", None)).expect("neither"), ["pings"]);
        assert!(
            names(&args("pings-{shard}", None)).is_err() && names(&args("pings", Some(2))).is_err()
        );
    }

    #[test]
    fn a_letter_goes_to_the_shard_of_its_vehicle() {
        let json = |vehicle: &str| {
            let ping = format!(r#"{{"vehicle_id":"{vehicle}","event_time_ms":1,"lat":1,"lon":1}}"#);
            Message::new().set_data(ping).set_attributes([("content-type", "application/json")])
        };
        for vehicle in (0..20).map(|n| format!("v{n}")) {
            assert_eq!(place_of(&json(&vehicle), 8), shard_of(&vehicle, 8) as usize);
        }
        assert_eq!(place_of(&Message::new().set_data("junk"), 8), 0);
    }
}
