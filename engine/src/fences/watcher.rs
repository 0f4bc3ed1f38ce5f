//! Looking at configured files, of fences or of other things, again and again,
//! and having other ones taken up.
//!
//! By looking and not by the system's notifications, which network and
//! container file systems do not give. Files count once two looks have found
//! them alike: so neither a file half written nor a directory half copied is
//! taken for what it should become. What cannot be used changes nothing and is told once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use geofence::{FenceNote, FenceSet, FencesReader, Parsed, TimeMs};
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

/// What files are watched for.
pub(crate) trait Target: Send + Sync {
    /// What the files say.
    type Parsed: Send + 'static;
    /// What stands, where reading others is quicker with it.
    type Before: Send + 'static;
    /// What they are called in the log.
    const WHAT: &'static str;

    /// What stands now.
    fn before(&self) -> Self::Before;

    /// Reads `files`, which are found at `path`.
    fn parse(
        before: &Self::Before,
        path: &Path,
        files: Files,
    ) -> Result<Self::Parsed, Vec<Problem>>;

    /// Has it take the place of the last; an error says why not yet.
    fn take_up(&self, parsed: Self::Parsed) -> impl Future<Output = Result<(), String>> + Send;

    /// Counts files that cannot be used.
    fn unusable(&self);
}

/// Watches the configured fences until `stop`.
pub async fn watch(watched: Watched, editor: Editor, stop: CancellationToken) {
    watch_files(watched, Fences { editor, reader: Arc::default() }, stop).await;
}

/// Watches files until `stop`.
pub(crate) async fn watch_files<T: Target>(watched: Watched, target: T, stop: CancellationToken) {
    let mut watcher = Watcher::default();
    while tokio::time::timeout(watched.every, stop.cancelled()).await.is_err() {
        watcher.look(&watched.path, &target).await;
    }
}

struct Fences {
    editor: Editor,
    reader: Arc<Mutex<FencesReader>>,
}

impl Target for Fences {
    type Parsed = Parsed;
    type Before = (Arc<FenceSet>, Arc<Mutex<FencesReader>>);
    const WHAT: &'static str = "fences";

    fn before(&self) -> Self::Before {
        (self.editor.current(), Arc::clone(&self.reader))
    }

    fn parse(
        (set, reader): &Self::Before,
        _path: &Path,
        files: Files,
    ) -> Result<Parsed, Vec<Problem>> {
        files.parse(set, &mut reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn take_up(&self, parsed: Parsed) -> Result<(), String> {
        let edited = self.editor.change(Edit::Configured(Arc::new(parsed.set)), None).await;
        if edited.map_err(|error| error.to_string())?.valid_from.is_some() {
            for FenceNote { fence, code, message } in &parsed.repairs {
                warn!(fence, code, "{message}");
            }
        }
        Ok(())
    }

    fn unusable(&self) {
        metrics::FENCE_CHANGES.counter(&["configured", "unusable"]).increment(1);
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
    async fn look<T: Target>(&mut self, path: &Path, target: &T) {
        let (looked_at, last) = (path.to_owned(), self.last.clone());
        let look = tokio::task::spawn_blocking(move || look(&looked_at, last)).await;
        let Ok(look) = look else { return error!("looking at the configured {} failed", T::WHAT) };
        let content = look.content;
        let is_still = self.last.replace(look).is_some_and(|last| last.content == content);
        if is_still && self.done != Some(content) {
            self.take_up(path.to_owned(), content, target).await;
        }
    }

    async fn take_up<T: Target>(&mut self, path: PathBuf, content: Content, target: &T) {
        let before = target.before();
        let parsed = tokio::task::spawn_blocking(move || parse::<T>(&before, &path, content)).await;
        let Ok(parsed) = parsed else {
            return error!("reading the configured {} failed", T::WHAT);
        };
        let parsed = match parsed {
            None => return,
            Some(Ok(parsed)) => parsed,
            Some(Err(problems)) => {
                for problem in &problems {
                    error!(%problem, "the configured {} cannot be used: the last ones stay", T::WHAT);
                }
                target.unusable();
                self.done = Some(content);
                return;
            }
        };
        match target.take_up(parsed).await {
            Ok(()) => self.done = Some(content),
            // A later look may do: time goes on.
            Err(error) => {
                if self.told.replace(content) != Some(content) {
                    error!(%error, "the configured {} are not taken up yet", T::WHAT);
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

/// What the files at `path` say, if they still hold `content`.
fn parse<T: Target>(
    before: &T::Before,
    path: &Path,
    content: Content,
) -> Option<Result<T::Parsed, Vec<Problem>>> {
    match Files::read(path) {
        Ok(files) => (files.hash() == content).then(|| T::parse(before, path, files)),
        Err(problems) => (hash_of(&problems) == content).then_some(Err(problems)),
    }
}

fn hash_of(problems: &[Problem]) -> Content {
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    xxh3_128(told.join("\n").as_bytes())
}
