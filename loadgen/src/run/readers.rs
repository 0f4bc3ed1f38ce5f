//! What reads back while the run goes on.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::RunPlan;
use super::archive::{self, Source, Watched};
use crate::latency::Latencies;
use crate::read::EventReader;
use crate::read::event_files::EventFiles;
use crate::read::follow::Follower;
use crate::read::letters::{LetterSubscription, Letters};
use crate::read::positions::{Positions, Watched as WatchedVehicles, Watcher};
use crate::read::sse::{EventStream, Inbox};
use crate::read::told::Spool;
use crate::read::topic::EventSubscription;
use crate::send::Progress;
use crate::send::http::client;
use crate::truth::Names;
use crate::verdict::{Part, Unread};

/// What was read, shared with whoever watches.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) inbox: Arc<Inbox>,
    pub(super) letters: Arc<Letters>,
    pub(super) archive: Arc<Watched>,
}

impl Seen {
    /// Nothing so far; events of the run are kept whole in `spool`.
    pub(super) fn keeping(spool: Option<Spool>) -> Self {
        Self { inbox: Arc::new(Inbox::keeping(spool)), ..Self::default() }
    }
}

/// The tasks that read, until they are told to stop.
pub(super) struct Readers {
    events: Option<JoinHandle<anyhow::Result<()>>>,
    positions: Option<JoinHandle<Latencies>>,
    archive: Option<JoinHandle<()>>,
    letters: Option<JoinHandle<anyhow::Result<()>>>,
    stop: CancellationToken,
    stop_letters: CancellationToken,
    /// Where pings are told of whose positions are watched for.
    pub(super) watched: Option<WatchedVehicles>,
    /// Where positions are, if they are looked at.
    pub(super) shown: Option<Positions>,
    /// Where the archive is, if it is looked at.
    pub(super) archive_source: Option<Source>,
}

impl Readers {
    pub(super) async fn start(
        plan: &RunPlan,
        names: &Names,
        progress: &Arc<Progress>,
        seen: &Seen,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut readers = Self {
            events: start_events(plan, names, progress, seen, &stop).await?,
            positions: None,
            watched: None,
            archive: None,
            letters: None,
            stop,
            stop_letters: CancellationToken::new(),
            shown: positions(plan)?,
            archive_source: archive_source(plan, names)?,
        };
        if let Some(positions) = &readers.shown {
            let (positions, progress) = (positions.clone(), Arc::clone(progress));
            let watcher = Watcher::new(positions, &plan.world, names.clone(), progress);
            readers.watched = Some(watcher.watched());
            readers.positions = Some(tokio::spawn(watcher.run(readers.stop.clone())));
        }
        if let Some(source) = &readers.archive_source {
            let (progress, watched) = (Arc::clone(progress), Arc::clone(&seen.archive));
            let watching = archive::watch(source.clone(), progress, watched, readers.stop.clone());
            readers.archive = Some(tokio::spawn(watching));
        }
        if let Some(subscription) = &plan.dead_letters_subscription {
            let reading = LetterSubscription {
                subscriber: plan.pubsub.subscriber().await?,
                subscription: subscription.clone(),
                names: names.clone(),
                letters: Arc::clone(&seen.letters),
                progress: Arc::clone(progress),
            };
            readers.letters = Some(tokio::spawn(reading.run(readers.stop_letters.clone())));
        }
        Ok(readers)
    }

    /// Ends everything but the reading of dead letters; gives how soon positions
    /// were shown. Events that could not be read are said in `unread`.
    pub(super) async fn finish(&mut self, unread: &mut Unread) -> anyhow::Result<Latencies> {
        self.stop.cancel();
        if let Some(events) = self.events.take() {
            let read = events.await.context("the reader of events panicked")?;
            say(unread, Part::Events, read);
        }
        if let Some(archive) = self.archive.take() {
            archive.await.context("the watcher of the archive panicked")?;
        }
        match self.positions.take() {
            Some(positions) => positions.await.context("the reader of positions panicked"),
            None => Ok(Latencies::default()),
        }
    }

    /// Ends the reading of dead letters; if they could not be read, that is said
    /// in `unread`.
    pub(super) async fn finish_letters(self, unread: &mut Unread) -> anyhow::Result<()> {
        self.stop_letters.cancel();
        if let Some(letters) = self.letters {
            let read = letters.await.context("the reader of dead letters panicked")?;
            say(unread, Part::DeadLetters, read);
        }
        Ok(())
    }
}

fn say(unread: &mut Unread, part: Part, read: anyhow::Result<()>) {
    if let Err(error) = read {
        unread.insert(part, format!("{error:#}"));
    }
}

async fn start_events(
    plan: &RunPlan,
    names: &Names,
    progress: &Arc<Progress>,
    seen: &Seen,
    stop: &CancellationToken,
) -> anyhow::Result<Option<JoinHandle<anyhow::Result<()>>>> {
    let reader = EventReader::new(&plan.world.fences, names.clone());
    if let Some(subscription) = &plan.events_subscription {
        let subscription = EventSubscription {
            subscriber: plan.pubsub.subscriber().await?,
            subscription: subscription.clone(),
            world: Arc::clone(&plan.world),
            reader,
            inbox: Arc::clone(&seen.inbox),
            progress: Arc::clone(progress),
        };
        return Ok(Some(tokio::spawn(subscription.run(stop.clone()))));
    }
    if let Some(path) = &plan.events_files {
        let files = EventFiles {
            follower: Follower::from_now(path)?,
            world: Arc::clone(&plan.world),
            reader,
            inbox: Arc::clone(&seen.inbox),
            progress: Arc::clone(progress),
        };
        return Ok(Some(tokio::spawn(files.run(stop.clone()))));
    }
    let Some(base) = &plan.read_from else { return Ok(None) };
    let stream = EventStream {
        url: base.join("/v1/events")?,
        client: client()?,
        world: Arc::clone(&plan.world),
        reader,
        inbox: Arc::clone(&seen.inbox),
        progress: Arc::clone(progress),
    };
    let opened = stream.open(None).await;
    if let Err(error) = &opened {
        eprintln!("warning: {error:#}; trying again while the run goes on");
    }
    Ok(Some(tokio::spawn(stream.run(opened, stop.clone()))))
}

fn positions(plan: &RunPlan) -> anyhow::Result<Option<Positions>> {
    Ok(match (&plan.positions, &plan.read_from) {
        (Some(collection), _) => Some(Positions::Firestore(collection.clone())),
        (None, Some(base)) => Some(Positions::Http(client()?, base.clone())),
        (None, None) => None,
    })
}

fn archive_source(plan: &RunPlan, names: &Names) -> anyhow::Result<Option<Source>> {
    Ok(match (&plan.archive, &plan.data_dir) {
        (Some(table), _) => {
            let last_ms = plan.last_ms(names, jiff::Timestamp::now().as_millisecond());
            Some(Source::Bigquery(Box::new(table.clone().rows(names.clone(), last_ms)?)))
        }
        (None, Some(data_dir)) => Some(Source::DataDir(data_dir.clone())),
        (None, None) => None,
    })
}
