//! Sending dead letters in again.

mod pace;
mod topics;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use anyhow::Context;
use google_cloud_pubsub::model::Message;
use serde::Serialize;
use sinks::SinkError;
use sinks::pubsub::{self, PubsubClient, PubsubError, attributes, published_ms};

use super::letter::{Letter, original_publish_time};
use super::look::{End, Letters, Look, Next, Shown};
use super::pulled::Pulled;
use crate::cli::DlqRedriveArgs;
use crate::exit::{Exit, WithExit as _};
use crate::wall_clock::WallClock;
use pace::Pace;
use topics::Topics;

/// Bytes published together, about.
const TOGETHER_BYTES_MAX: usize = 8 << 20;

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Done {
    dry_run: bool,
    /// Letters published again and gone from the subscription; under a dry
    /// run those that would be.
    pub(super) redriven: usize,
    /// Letters that were looked at and stay: of other reasons, come meanwhile,
    /// or not published.
    pub(super) left: usize,
    /// Of these the ones that could not be published, as far as can be told.
    pub(super) failed: usize,
    /// Letters of what BigQuery or a topic has refused, and that is no input:
    /// they stay, but for those of the one topic that is asked for.
    events: usize,
    /// Why no others were looked at; `None` after a failure.
    end: Option<End>,
    /// The redriven ones by reason.
    pub(super) by_reason: BTreeMap<String, usize>,
}

impl Done {
    pub(super) fn text(&self) -> String {
        let verb = if self.dry_run { "would be redriven" } else { "redriven" };
        let mut out = String::new();
        for (reason, count) in &self.by_reason {
            let _ = writeln!(out, "{reason}: {count}");
        }
        let _ = write!(out, "{} dead letters {verb}, {} left", self.redriven, self.left);
        if self.failed > 0 {
            let _ = write!(out, ", {} of them because they could not be published", self.failed);
        }
        let remark = self.end.map_or("; not all were looked at", End::remark);
        let _ = writeln!(out, "{remark}");
        if self.events > 0 {
            let _ = writeln!(out, "{} left that are output and no input", self.events);
        }
        out
    }

    fn count(&mut self, reason: String) {
        self.redriven += 1;
        *self.by_reason.entry(reason).or_default() += 1;
    }
}

/// Where letters are sent in.
pub(super) trait Publish {
    /// Publishes `messages`: the id of each, or why it has none.
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>>;
}

/// Publishes the letters that `args` asks for to their topic and acknowledges
/// each once it is published. The others go back at the end. What was done,
/// and how it ended.
pub(super) async fn run(args: &DlqRedriveArgs) -> anyhow::Result<(Done, anyhow::Result<End>)> {
    let names = topics::names(args).exit_with(Exit::Usage)?;
    let client = PubsubClient::of_environment().await;
    let client = client.exit_as_config_unless(PubsubError::passes)?;
    let topics = Topics::find(&client, &names).await?;
    let look = Look::new(Pulled::open(&args.subscription, args.filter.wait()).await?);
    Ok(redrive(look, &topics, args, WallClock::read().0).await)
}

/// As [`run`], of the letters that `look` shows. Those that were published to
/// the dead-letter topic after `started_ms` stay: it would never end.
pub(super) async fn redrive<L: Letters>(
    look: Look<L>,
    topic: &impl Publish,
    args: &DlqRedriveArgs,
    started_ms: i64,
) -> (Done, anyhow::Result<End>) {
    let mut redrive = Redrive {
        look,
        topic,
        args,
        started_ms,
        pace: Pace::new(args.rate),
        together: Vec::new(),
        together_bytes: 0,
        sent: HashSet::new(),
        done: Done { dry_run: args.dry_run, ..Done::default() },
    };
    let ended = redrive.run().await;
    for (_, shown) in redrive.together.drain(..) {
        redrive.done.left += 1;
        redrive.look.hold(shown);
    }
    redrive.done.end = ended.as_ref().ok().copied();
    redrive.look.close().await;
    (redrive.done, ended)
}

struct Redrive<'a, L: Letters, T: Publish> {
    look: Look<L>,
    topic: &'a T,
    args: &'a DlqRedriveArgs,
    started_ms: i64,
    pace: Pace,
    /// Letters to be published next, each with its reason.
    together: Vec<(String, Shown<L::Handle>)>,
    together_bytes: usize,
    /// Ids under which letters were sent in.
    sent: HashSet<String>,
    done: Done,
}

impl<L: Letters, T: Publish> Redrive<'_, L, T> {
    async fn run(&mut self) -> anyhow::Result<End> {
        let end = loop {
            if self.done.redriven + self.together.len() >= self.args.filter.limit {
                break End::Limit;
            }
            let shown = match self.look.next().await? {
                Next::Letter(shown) => shown,
                Next::End(end) => break end,
            };
            let letter = Letter::of_message(&shown.message);
            if letter.is_output() && !self.args.filter.is_of(&letter) {
                self.done.events += 1;
                self.look.hold(shown);
            } else if !self.args.filter.takes(&letter)
                || self.has_come_meanwhile(&letter, &shown.message)
            {
                self.done.left += 1;
                self.look.hold(shown);
            } else if self.args.dry_run {
                self.done.count(letter.reason);
                self.look.hold(shown);
            } else {
                self.together_bytes += shown.message.data.len();
                self.together.push((letter.reason, shown));
            }
            if self.together.len() >= self.pace.portion || self.together_bytes >= TOGETHER_BYTES_MAX
            {
                self.publish().await?;
            }
        };
        self.publish().await?;
        Ok(end)
    }

    /// Whether the letter came after the start, or is of what this very
    /// command has sent in, whatever the clocks say: it would be sent in for
    /// ever.
    fn has_come_meanwhile(&self, letter: &Letter, message: &Message) -> bool {
        // Of one ping of several it is the message's, `#` and the ping's.
        let message_id = letter.source_message_id.split('#').next().unwrap_or_default();
        self.sent.contains(message_id)
            || published_ms(message).is_some_and(|published| published > self.started_ms)
    }

    /// Publishes a portion, and acknowledges what of it was published.
    async fn publish(&mut self) -> anyhow::Result<()> {
        if self.together.is_empty() {
            return Ok(());
        }
        self.pace.wait().await;
        let tenant = &self.args.tenant;
        let messages =
            self.together.iter().map(|(reason, shown)| again(reason, &shown.message, tenant));
        let messages = messages.collect::<anyhow::Result<_>>()?;
        let outcomes = self.topic.publish(messages).await;
        self.together_bytes = 0;
        let mut failure = None;
        for ((reason, shown), outcome) in self.together.drain(..).zip(outcomes) {
            match outcome {
                Ok(id) => {
                    self.sent.insert(id);
                    self.look.settle(shown);
                    self.done.count(reason);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    self.done.left += 1;
                    self.done.failed += 1;
                    self.look.hold(shown);
                }
            }
        }
        let Some(error) = failure else { return Ok(()) };
        Err(anyhow::Error::new(error).context(
            "not all dead letters could be published: these stay. One whose answer was lost may \
             have been published all the same, and is there twice when it is redriven again",
        ))
    }
}

/// What the letter of `reason` in `message` was before it was refused.
///
/// # Errors
/// It is said to be an operation on an event, and is none.
fn again(reason: &str, message: &Message, tenant: &str) -> anyhow::Result<Message> {
    const AS_IT_CAME: &[&str] =
        &[attributes::CONTENT_TYPE, attributes::TRACEPARENT, attributes::GOOGCLIENT_TRACEPARENT];
    const OF_A_TOPIC: &[&str] = &[attributes::CONTENT_TYPE, attributes::SOURCE_MESSAGE_ID];
    match reason {
        pubsub::REFUSED_EVENT => {
            let id = &message.message_id;
            let event = pubsub::event_message(message.data.clone(), tenant);
            event.with_context(|| format!("message {id} holds no operation on an event"))
        }
        pubsub::REFUSED_LATE => Ok(first(message, OF_A_TOPIC)),
        _ => Ok(first(message, AS_IT_CAME)),
    }
}

/// The bytes of `message` as they first came: what they are by the attributes
/// `kept`, and when they were published first, which is their receive time still.
fn first(message: &Message, kept: &[&'static str]) -> Message {
    let mut attributes = vec![(attributes::ORIGINAL_PUBLISH_TIME, original_publish_time(message))];
    for name in kept {
        attributes.extend(message.attributes.get(*name).map(|value| (*name, value.clone())));
    }
    Message::new().set_data(message.data.clone()).set_attributes(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_the_input_with_its_first_publish_time() {
        let letter = Message::new().set_data("x").set_attributes([
            ("content-type", "application/json"),
            ("dlq_reason", "undecodable"),
            ("source_message_id", "m7"),
            ("original_publish_time", "2026-02-03T12:00:00.250Z"),
        ]);
        let again = again("undecodable", &letter, "acme").unwrap();
        assert_eq!(again.data, letter.data);
        let kept: BTreeMap<_, _> = again.attributes.into_iter().collect();
        let expected = [
            ("content-type", "application/json"),
            ("original_publish_time", "2026-02-03T12:00:00.250Z"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(kept, BTreeMap::from(expected));
    }

    #[test]
    fn a_late_ping_that_its_topic_refused_keeps_what_the_worker_gave_it() {
        let kept = [
            ("content-type", "application/x-protobuf"),
            ("original_publish_time", "2026-02-03T12:00:00.250Z"),
            ("source_message_id", "0f"),
        ];
        let of_the_letter = [("dlq_reason", pubsub::REFUSED_LATE), ("traceparent", "00-1")];
        let letter =
            Message::new().set_data("x").set_attributes(kept.into_iter().chain(of_the_letter));
        let again = again(pubsub::REFUSED_LATE, &letter, "acme").unwrap();
        assert_eq!(again, Message::new().set_data("x").set_attributes(kept));
    }

    #[test]
    fn what_is_no_event_is_not_published_as_one() {
        let letter = Message::new().set_data("\u{7}").set_message_id("m7");
        let error = again(pubsub::REFUSED_EVENT, &letter, "acme").unwrap_err();
        assert!(error.to_string().contains("m7"), "{error}");
    }
}
