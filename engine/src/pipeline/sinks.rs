//! The sinks of a shard, opened where their cursors say.

use std::time::Duration;

use anyhow::Context;
use sinks::pubsub::{self, FoundTopic, PubsubClient, PubsubError};
use sinks::{
    FileLimits, Sink, SinkError, archive, bigquery, dead_letters, event_files, event_log, firestore,
};
use tokio::sync::watch;
use tracing::{info, warn};

use super::directory::DataDir;
use crate::config::Config;
use crate::exit::{Exit, WithExit as _};
use crate::journal::JournalReader;
use crate::shard::{Claimed, CursorBoard, Cursors, SinkRunner, first_segment};

/// A start waits so long for a service that does not answer.
const CHECK_MAX: Duration = Duration::from_secs(10);

/// Names of the sinks that `config` asks for, as cursors carry them.
pub(super) fn names(config: &Config) -> Vec<&'static str> {
    let files = &config.files;
    let mut names = Vec::new();
    if files.parquet {
        names.extend([archive::NAME, event_files::NAME]);
    }
    if files.event_log {
        names.push(event_log::NAME);
    }
    if files.dead_letters {
        names.push(dead_letters::NAME);
    }
    names.extend(topics(config).map(|(name, _)| name));
    if config.bigquery.dataset.is_some() {
        names.extend([bigquery::PINGS, bigquery::EVENTS]);
    }
    names
}

/// Names of all whose cursors the journal records: the sinks, and the live
/// positions, which hold back no deletion.
pub(super) fn cursors(config: &Config) -> Vec<&'static str> {
    let mut names = names(config);
    if config.firestore.database.is_some() {
        names.push(firestore::NAME);
    }
    names
}

/// The topics that `config` asks for: name of the sink and full name of the
/// topic.
fn topics(config: &Config) -> impl Iterator<Item = (&'static str, &str)> {
    let pubsub = &config.pubsub;
    let all = [
        (pubsub::names::EVENTS, &pubsub.events_topic),
        (pubsub::names::DEAD_LETTERS, &pubsub.dead_letter_topic),
        (pubsub::names::LATE, &pubsub.late_topic),
    ];
    all.into_iter().filter_map(|(name, topic)| Some((name, topic.as_deref()?)))
}

/// Whether dead letters go anywhere: the journal alone forgets them.
fn keeps_letters(config: &Config) -> bool {
    config.files.dead_letters || config.pubsub.dead_letter_topic.is_some()
}

/// Services that the sinks of all shards share.
pub(super) struct Services {
    /// By the name of the sink.
    topics: Vec<(&'static str, FoundTopic)>,
    bigquery: Option<bigquery::Service>,
}

impl Services {
    /// Connects to what `config` names, and sees that it can be written to. A
    /// service that does not answer now is no reason not to start.
    pub(super) async fn connect(config: &Config) -> anyhow::Result<Self> {
        let topics = Box::pin(find_topics(config)).await?;
        let bigquery = match config.bigquery_settings() {
            Some(settings) => Some(connect_bigquery(settings).await.context("bigquery.dataset")?),
            None => None,
        };
        Ok(Self { topics, bigquery })
    }

    /// The sinks of a shard with these cursors.
    async fn open(
        &self,
        config: &Config,
        claimed: &Claimed,
        cursors: &Cursors,
    ) -> anyhow::Result<Vec<Box<dyn Sink>>> {
        let mut sinks = Vec::new();
        for (name, topic) in &self.topics {
            // Its own: what holds one shard's messages up holds up no other's.
            let topic = topic.publisher().await.exit_with(Exit::Config)?;
            let keeps_letters = keeps_letters(config);
            sinks.push(match *name {
                pubsub::names::EVENTS => pubsub::events(topic, &config.tenant, keeps_letters),
                pubsub::names::DEAD_LETTERS => pubsub::dead_letters(topic),
                _ => pubsub::late(topic, keeps_letters),
            });
        }
        if let Some(service) = &self.bigquery {
            let (shard, tail) = (claimed.number, claimed.tail());
            sinks.push(boxed(service.pings(shard, cursors.get(bigquery::PINGS), tail)));
            sinks.push(boxed(service.events(shard, cursors.get(bigquery::EVENTS), tail)));
        }
        Ok(sinks)
    }
}

async fn find_topics(config: &Config) -> anyhow::Result<Vec<(&'static str, FoundTopic)>> {
    let mut found = Vec::new();
    if topics(config).next().is_none() {
        return Ok(found);
    }
    let client = PubsubClient::of_environment()
        .await
        .exit_as_config_unless(PubsubError::passes)
        .context("topics of [pubsub]")?;
    for (name, topic) in topics(config) {
        let key = || format!("pubsub.{name}");
        let topic = client.find_topic(topic).await.with_context(key).exit_with(Exit::Config)?;
        found.push((name, topic));
    }
    Ok(found)
}

async fn connect_bigquery(settings: bigquery::Settings) -> anyhow::Result<bigquery::Service> {
    let endpoints = bigquery::Endpoints::of_environment().exit_with(Exit::Config)?;
    let service = bigquery::Service::connect(settings, &endpoints).await;
    let service = service.exit_as_config_unless(bigquery::ConnectError::passes)?;
    const LATER: &str = "BigQuery does not answer: its tables are checked before the first row";
    match tokio::time::timeout(CHECK_MAX, service.check()).await {
        Ok(Err(error)) if error.passes() => warn!(%error, "{LATER}"),
        Ok(checked) => checked.exit_with(Exit::Config)?,
        Err(_) => warn!("{LATER}"),
    }
    Ok(service)
}

/// A runner for each sink of the shard that was claimed, to be made before the
/// shard runs: where a new sink begins is recorded with its first segment.
pub(super) async fn runners(
    config: &Config,
    directory: &DataDir,
    services: &Services,
    claimed: &Claimed,
    board: &CursorBoard,
    flush_every: Duration,
    last: &watch::Receiver<Option<u64>>,
) -> anyhow::Result<Vec<SinkRunner>> {
    let mut cursors = claimed.cursors.clone();
    cursors.retain(|_, cursor| !cursor.dropped);
    let mut opened = open_files(config, directory, claimed.number, cursors.clone()).await?;
    opened.extend(services.open(config, claimed, &cursors).await?);
    let (reader, first_seq, tail) = (claimed.reader(), claimed.first_seq, claimed.tail());
    let mut begins = Vec::with_capacity(opened.len());
    for sink in opened {
        let cursor = cursors.get(sink.name());
        let was_here = cursor.is_none() && claimed.cursors.contains_key(sink.name());
        let next = if sink.found_output().unwrap_or(was_here) {
            tail + 1
        } else {
            first_segment(&reader, first_seq, tail, cursor).await?
        };
        let is_new = cursor.is_none_or(|cursor| cursor.through_seq < first_seq);
        begins.push(Begin { sink, next, is_new });
    }
    pass_unreadable(&mut begins, &reader, claimed.snapshot_seq, tail).await?;
    let mut runners = Vec::with_capacity(begins.len());
    for Begin { sink, next, is_new } in begins {
        if is_new && next > tail {
            info!(sink = sink.name(), next, "a sink new to an old journal begins now");
        }
        let (shard, reader, board) = (claimed.number, reader.clone(), board.clone());
        let mut runner =
            SinkRunner::new(sink, shard, reader, board, next, flush_every, last.clone());
        runner.begin().await?;
        runners.push(runner);
    }
    Ok(runners)
}

/// A sink and the first segment that it is to take.
struct Begin {
    sink: Box<dyn Sink>,
    next: u64,
    /// It has taken none so far.
    is_new: bool,
}

/// Segments before a snapshot that are looked at, the newest: it is the last
/// ones that a crash of the machine may have damaged.
const LOOKED_AT_MAX: u64 = 64;

/// Sees that the segments can be read that sinks have yet to take, while nothing
/// is begun. Recovery has read what follows the snapshot, and nothing before.
/// A sink that is new begins after what cannot be read.
async fn pass_unreadable(
    begins: &mut [Begin],
    reader: &JournalReader,
    snapshot_seq: Option<u64>,
    tail: u64,
) -> anyhow::Result<()> {
    let lowest = begins.iter().map(|begin| begin.next).min();
    let (Some(lowest), Some(last)) = (lowest, snapshot_seq) else { return Ok(()) };
    for seq in lowest.max((last + 1).saturating_sub(LOOKED_AT_MAX))..=last {
        let error = match reader.read(seq).await {
            Ok(_) => continue,
            Err(error) if error.passes() => return Err(error.into()),
            Err(error) => error,
        };
        for new in begins.iter_mut().filter(|begin| begin.is_new && begin.next <= seq) {
            new.next = tail + 1;
        }
        let needing = begins.iter().filter(|begin| begin.next <= seq);
        let needing: Vec<_> = needing.map(|begin| begin.sink.name()).collect();
        if !needing.is_empty() {
            return Err(error).context(unreadable(&needing));
        }
    }
    Ok(())
}

/// What to do about a segment that these sinks have not taken and that cannot be
/// read.
fn unreadable(sinks: &[&str]) -> String {
    format!(
        "a segment of the journal cannot be read that has not been taken by: {}. Restore it from a \
         copy, or start once without these sinks, which then leave out what they have not taken",
        sinks.join(", ")
    )
}

/// Opens the sinks that write files.
async fn open_files(
    config: &Config,
    directory: &DataDir,
    shard: u32,
    cursors: Cursors,
) -> anyhow::Result<Vec<Box<dyn Sink>>> {
    let limits =
        FileLimits { age_max: config.archive.max_age, bytes_max: config.archive.max_bytes };
    let files = config.files.clone();
    let (pings, events) = (directory.pings(), directory.events());
    let (log, letters) = (directory.event_log(), directory.dead_letters());
    // Opening reads and cuts files.
    let opened = tokio::task::spawn_blocking(move || {
        let cursor = |name: &str| cursors.get(name);
        let mut sinks = Vec::new();
        if files.parquet {
            sinks.push(boxed(archive::open(&pings, shard, cursor(archive::NAME), limits)?));
            let cursor = cursor(event_files::NAME);
            sinks.push(boxed(event_files::open(&events, shard, cursor, limits)?));
        }
        if files.event_log {
            sinks.push(boxed(event_log::open(&log, shard, cursor(event_log::NAME))?));
        }
        if files.dead_letters {
            sinks.push(boxed(dead_letters::open(&letters, shard, cursor(dead_letters::NAME))?));
        }
        Ok::<_, SinkError>(sinks)
    });
    Ok(opened.await.context("opening a sink panicked")??)
}

fn boxed(sink: impl Sink) -> Box<dyn Sink> {
    Box::new(sink)
}
