//! `fleetstream dlq`: what was refused, and sending it in again.

mod files;
mod letter;
mod pulled;
mod redrive;

use std::path::Path;

use serde_json::json;

use super::block_on;
use crate::cli::{DlqFilter, DlqListArgs, DlqRedriveArgs, Format};
use crate::exit::{self, Exit};
use letter::Letter;
use pulled::Pulled;

/// Runs `dlq list`.
///
/// # Errors
/// The dead letters cannot be read.
pub fn list(args: &DlqListArgs) -> anyhow::Result<Exit> {
    let letters = match (&args.subscription, &args.data_dir) {
        (Some(subscription), _) => block_on(pulled_letters(subscription, args))?,
        (None, Some(data_dir)) => files::letters(&Path::new(data_dir).join("dead_letters"), args)?,
        (None, None) => unreachable!("the command line asks for one of the two"),
    };
    match args.format {
        Format::Text => exit::print(&text(&letters))?,
        Format::Json => exit::print(&format!("{:#}\n", json!({ "letters": letters })))?,
    }
    Ok(Exit::Success)
}

/// Runs `dlq redrive`.
///
/// # Errors
/// Topic or subscription cannot be used (78), or a letter could not be
/// published; it stays where it was.
pub fn redrive(args: &DlqRedriveArgs) -> anyhow::Result<Exit> {
    let done = block_on(redrive::run(args))?;
    match args.format {
        Format::Text => exit::print(&done.text())?,
        Format::Json => exit::print(&format!("{:#}\n", json!(done)))?,
    }
    Ok(Exit::Success)
}

/// Looks at the letters of a subscription and gives all of them back.
async fn pulled_letters(subscription: &str, args: &DlqListArgs) -> anyhow::Result<Vec<Letter>> {
    let mut pulled = Pulled::open(subscription, args.filter.wait()).await?;
    let (mut letters, mut held) = (Vec::new(), Vec::new());
    while letters.len() < args.filter.limit
        && let Some((message, handler)) = pulled.next().await?
    {
        let letter = Letter::of_message(&message);
        // Held to the end: a letter given back would come again.
        held.push(handler);
        if args.filter.takes(&letter) {
            letters.push(letter);
        }
    }
    pulled.close(held).await;
    Ok(letters)
}

impl DlqFilter {
    /// Whether `letter` is asked for.
    fn takes(&self, letter: &Letter) -> bool {
        self.reason.is_empty() || self.reason.contains(&letter.reason)
    }
}

/// A line a letter, columns apart by two blanks.
fn text(letters: &[Letter]) -> String {
    let mut out = String::new();
    for letter in letters {
        let line = [
            &letter.receive_time[..],
            &letter.reason,
            &letter.source,
            &letter.source_message_id,
            &format!("{} B", letter.bytes),
            &letter.detail,
        ];
        out += &line.join("  ");
        out.push('\n');
    }
    out += &format!("{} dead letters\n", letters.len());
    out
}
