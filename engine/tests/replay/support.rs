//! Runs the binary and reads what it leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The day of Austin's buses that the project carries, and its fences.
pub(crate) fn austin() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/austin");
    (folder.join("buses.csv.zst"), folder.join("austin_neighborhoods.geojson"))
}

/// A file of the real traces and fences that are kept beside the project;
/// without it the test that asks says so and passes.
pub(crate) fn shared_data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FLEETSTREAM_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if !path.is_file() {
        println!("skipped: {name} is not there (FLEETSTREAM_SHARED_DATA names its folder)");
        return None;
    }
    Some(path)
}

/// Runs `fleetstream` in `folder`.
pub(crate) fn fleetstream(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleetstream"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the binary starts")
}

/// A replay that ended, and its output.
pub(crate) struct Replayed {
    pub(crate) output: Output,
    folder: TempDir,
}

/// Replays `pings` against `fences` into a new directory.
pub(crate) fn replay(pings: &[&Path], fences: &Path, options: &[&str]) -> Replayed {
    let folder = TempDir::new().expect("a temporary directory");
    let mut arguments = vec!["replay", "--pings"];
    arguments.extend(pings.iter().map(|path| path.to_str().expect("a path of text")));
    arguments.extend(["--fences", fences.to_str().expect("a path of text"), "--out", "out"]);
    arguments.extend(options);
    Replayed { output: fleetstream(folder.path(), &arguments), folder }
}

/// Replays and insists on success.
pub(crate) fn replay_well(pings: &[&Path], fences: &Path, options: &[&str]) -> Replayed {
    let replayed = replay(pings, fences, options);
    assert_eq!(replayed.output.status.code(), Some(0), "{:?}", replayed.output);
    replayed
}

impl Replayed {
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) fn stderr(&self) -> &str {
        str::from_utf8(&self.output.stderr).expect("text")
    }

    /// A file of the output, whole.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.out().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lines of an NDJSON file of the output.
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        self.file(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub(crate) fn summary(&self) -> Value {
        serde_json::from_str(&self.file("summary.json")).expect("JSON")
    }
}

/// Asserts that two texts are equal, and names the first line that is not.
pub(crate) fn assert_same_lines(what: &str, one: &str, other: &str) {
    let differs = one.lines().zip(other.lines()).position(|(one, other)| one != other);
    if let Some(index) = differs {
        let line = |text: &str| text.lines().nth(index).map(str::to_owned);
        panic!("{what}: line {}:\n  {:?}\n  {:?}", index + 1, line(one), line(other));
    }
    assert_eq!(one.lines().count(), other.lines().count(), "{what}: number of lines");
}

/// How often each value occurs.
pub(crate) fn counted<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value.to_owned()).or_default() += 1;
    }
    counts
}
