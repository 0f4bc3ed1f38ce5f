//! A run against a live target: pings out, events and positions back.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Url;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::view::View;
use super::{RunDirectory, RunPlan, Target, judge};
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::profile::World;
use crate::read::EventReader;
use crate::read::positions::{self, Watcher};
use crate::read::sse::{EventStream, Inbox};
use crate::read::topic::EventSubscription;
use crate::send::http::{client, connect};
use crate::send::pubsub::PubsubSender;
use crate::send::{Progress, Queues, produce};
use crate::stream::{Counts, Delivery, Stream};
use crate::target_process::{TargetProcess, Usage};
use crate::truth::{Names, Record};
use crate::verdict::Report;
use crate::wire::Encoder;

/// Longest wait for a target that is starting.
const THERE_WITHIN: Duration = Duration::from_secs(10);
/// Events have all come when none came for so long: longer than the engine
/// waits before it decides.
const QUIET: Duration = Duration::from_secs(5);
/// Longest wait for that.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for the archive, and time between two looks.
const ARCHIVE_WITHIN: Duration = Duration::from_secs(90);
const ARCHIVE_EVERY: Duration = Duration::from_secs(3);

/// What the producer knows at the end.
struct Produced {
    counts: Counts,
    truth: Vec<Record>,
    /// Event time of each vehicle's newest ping whose clock is usable.
    newest_ms: HashMap<u32, i64>,
}

pub(super) async fn run(plan: &RunPlan) -> anyhow::Result<Report> {
    if let (Some(base), None) = (&plan.read_from, plan.start_ms) {
        wait_until_there(base).await?;
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let names = plan.live_names(now_ms);
    let directory = RunDirectory::create(&plan.out)?;
    directory.write_run(&plan.world, &names)?;
    let ahead = Duration::from_millis((names.start_ms - now_ms).max(0).unsigned_abs());
    let length_ms = plan.length_ms();
    let progress = Arc::new(Progress::new(Instant::now() + ahead, length_ms, plan.vehicles()));
    let (queues, mut senders) = start_senders(plan, &progress).await?;

    let stop = CancellationToken::new();
    let inbox = Arc::new(Inbox::default());
    let readers = Readers::start(plan, &names, &progress, &inbox, &stop).await?;
    let watch = tokio::spawn(watch(
        View::new(plan.view, length_ms),
        plan.pid.map(TargetProcess::watch),
        Arc::clone(&progress),
        Arc::clone(&inbox),
        stop.clone(),
    ));
    let producer = start_producer(plan, &names, &directory, queues)?;
    while let Some(ended) = senders.join_next().await {
        ended.context("a sender panicked")?;
    }
    let produced = tokio::task::spawn_blocking(move || producer.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    let reads_events = plan.read_from.is_some() || plan.events_subscription.is_some();
    if reads_events {
        wait_until_quiet(&progress, &inbox).await;
    }
    stop.cancel();
    let process = watch.await.context("the watcher panicked")?;
    let mut position_latency = readers.finish().await?;

    let mut report = plan.report(&names);
    report.process = process;
    judge::take_counts(&mut report, &produced.counts);
    let mut ledger = take_sending(&mut report, &progress, &directory, &names)?;
    report.pings.tally = ledger.tally(|_| true);
    if reads_events {
        let mut received = inbox.finish();
        if plan.traces.as_ref().is_some_and(|traces| traces.keeps_times()) {
            // Recorded times say nothing of when a ping was due.
            (received.latencies, position_latency) = Default::default();
        }
        judge::take_events(&mut report, &plan.world, &produced.truth, &received.fold);
        report.events.get_or_insert_default().feed = received.feed;
        report.latency.event = received.latencies.entry.percentiles();
        report.latency.exit = received.latencies.exit.percentiles();
        report.latency.position = position_latency.percentiles();
        for (name, latencies) in [
            ("event", &received.latencies.entry),
            ("exit", &received.latencies.exit),
            ("position", &position_latency),
        ] {
            directory.write_latencies(name, latencies, &names, report.seconds)?;
        }
    }
    if let Some(base) = &plan.read_from {
        report.pings.positions_wrong = look_at_positions(base, &names, &report, &produced).await;
    }
    directory.write_ledger(&ledger)?;
    if let Some(data_dir) = &plan.data_dir {
        wait_for_archive(&mut report, (&plan.world, &names), data_dir, &mut ledger).await?;
    }
    judge::conclude(&mut report, &plan.world, &directory)?;
    Ok(report)
}

/// Waits for a target that is only just starting, so that the schedule does not
/// begin without it. One that does not come is left to the run to tell of.
async fn wait_until_there(base: &Url) -> anyhow::Result<()> {
    let (client, url) = (client()?, base.join("/readyz")?);
    let until = Instant::now() + THERE_WITHIN;
    let ready = async || {
        let answer = client.get(url.clone()).timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| !answer.status().is_server_error())
    };
    while !ready().await && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Starts what sends to the target, and gives the queues to it.
async fn start_senders(
    plan: &RunPlan,
    progress: &Arc<Progress>,
) -> anyhow::Result<(Queues, JoinSet<()>)> {
    let mut senders = JoinSet::new();
    match &plan.target {
        Target::Http(base) => {
            let (queues, connections) = connect(base, plan.connections, plan.patience, progress)?;
            for connection in connections {
                senders.spawn(connection.run());
            }
            Ok((queues, senders))
        }
        Target::Pubsub(topic, shape) => {
            let publisher = plan.pubsub.publisher(topic).await.with_context(|| topic.clone())?;
            let (queues, receivers) = Queues::new(1);
            for queue in receivers {
                let sender = PubsubSender {
                    queue,
                    publisher: publisher.clone(),
                    shape: *shape,
                    patience: plan.patience,
                    progress: Arc::clone(progress),
                };
                senders.spawn(sender.run());
            }
            Ok((queues, senders))
        }
        Target::File(_) => anyhow::bail!("a file is no live target"),
    }
}

/// Runs the stream on a thread of its own, which waits when queues are full.
fn start_producer(
    plan: &RunPlan,
    names: &Names,
    directory: &RunDirectory,
    mut queues: Queues,
) -> anyhow::Result<thread::JoinHandle<anyhow::Result<Produced>>> {
    let world: Arc<World> = Arc::clone(&plan.world);
    let mut writer = directory.truth_writer(names)?;
    let encoder = Encoder::new(names.start_ms, &names.prefix);
    let traces = plan.traces.clone();
    let run = move || {
        let mut truth = Vec::new();
        let mut newest_ms = HashMap::new();
        let counts = {
            let mut take = |record| {
                writer.push(&world.fences, &record);
                truth.push(record);
            };
            let mut seen = |delivery: &Delivery| {
                let ping = &delivery.ping;
                if world.clock_of(ping.vehicle).is_usable() {
                    let newest = newest_ms.entry(ping.vehicle).or_insert(ping.event_ms);
                    *newest = (*newest).max(ping.event_ms);
                }
            };
            match &traces {
                Some(traces) => {
                    let deliveries = traces.deliveries();
                    produce(deliveries, encoder, &mut queues, &mut take, &mut seen)
                }
                None => produce(Stream::new(&world), encoder, &mut queues, &mut take, &mut seen),
            }
        };
        writer.finish()?;
        Ok(Produced { counts, truth, newest_ms })
    };
    thread::Builder::new().name("producer".into()).spawn(run).context("starting the producer")
}

/// What reads back while the run goes on.
struct Readers {
    events: Option<JoinHandle<()>>,
    positions: Option<JoinHandle<Latencies>>,
}

impl Readers {
    async fn start(
        plan: &RunPlan,
        names: &Names,
        progress: &Arc<Progress>,
        inbox: &Arc<Inbox>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let reader = EventReader::new(&plan.world.fences, names.clone());
        let mut readers = Self { events: None, positions: None };
        if let Some(subscription) = &plan.events_subscription {
            let subscription = EventSubscription {
                subscriber: plan.pubsub.subscriber().await?,
                subscription: subscription.clone(),
                world: Arc::clone(&plan.world),
                reader,
                inbox: Arc::clone(inbox),
                progress: Arc::clone(progress),
            };
            readers.events = Some(tokio::spawn(subscription.run(stop.clone())));
        } else if let Some(base) = &plan.read_from {
            let stream = EventStream {
                url: base.join("/v1/events")?,
                client: client()?,
                world: Arc::clone(&plan.world),
                reader,
                inbox: Arc::clone(inbox),
                progress: Arc::clone(progress),
            };
            let opened = stream.open(None).await;
            if let Err(error) = &opened {
                eprintln!("warning: {error:#}; trying again while the run goes on");
            }
            readers.events = Some(tokio::spawn(stream.run(opened.ok(), stop.clone())));
        }
        if let Some(base) = &plan.read_from {
            let watcher = Watcher {
                base: base.clone(),
                client: client()?,
                world: Arc::clone(&plan.world),
                names: names.clone(),
                progress: Arc::clone(progress),
            };
            readers.positions = Some(tokio::spawn(watcher.run(stop.clone())));
        }
        Ok(readers)
    }

    async fn finish(self) -> anyhow::Result<Latencies> {
        if let Some(events) = self.events {
            events.await.context("the reader of events panicked")?;
        }
        match self.positions {
            Some(positions) => positions.await.context("the reader of positions panicked"),
            None => Ok(Latencies::default()),
        }
    }
}

/// Looks at everything once a second.
async fn watch(
    mut view: View,
    mut process: Option<TargetProcess>,
    progress: Arc<Progress>,
    inbox: Arc<Inbox>,
    stop: CancellationToken,
) -> Option<Usage> {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let now_ms = progress.now_us() / 1000;
        if now_ms >= 0 {
            let seen = progress.tick();
            view.tick(now_ms, &seen, inbox.seen().0);
        } else {
            view.say("about to begin");
        }
        if let Some(process) = &mut process {
            process.look();
        }
    }
    view.end();
    process.map(|process| process.usage())
}

async fn wait_until_quiet(progress: &Progress, inbox: &Inbox) {
    let until = Instant::now() + QUIET_WITHIN;
    let began_us = progress.now_us();
    while Instant::now() < until {
        let quiet_us = progress.now_us() - inbox.seen().1.max(began_us);
        if quiet_us >= QUIET.as_micros() as i64 {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Enters how sending went; gives what became of each ping.
fn take_sending(
    report: &mut Report,
    progress: &Progress,
    directory: &RunDirectory,
    names: &Names,
) -> anyhow::Result<Ledger> {
    let sent = progress.finish();
    let sending = &mut report.sending;
    sending.sent = sent.sent;
    sending.answered = sent.answered;
    sending.achieved_rate = sent.answered_in_time as f64 / report.seconds.max(1e-9);
    sending.answers = sent.answers;
    sending.retries = sent.retries;
    sending.given_up = sent.given_up;
    sending.refused = sent.refused;
    sending.behind_ms_max = sent.seconds.iter().map(|second| second.behind_ms).max().unwrap_or(0);
    report.pings.duplicates = sent.duplicates;
    report.rejects.answered = sent.rejected;
    report.rejects.wrongly = sent.rejected_wrongly;
    report.latency.answer = sent.latency.percentiles();
    report.by_second = sent.seconds;
    directory.write_latencies("answer", &sent.latency, names, report.seconds)?;
    Ok(sent.ledger)
}

/// Vehicles whose position is not that of their newest ping, and how many were
/// looked at; nothing where pings were lost on the way or none are listed.
async fn look_at_positions(
    base: &Url,
    names: &Names,
    report: &Report,
    produced: &Produced,
) -> Option<(u64, u64)> {
    if report.pings.tally.acknowledged < report.pings.intended {
        return None;
    }
    let shown = positions::list(&client().ok()?, base, names).await.ok()?;
    let newest = &produced.newest_ms;
    let wrong = newest.iter().filter(|(vehicle, newest)| shown.get(vehicle) != Some(newest));
    Some((wrong.count() as u64, newest.len() as u64))
}

/// Reads the archive until everything acknowledged is there, for as long as it
/// may take a file to close.
async fn wait_for_archive(
    report: &mut Report,
    run: (&World, &Names),
    data_dir: &Path,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
    let until = Instant::now() + ARCHIVE_WITHIN;
    while !judge::take_disk(report, run, data_dir, ledger)? && Instant::now() < until {
        sleep(ARCHIVE_EVERY).await;
    }
    Ok(())
}
