//! `fleetstream dlq`: what was refused, and sending it in again.

mod files;
mod letter;
mod look;
mod pulled;
mod redrive;

use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use serde_json::json;

use super::block_on;
use crate::cli::{DlqFilter, DlqListArgs, DlqRedriveArgs, Format};
use crate::exit::{self, Exit};
use letter::Letter;
use look::{End, HELD_BYTES_MAX, HELD_MAX, Letters, Look, Next};
use pulled::Pulled;

/// What `dlq list` shows.
#[derive(Debug, Serialize)]
struct Listed {
    letters: Vec<Letter>,
    /// Why there are no others.
    end: End,
    /// Lines that are no letters, and why.
    #[serde(skip)]
    unreadable: Vec<String>,
}

/// Runs `dlq list`.
///
/// # Errors
/// The dead letters cannot be read, or not all of them, or there are more than
/// can be held at a time: then those that were looked at are shown all the same.
pub fn list(args: &DlqListArgs) -> anyhow::Result<Exit> {
    let listed = match (&args.subscription, &args.data_dir) {
        (Some(subscription), _) => block_on(list_pulled(subscription, &args.filter))?,
        (None, Some(data_dir)) => files::list(Path::new(data_dir), args)?,
        (None, None) => unreachable!("the command line asks for one of the two"),
    };
    match args.format {
        Format::Text => exit::print(&listed.text())?,
        Format::Json => exit::print(&format!("{:#}\n", json!(listed)))?,
    }
    refuse_full(listed.end)?;
    if let Some(first) = listed.unreadable.first() {
        bail!("{} of the lines cannot be read; the first is {first}", listed.unreadable.len());
    }
    Ok(Exit::Success)
}

/// Runs `dlq redrive`.
///
/// # Errors
/// Topic or subscription cannot be used (78), a letter could not be
/// published, which stays where it was, or there are more than can be held at
/// a time. What was done is told all the same.
pub fn redrive(args: &DlqRedriveArgs) -> anyhow::Result<Exit> {
    let (done, ended) = block_on(redrive::run(args))?;
    match args.format {
        Format::Text => exit::print(&done.text())?,
        Format::Json => exit::print(&format!("{:#}\n", json!(done)))?,
    }
    refuse_full(ended?)?;
    Ok(Exit::Success)
}

/// Looks at the letters of a subscription and gives all of them back.
async fn list_pulled(subscription: &str, filter: &DlqFilter) -> anyhow::Result<Listed> {
    let mut look = Look::new(Pulled::open(subscription, filter.wait()).await?);
    let listed = list_all(&mut look, filter).await;
    look.close().await;
    listed
}

async fn list_all<L: Letters>(look: &mut Look<L>, filter: &DlqFilter) -> anyhow::Result<Listed> {
    let mut letters = Vec::new();
    let end = loop {
        if letters.len() >= filter.limit {
            break End::Limit;
        }
        let shown = match look.next().await? {
            Next::Letter(shown) => shown,
            Next::End(end) => break end,
        };
        let letter = Letter::of_message(&shown.message);
        look.hold(shown);
        if filter.takes(&letter) {
            letters.push(letter);
        }
    };
    Ok(Listed { letters, end, unreadable: Vec::new() })
}

/// A look that had to end early is no answer to be relied on.
fn refuse_full(end: End) -> anyhow::Result<()> {
    if end == End::Full {
        bail!(
            "the subscription holds more dead letters than can be looked at in one go ({HELD_MAX}, \
             or {} MiB): what is said is of those looked at. Redrive or purge some of them first",
            HELD_BYTES_MAX >> 20
        );
    }
    Ok(())
}

impl DlqFilter {
    /// Whether what a topic has refused is asked for by the reason of `letter`
    /// alone: it goes to a topic of its own.
    fn is_of(&self, letter: &Letter) -> bool {
        letter::is_of_topic(&letter.reason) && self.reason == [letter.reason.as_str()]
    }

    /// Whether `letter` is asked for.
    fn takes(&self, letter: &Letter) -> bool {
        self.reason.is_empty() || self.reason.contains(&letter.reason)
    }
}

impl End {
    /// What follows the counts in words.
    fn remark(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Limit => "; --limit is reached, there may be more",
            Self::Full => "; not all were looked at",
        }
    }
}

impl Listed {
    /// A line a letter, columns apart by two blanks.
    fn text(&self) -> String {
        let mut out = String::new();
        for letter in &self.letters {
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
        out += &format!("{} dead letters{}\n", self.letters.len(), self.end.remark());
        out
    }
}

#[cfg(test)]
mod tests;
