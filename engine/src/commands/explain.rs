//! `fleetstream explain`: why there is an event, and why there is none.

use std::path::Path;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use crate::cli::{ExplainArgs, Format};
use crate::commands;
use crate::exit::{self, Exit};
use crate::explain::{self, About, Question};
use crate::journal::Store;

/// Runs `explain`.
///
/// # Errors
/// The directory holds no journal, the journal is damaged, or it does not
/// have what is asked about.
pub fn execute(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let about = match (&args.event, &args.fence, args.at) {
        (Some(id), None, None) => About::Event { id: *id },
        (None, Some(id), Some(at)) => About::Fence { id: id.clone(), at },
        _ => unreachable!("the command line takes either --event, or --fence and --at"),
    };
    let question = Question { vehicle: args.vehicle.clone(), about };
    let store = open(&args.data_dir)?;
    let explanation = commands::block_on(async {
        Ok(explain::explain(&store, 0, &question, &CancellationToken::new()).await?)
    })?;
    match args.format {
        Format::Text => exit::print(&explanation.text())?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&explanation)
                .context("writing the explanation as JSON")?;
            exit::print(&format!("{json}\n"))?;
        }
    }
    Ok(Exit::Success)
}

/// The journal under `data_dir`, to be read only.
fn open(data_dir: &Path) -> anyhow::Result<Store> {
    let path = data_dir.join("journal");
    if !path.is_dir() {
        bail!(
            "--data-dir {}: no journal there; name the data directory of a worker, or the --out \
             of a replay",
            data_dir.display()
        );
    }
    Ok(Store::local_to_read(&path)?)
}
