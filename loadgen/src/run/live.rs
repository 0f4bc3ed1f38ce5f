//! A run against a live target: pings out, events and positions back.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Url;
use tokio::sync::watch::Sender;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::interrupt::{Interruptible, cut_after};
use super::last_look::{look_at_event_table, look_at_letters, look_at_positions, wait_until_quiet};
use super::newest::Newest;
use super::readers::{Readers, Seen};
use super::view::View;
use super::{RunDirectory, RunPlan, Target, judge};
use crate::ledger::Ledger;
use crate::profile::World;
use crate::read::EventLatencies;
use crate::read::positions::Watched;
use crate::read::sse::Received;
use crate::send::http::{client, connect};
use crate::send::pubsub::PubsubSender;
use crate::send::{Progress, Queues, Snapshot, produce};
use crate::stream::{Counts, Delivery, Stream};
use crate::target_process::{TargetProcess, Usage};
use crate::truth::{Names, Record};
use crate::verdict::{Cost, Part, Report};
use crate::wire::Encoder;

/// Longest wait for a target that is starting, and for any answer of it.
const THERE_WITHIN: Duration = Duration::from_secs(10);

/// What the producer knows at the end.
pub(super) struct Produced {
    counts: Counts,
    truth: Vec<Record>,
    /// Of each vehicle whose clock is usable.
    pub(super) newest: Newest,
    /// When the last message was due, milliseconds since the start.
    end_ms: i64,
}

pub(super) async fn run(plan: &RunPlan) -> anyhow::Result<Report> {
    if plan.start_ms.is_none() {
        wait_until_there(plan).await?;
    }
    if let Some(data_dir) = plan.data_dir.as_ref().filter(|path| !path.is_dir()) {
        bail!("{} is no directory: --data-dir is that of the engine", data_dir.display());
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let names = plan.live_names(now_ms);
    let directory = RunDirectory::create(&plan.out)?;
    directory.begin_run(&plan.world, &names, plan.traces.is_some())?;
    let ahead = Duration::from_millis((names.start_ms - now_ms).max(0).unsigned_abs());
    let length_ms = plan.length_ms();
    let progress = Arc::new(Progress::new(Instant::now() + ahead, length_ms, plan.vehicles()));
    let (cut, cutting) = cut_after(&plan.interrupt);
    let (queues, mut senders) = start_senders(plan, &progress, &cut).await?;

    let spool = plan.reads_events().then(|| directory.spool()).transpose()?;
    let (seen, stop) = (Arc::new(Seen::keeping(spool)), CancellationToken::new());
    let mut readers = Readers::start(plan, &names, &progress, &seen).await?;
    let watch = tokio::spawn(watch(
        View::new(plan.view, length_ms),
        plan.monitor.clone(),
        plan.pid.map(TargetProcess::watch),
        Arc::clone(&progress),
        Arc::clone(&seen),
        stop.clone(),
    ));
    let mut own = TargetProcess::watch(std::process::id());
    let to = (queues, Arc::clone(&progress));
    let producer = start_producer(plan, &names, &directory, to, readers.watched.clone())?;
    while let Some(ended) = senders.join_next().await {
        ended.context("a sender panicked")?;
    }
    own.look();
    let sending_s = progress.now_us() as f64 / 1e6;
    cutting.abort();
    let produced = tokio::task::spawn_blocking(move || producer.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    if plan.reads_events() {
        wait_until_quiet(&progress, &seen.inbox).await;
    }
    stop.cancel();
    let process = watch.await.context("the watcher panicked")?;
    let mut report = plan.report(&names);
    let mut position_latency = readers.finish(&mut report.unread).await?;

    plan.cut_short(&mut report, produced.end_ms);
    report.process = process;
    judge::take_counts(&mut report, &produced.counts);
    let mut ledger = take_sending(&mut report, &progress, &directory, &names)?;
    report.own = Some(Cost::of(own.usage(), report.sending.sent, sending_s));
    report.pings.tally = ledger.tally(|_| true);
    seen.inbox.finish_spool()?;
    let mut received = seen.inbox.finish();
    if plan.traces.as_ref().is_some_and(|traces| traces.keeps_times()) {
        // Recorded times say nothing of when a ping was due.
        (received.latencies, position_latency) = Default::default();
    }
    // Of events that could never be read nothing is known: not that none came.
    let never_read = report.unread.contains_key(&Part::Events) && received.fold.operations() == 0;
    if plan.reads_events() && !never_read {
        judge::take_events(&mut report, &plan.world, &produced.truth, &received.fold);
        take_feed(&mut report, received, &directory, &names)?;
        if plan.events_files.is_some() {
            report.from_files.insert(Part::Events);
        }
    }
    if let Some(positions) = &readers.shown {
        report.latency.position = position_latency.percentiles();
        directory.write_latencies("position", &position_latency, &names, report.seconds)?;
        look_at_positions(positions, &names, &mut report, &produced).await;
    }
    directory.write_ledger(&ledger)?;
    report.pings.archive_behind_max = seen.archive.behind_max();
    if let Some(archive) = readers.archive_source.clone() {
        let run = (plan.world.as_ref(), &names, plan.again());
        archive.judge(&mut report, run, &mut ledger, &plan.interrupt).await;
        look_at_event_table(&archive, &names, &mut report, &directory, &plan.interrupt).await?;
    }
    look_at_letters(plan, &names, &mut report, readers, (&seen, &ledger)).await?;
    report.interrupted = plan.interrupt.is_cancelled();
    judge::conclude_run(&mut report, &plan.world, &directory)?;
    Ok(report)
}

/// Waits for a target that is only just starting, and for its data directory, so
/// that the schedule does not begin without it. One that answers, and is not
/// ready, is left to the run to tell of; where nothing answers there is none.
async fn wait_until_there(plan: &RunPlan) -> anyhow::Result<()> {
    let url = plan.read_from.as_ref().filter(|_| plan.reads_http());
    let url = url.map(|base| base.join("/readyz")).transpose()?;
    let client = client()?;
    let mut failed = None;
    let mut is_ready = async || {
        let Some(url) = &url else { return true };
        let answer = client.get(url.clone()).timeout(Duration::from_secs(2)).send().await;
        match answer {
            Ok(answer) => {
                failed = None;
                !answer.status().is_server_error()
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    };
    let has_data = || plan.data_dir.as_ref().is_none_or(|path| path.is_dir());
    let until = Instant::now() + THERE_WITHIN;
    while !(has_data() && is_ready().await) && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
    let Some(error) = failed else { return Ok(()) };
    let base = plan.read_from.as_ref().map_or("", Url::as_str);
    Err(error).with_context(|| {
        format!(
            "nothing answers at {base} within {THERE_WITHIN:?}: start the engine, or name its \
             address by --url"
        )
    })
}

/// Starts what sends to the target, and gives the queues to it.
async fn start_senders(
    plan: &RunPlan,
    progress: &Arc<Progress>,
    cut: &CancellationToken,
) -> anyhow::Result<(Queues, JoinSet<()>)> {
    let mut senders = JoinSet::new();
    match &plan.target {
        Target::Http(base) => {
            let (queues, connections) =
                connect(base, plan.connections, plan.patience, progress, cut)?;
            for connection in connections {
                senders.spawn(connection.run());
            }
            Ok((queues, senders))
        }
        Target::Pubsub(topic, shape) => {
            let publisher = plan.pubsub.publisher(topic, plan.connections, plan.patience).await;
            let publisher = publisher.with_context(|| topic.clone())?;
            // One lane: publishing waits for nobody.
            let (queues, receivers) = Queues::new(1);
            for queue in receivers {
                let (publisher, progress) = (publisher.clone(), Arc::clone(progress));
                let sender = PubsubSender::new(queue, publisher, *shape, progress, cut.clone());
                senders.spawn(sender.run());
            }
            Ok((queues, senders))
        }
        Target::File(_) => bail!("a file is no live target"),
    }
}

/// Runs the stream on a thread of its own, which waits when queues are full, and
/// until a message is nearly due.
fn start_producer(
    plan: &RunPlan,
    names: &Names,
    directory: &RunDirectory,
    (mut queues, progress): (Queues, Arc<Progress>),
    watched: Option<Watched>,
) -> anyhow::Result<thread::JoinHandle<anyhow::Result<Produced>>> {
    let world: Arc<World> = Arc::clone(&plan.world);
    let mut writer = directory.truth_writer(names)?;
    let encoder = Encoder::new(names.start_ms, &names.prefix);
    let (traces, interrupt) = (plan.traces.clone(), plan.interrupt.clone());
    let run = move || {
        let mut truth = Vec::new();
        let (mut newest, mut end_ms) = (Newest::default(), 0);
        let counts = {
            let mut take = |record| {
                writer.push(&world.fences, &record);
                truth.push(record);
            };
            let mut seen = |delivery: &Delivery| {
                let ping = &delivery.ping;
                end_ms = delivery.send_ms;
                if let Some(watched) = &watched {
                    watched.due(delivery);
                }
                if world.clock_of(ping.vehicle).is_usable() {
                    newest.take(ping);
                }
            };
            match &traces {
                Some(traces) => {
                    let deliveries = Interruptible::new(traces.deliveries(), &interrupt);
                    let deliveries = deliveries.paced(&progress);
                    produce(deliveries, encoder, &mut queues, &mut take, &mut seen)
                }
                None => {
                    let deliveries = Interruptible::new(Stream::new(&world), &interrupt);
                    let deliveries = deliveries.paced(&progress);
                    produce(deliveries, encoder, &mut queues, &mut take, &mut seen)
                }
            }
        };
        writer.finish()?;
        Ok(Produced { counts, truth, newest, end_ms })
    };
    thread::Builder::new().name("producer".into()).spawn(run).context("starting the producer")
}

/// Looks at everything once a second.
async fn watch(
    mut view: View,
    monitor: Option<Sender<Snapshot>>,
    mut process: Option<TargetProcess>,
    progress: Arc<Progress>,
    seen: Arc<Seen>,
    stop: CancellationToken,
) -> Option<Usage> {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now_ms = progress.now_us() / 1000;
        if now_ms >= 0 {
            let sending = progress.tick();
            view.tick(now_ms, &sending, seen.inbox.seen().0, seen.archive.rows());
            if let Some(monitor) = &monitor {
                monitor.send_replace(sending);
            }
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
    sending.last_answer_ms = sent.last_answer_ms;
    sending.behind_ms_max = sent.seconds.iter().map(|second| second.behind_ms).max().unwrap_or(0);
    report.pings.duplicates = sent.duplicates;
    report.rejects.answered = sent.rejected;
    report.rejects.told = sent.rejects_told;
    report.rejects.wrongly = sent.rejected_wrongly;
    report.latency.answer = sent.latency.percentiles();
    report.by_second = sent.seconds;
    directory.write_latencies("answer", &sent.latency, names, report.seconds)?;
    Ok(sent.ledger)
}

/// Enters how events came, and how soon.
fn take_feed(
    report: &mut Report,
    received: Received,
    directory: &RunDirectory,
    names: &Names,
) -> anyhow::Result<()> {
    let EventLatencies { entry, exit, published, received: by_target } = &received.latencies;
    report.events.get_or_insert_default().feed = received.feed;
    report.latency.event = entry.percentiles();
    report.latency.exit = exit.percentiles();
    report.latency.published = published.percentiles();
    report.latency.received = by_target.percentiles();
    directory.write_latencies("event", entry, names, report.seconds)?;
    directory.write_latencies("exit", exit, names, report.seconds)?;
    directory.write_latencies("published", published, names, report.seconds)?;
    directory.write_latencies("received", by_target, names, report.seconds)
}
