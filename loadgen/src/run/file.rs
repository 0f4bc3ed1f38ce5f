//! A run into a file: as fast as it goes, nothing is read back.

use std::path::Path;
use std::time::Instant;

use super::interrupt::Interruptible;
use super::{RunDirectory, RunPlan, judge};
use crate::content::Content;
use crate::ledger::Ledger;
use crate::send::file::write;
use crate::stream::{Delivery, Stream, What};
use crate::target_process::TargetProcess;
use crate::verdict::{Cost, Report};
use crate::wire::Encoder;

pub(super) fn run(plan: &RunPlan, path: &Path) -> anyhow::Result<Report> {
    let world = plan.world.as_ref();
    let names = plan.file_names();
    let directory = RunDirectory::create(&plan.out)?;
    directory.begin_run(world, &names, plan.traces.is_some())?;
    let mut truth = directory.truth_writer(&names)?;

    let (began, mut own) = (Instant::now(), TargetProcess::watch(std::process::id()));
    let encoder = Encoder::new(names.start_ms, &names.prefix);
    let (mut messages, mut end_ms) = (0_u64, 0);
    let mut take = |record| truth.push(&world.fences, &record);
    let mut ledger = Ledger::new(plan.vehicles());
    let mut seen = |delivery: &Delivery| {
        messages += 1;
        end_ms = delivery.send_ms;
        if delivery.what == What::Ping {
            // What is in the file is all there is to acknowledge.
            let ping = &delivery.ping;
            ledger.sent(ping.vehicle, ping.seq, Content::of(ping).print());
            ledger.acknowledged(ping.vehicle, ping.seq);
        }
    };
    let counts = match &plan.traces {
        Some(traces) => {
            let deliveries = Interruptible::new(traces.deliveries(), &plan.interrupt);
            write(path, deliveries, encoder, names.start_ms, &mut take, &mut seen)?
        }
        None => {
            let deliveries = Interruptible::new(Stream::new(world), &plan.interrupt);
            write(path, deliveries, encoder, names.start_ms, &mut take, &mut seen)?
        }
    };
    truth.finish()?;
    own.look();
    let took_s = began.elapsed().as_secs_f64().max(1e-9);

    let mut report = plan.report(&names);
    plan.cut_short(&mut report, end_ms);
    report.own = Some(Cost::of(own.usage(), messages, took_s));
    judge::take_counts(&mut report, &counts);
    report.sending.sent = messages;
    report.sending.achieved_rate = messages as f64 / took_s;
    report.pings.tally.sent = counts.pings;
    report.sending.answered = messages;
    report.pings.tally.acknowledged = counts.pings;
    directory.write_ledger(&ledger)?;
    judge::conclude_run(&mut report, world, &directory)?;
    Ok(report)
}
