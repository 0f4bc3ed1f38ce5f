//! `fleetstream bigquery ensure`: tables and views as the worker needs them.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sinks::bigquery::{self, Action, Endpoints, EnsureError, Step};

use super::block_on;
use crate::cli::{BigqueryEnsureArgs, Format};
use crate::exit::{self, Exit, WithExit};

/// Runs `bigquery ensure`.
///
/// # Errors
/// The configuration is wrong or names no dataset, the dataset does not exist,
/// or a call to BigQuery failed.
pub fn ensure(args: &BigqueryEnsureArgs) -> anyhow::Result<Exit> {
    let effective = args.load()?;
    let settings = effective.config.bigquery_settings().ok_or_else(|| {
        anyhow::anyhow!("no dataset: give --dataset, or a configuration with bigquery.dataset")
    });
    let settings = settings.exit_with(Exit::Config)?;
    let endpoints = Endpoints::of_environment().exit_with(Exit::Config)?;
    let steps = block_on(async {
        let steps = bigquery::ensure(&settings, &endpoints, args.dry_run).await;
        let exit = steps.as_ref().err().map_or(Exit::Success, exit_of);
        steps.exit_with(exit)
    })?;
    exit::print(&match args.format {
        Format::Text => text(&steps, args.dry_run),
        Format::Json => format!("{:#}\n", as_json(&steps, args.dry_run)),
    })?;
    let refused = steps.iter().any(|step| matches!(step.action, Action::Refuse(_)));
    Ok(if refused { Exit::Config } else { Exit::Success })
}

/// What passes by itself is no mistake in the configuration.
fn exit_of(error: &EnsureError) -> Exit {
    match error {
        EnsureError::Rest(error) if error.passes() => Exit::Runtime,
        EnsureError::Connect(error) if error.passes() => Exit::Runtime,
        _ => Exit::Config,
    }
}

fn text(steps: &[Step], dry_run: bool) -> String {
    let mut out = String::new();
    for Step { target, action } in steps {
        let (said, details) = match (action, dry_run) {
            (Action::Keep, _) => ("is as it should be", &[][..]),
            (Action::Create, false) => ("created", &[][..]),
            (Action::Create, true) => ("would be created", &[][..]),
            (Action::Alter(changes), false) => ("altered", &changes[..]),
            (Action::Alter(changes), true) => ("would be altered", &changes[..]),
            (Action::Refuse(reasons), _) => ("left alone: it does not fit", &reasons[..]),
        };
        let _ = writeln!(out, "{target}: {said}");
        for detail in details {
            let _ = writeln!(out, "  {detail}");
        }
    }
    out
}

fn as_json(steps: &[Step], dry_run: bool) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|Step { target, action }| {
            let (action, details) = match action {
                Action::Keep => ("keep", &[][..]),
                Action::Create => ("create", &[][..]),
                Action::Alter(changes) => ("alter", &changes[..]),
                Action::Refuse(reasons) => ("refuse", &reasons[..]),
            };
            json!({ "target": target, "action": action, "details": details })
        })
        .collect();
    let refused = steps.iter().any(|step| step["action"] == "refuse");
    json!({ "ok": !refused, "dry_run": dry_run, "steps": steps })
}
