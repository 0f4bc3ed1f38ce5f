//! Looking at the configured fences again and again, and having other ones
//! taken up.
//!
//! By looking and not by the system's notifications, which network and
//! container file systems do not give. Files count once two looks have found
//! them alike: so neither a file half written nor a directory half copied is
//! taken for fences. What cannot be used changes nothing and is told once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use geofence::{FenceNote, Parsed, TimeMs};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use xxhash_rust::xxh3::xxh3_128;

use super::configured::{Files, Problem, Stat, stats};
use super::editor::{Edit, Editor};
use crate::metrics;
use crate::wall_clock::WallClock;

/// A file may change once more within the resolution of its time: one that is
/// younger than this, in milliseconds, is read at every look.
const YOUNG_MS: i64 = 4_000;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Watched {
    /// File or directory.
    pub path: PathBuf,
    /// Time between two looks.
    pub every: Duration,
}

/// Watches until `stop`.
pub async fn watch(watched: Watched, editor: Editor, stop: CancellationToken) {
    let mut watcher = Watcher::default();
    while tokio::time::timeout(watched.every, stop.cancelled()).await.is_err() {
        watcher.look(&watched.path, &editor).await;
    }
}

/// What stands at the path: the hash of the files, or that of what is wrong.
type Content = u128;

#[derive(Default)]
struct Watcher {
    last: Option<Look>,
    /// What was taken up, or was told to be of no use.
    done: Option<Content>,
    /// What was told to be refused for now.
    told: Option<Content>,
}

/// One look.
#[derive(Clone)]
struct Look {
    stats: Option<Vec<Stat>>,
    read_at: TimeMs,
    content: Content,
}

impl Watcher {
    async fn look(&mut self, path: &Path, editor: &Editor) {
        let (looked_at, last) = (path.to_owned(), self.last.clone());
        let look = tokio::task::spawn_blocking(move || look(&looked_at, last)).await;
        let Ok(look) = look else { return error!("looking at the configured fences failed") };
        let content = look.content;
        let is_still = self.last.replace(look).is_some_and(|last| last.content == content);
        if is_still && self.done != Some(content) {
            self.take_up(path.to_owned(), content, editor).await;
        }
    }

    async fn take_up(&mut self, path: PathBuf, content: Content, editor: &Editor) {
        let parsed = tokio::task::spawn_blocking(move || parse(&path, content)).await;
        let Ok(parsed) = parsed else { return error!("reading the configured fences failed") };
        let parsed = match parsed {
            None => return,
            Some(Ok(parsed)) => parsed,
            Some(Err(problems)) => {
                for problem in &problems {
                    error!(%problem, "the configured fences cannot be used: the last ones stay");
                }
                metrics::FENCE_CHANGES.counter(&["configured", "unusable"]).increment(1);
                self.done = Some(content);
                return;
            }
        };
        match editor.change(Edit::Configured(Arc::new(parsed.set)), None).await {
            Ok(edited) => {
                self.done = Some(content);
                if edited.valid_from.is_some() {
                    for FenceNote { fence, code, message } in &parsed.repairs {
                        warn!(fence, code, "{message}");
                    }
                }
            }
            // A later look may do: time goes on.
            Err(error) => {
                if self.told.replace(content) != Some(content) {
                    error!(%error, "the configured fences are not taken up yet");
                }
            }
        }
    }
}

/// Looks at `path`; reads only what does not look as it did at the `last`
/// look, or is too young to be known by its looks.
fn look(path: &Path, last: Option<Look>) -> Look {
    let read_at = WallClock::read();
    let stats = match stats(path) {
        Ok(stats) => stats,
        Err(problems) => return Look { stats: None, read_at, content: hash_of(&problems) },
    };
    if let Some(last) = last
        && last.stats.as_ref() == Some(&stats)
        && !stats.iter().any(|stat| stat.is_younger_than(last.read_at.plus(-YOUNG_MS)))
    {
        return last;
    }
    let content = match Files::read(path) {
        Ok(files) => files.hash(),
        Err(problems) => hash_of(&problems),
    };
    Look { stats: Some(stats), read_at, content }
}

/// The files at `path`, if they still hold `content`.
fn parse(path: &Path, content: Content) -> Option<Result<Parsed, Vec<Problem>>> {
    match Files::read(path) {
        Ok(files) => (files.hash() == content).then(|| files.parse()),
        Err(problems) => (hash_of(&problems) == content).then_some(Err(problems)),
    }
}

fn hash_of(problems: &[Problem]) -> Content {
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    xxh3_128(told.join("\n").as_bytes())
}
