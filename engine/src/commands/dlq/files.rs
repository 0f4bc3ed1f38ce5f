//! Dead letters that a worker keeps itself: NDJSON files in its data directory.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::Listed;
use super::letter::Letter;
use super::look::End;
use crate::cli::DlqListArgs;

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    source_message_id: String,
    #[serde(default)]
    receive_time: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    payload_base64: String,
}

impl Line {
    fn letter(self) -> Letter {
        let padding = self.payload_base64.bytes().rev().take_while(|&byte| byte == b'=').count();
        Letter {
            receive_time: self.receive_time,
            reason: self.reason,
            detail: self.detail,
            source: self.source,
            source_message_id: self.source_message_id,
            content_type: self.content_type,
            bytes: (self.payload_base64.len() / 4 * 3).saturating_sub(padding),
        }
    }
}

/// The letters in `data_dir`, shard by shard. A worker may be writing to them:
/// a last line that is not whole yet is not there yet.
pub(super) fn list(data_dir: &Path, args: &DlqListArgs) -> anyhow::Result<Listed> {
    let files = files(data_dir)?;
    let (mut letters, mut unreadable) = (Vec::new(), Vec::new());
    for path in files {
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        let mut reader = BufReader::new(file);
        let mut bytes = Vec::new();
        for number in 1.. {
            if letters.len() >= args.filter.limit {
                return Ok(Listed { letters, end: End::Limit, unreadable });
            }
            let place = || format!("{}:{number}", path.display());
            bytes.clear();
            reader.read_until(b'\n', &mut bytes).with_context(place)?;
            // The sink writes a line with its break.
            let Some(line) = bytes.strip_suffix(b"\n") else { break };
            match serde_json::from_slice::<Line>(line) {
                Ok(line) => letters.extend(Some(line.letter()).filter(|it| args.filter.takes(it))),
                Err(error) => unreadable.push(format!("{}: {error}", place())),
            }
        }
    }
    Ok(Listed { letters, end: End::Empty, unreadable })
}

/// The files of a worker's data directory, a file for each shard, or the one
/// that a replay leaves.
fn files(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let directory = data_dir.join("dead_letters");
    let of_replay = directory.with_extension("ndjson");
    if of_replay.is_file() {
        return Ok(vec![of_replay]);
    }
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("no dead letters in {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.with_context(|| directory.display().to_string())?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    Ok(files)
}
