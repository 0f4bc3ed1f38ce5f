//! Sending dead letters in again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;
use serde::Serialize;
use sinks::pubsub::{PubsubClient, Topic, attributes};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::letter::{Letter, original_publish_time};
use super::pulled::Pulled;
use crate::cli::DlqRedriveArgs;
use crate::exit::{Exit, WithExit as _};
use crate::wall_clock::WallClock;

/// Letters published together, at the most.
const TOGETHER_MAX: usize = 100;
/// Publishing goes by portions of this length, so that a rate is kept without
/// a pause between any two.
const PORTION: Duration = Duration::from_millis(100);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Done {
    dry_run: bool,
    /// Letters published again and gone from the subscription; under a dry
    /// run those that would be.
    redriven: usize,
    /// Letters of other reasons, and those that came meanwhile, which stay.
    left: usize,
    /// The redriven ones by reason.
    by_reason: BTreeMap<String, usize>,
}

impl Done {
    pub(super) fn text(&self) -> String {
        let verb = if self.dry_run { "would be redriven" } else { "redriven" };
        let mut out = String::new();
        for (reason, count) in &self.by_reason {
            let _ = writeln!(out, "{reason}: {count}");
        }
        let _ = writeln!(out, "{} dead letters {verb}, {} left", self.redriven, self.left);
        out
    }
}

/// Publishes the letters that `args` asks for to the topic and acknowledges
/// each once it is published. The others go back at the end.
pub(super) async fn run(args: &DlqRedriveArgs) -> anyhow::Result<Done> {
    let client = PubsubClient::of_environment().await.exit_with(Exit::Config)?;
    let topic = client.find_topic(&args.topic).await.context("--topic").exit_with(Exit::Config)?;
    let topic = topic.publisher().await.exit_with(Exit::Config)?;
    let mut pulled = Pulled::open(&args.subscription, args.filter.wait()).await?;
    let mut pace = Pace::new(args.rate);
    let started_ms = WallClock::read().0;
    let mut done = Done { dry_run: args.dry_run, ..Done::default() };
    let (mut held, mut together) = (Vec::new(), Vec::new());
    while done.redriven + together.len() < args.filter.limit
        && let Some((message, handler)) = pulled.next().await?
    {
        let letter = Letter::of_message(&message);
        // A letter of what this very command has sent in would be sent in for
        // ever.
        if !args.filter.takes(&letter) || published_ms(&message) > started_ms {
            done.left += 1;
            held.push(handler);
        } else if args.dry_run {
            done.count(letter.reason);
            held.push(handler);
        } else {
            together.push((letter.reason, again(&message), handler));
        }
        if together.len() == pace.portion {
            publish(&topic, &mut together, &mut pace, &mut done).await?;
        }
    }
    publish(&topic, &mut together, &mut pace, &mut done).await?;
    pulled.close(held).await;
    Ok(done)
}

/// When the message came to the dead-letter topic, milliseconds since the
/// epoch.
fn published_ms(message: &Message) -> i64 {
    message.publish_time.as_ref().map_or(0, |time| time.seconds() * 1_000)
}

/// Publishes a portion, and only then acknowledges it.
async fn publish(
    topic: &Topic,
    together: &mut Vec<(String, Message, Handler)>,
    pace: &mut Pace,
    done: &mut Done,
) -> anyhow::Result<()> {
    if together.is_empty() {
        return Ok(());
    }
    pace.wait().await;
    let mut messages: VecDeque<Message> =
        together.iter().map(|(_, message, _)| message.clone()).collect();
    topic
        .publish_all(&mut messages)
        .await
        .with_context(|| format!("{} dead letters redriven; the rest stays", done.redriven))?;
    for (reason, _, handler) in together.drain(..) {
        handler.ack();
        done.count(reason);
    }
    Ok(())
}

impl Done {
    fn count(&mut self, reason: String) {
        self.redriven += 1;
        *self.by_reason.entry(reason).or_default() += 1;
    }
}

/// The input as it first came: its bytes, what they are, and when they were
/// published first, which is its receive time still.
fn again(message: &Message) -> Message {
    let mut kept = vec![(attributes::ORIGINAL_PUBLISH_TIME, original_publish_time(message))];
    let names =
        [attributes::CONTENT_TYPE, attributes::TRACEPARENT, attributes::GOOGCLIENT_TRACEPARENT];
    for name in names {
        kept.extend(message.attributes.get(name).map(|value| (name, value.clone())));
    }
    Message::new().set_data(message.data.clone()).set_attributes(kept)
}

/// Portions of letters, so many a second.
struct Pace {
    /// Letters of a portion.
    portion: usize,
    every: Option<Interval>,
}

impl Pace {
    /// `rate` letters a second; 0 for as fast as it goes.
    fn new(rate: u32) -> Self {
        if rate == 0 {
            return Self { portion: TOGETHER_MAX, every: None };
        }
        let portions_a_second = 1_000 / PORTION.as_millis() as u32;
        let portion = (rate / portions_a_second).max(1);
        let mut every = interval(Duration::from_secs(1) * portion / rate);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { portion: portion as usize, every: Some(every) }
    }

    async fn wait(&mut self) {
        if let Some(every) = &mut self.every {
            every.tick().await;
        }
    }
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
        let again = again(&letter);
        assert_eq!(again.data, letter.data);
        let kept: BTreeMap<_, _> = again.attributes.into_iter().collect();
        let expected = [
            ("content-type", "application/json"),
            ("original_publish_time", "2026-02-03T12:00:00.250Z"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(kept, BTreeMap::from(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        for rate in [1, 7, 50, 1_000] {
            let mut pace = Pace::new(rate);
            let started = tokio::time::Instant::now();
            let mut sent = 0;
            while sent < 3 * rate as usize {
                pace.wait().await;
                sent += pace.portion;
            }
            let took = started.elapsed().as_secs_f64();
            let fastest = sent as f64 / f64::from(rate) - 1.0;
            assert!(took >= fastest.min(2.0) - 0.2, "{sent} at {rate}/s took {took} s");
        }
        assert!(Pace::new(0).every.is_none());
    }
}
