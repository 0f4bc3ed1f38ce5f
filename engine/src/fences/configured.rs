//! The fences that the configuration names: a GeoJSON file, or a directory of
//! them that are read as one set.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use geofence::{FenceNote, FenceSet, FencesReader, Parsed, TimeMs};
use xxhash_rust::xxh3::Xxh3Default;

/// Files of a directory that are read, by extension.
const EXTENSIONS: [&str; 2] = ["geojson", "json"];

/// Why the configured fences cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong with one fence of it; without, with the whole.
    pub note: Option<FenceNote>,
    /// What is wrong with the whole; empty where one fence is.
    pub message: String,
}

impl Problem {
    pub(crate) fn whole(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), note: None, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.note {
            None => write!(f, "{path}: {}", self.message),
            Some(FenceNote { fence, code, message }) => {
                write!(f, "{path}: {fence}: {message} [{code}]")
            }
        }
    }
}

/// Reads the file or directory at `path`: the fences, and what was mended in
/// them. The answer's `refusals` are empty.
///
/// # Errors
/// Everything that is wrong: a file cannot be read or is no GeoJSON, a fence
/// cannot be used, two files hold a fence of one id, or the directory holds
/// no GeoJSON at all, as one that is not mounted would.
pub fn read(path: &Path) -> Result<Parsed, Vec<Problem>> {
    Files::read(path)
        .and_then(|files| files.parse(&FenceSet::empty(), &mut FencesReader::default()))
}

/// What a look at a file shows without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    path: PathBuf,
    bytes: u64,
    /// Since the Unix epoch, to the nanosecond; as good as the file system's.
    modified: Option<Duration>,
}

impl Stat {
    /// Whether the file was written after `then`, as far as is known.
    pub(super) fn is_younger_than(&self, then: TimeMs) -> bool {
        let modified_ms = |modified: Duration| i64::try_from(modified.as_millis());
        self.modified.is_none_or(|modified| modified_ms(modified).is_ok_and(|ms| ms > then.0))
    }
}

/// What the files at `path` look like.
pub(super) fn stats(path: &Path) -> Result<Vec<Stat>, Vec<Problem>> {
    let stat = |file: PathBuf| {
        let meta = fs::metadata(&file).map_err(|error| unreadable(&file, &error))?;
        let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Stat { bytes: meta.len(), modified, path: file })
    };
    paths(path)?.into_iter().map(stat).collect()
}

/// The configured files as they were at one time.
pub(crate) struct Files {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Whether a directory was named.
    is_directory: bool,
}

impl Files {
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let read = |file: PathBuf| match fs::read(&file) {
            Ok(bytes) => Ok((file, bytes)),
            Err(error) => Err(unreadable(&file, &error)),
        };
        let files = paths(path)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { files, is_directory: path.is_dir() })
    }

    /// The bytes of the one file that was named; `None` for a directory.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        match (&self.files[..], self.is_directory) {
            ([(_, bytes)], false) => Some(bytes),
            _ => None,
        }
    }

    /// Names the content: other names or bytes give another hash.
    pub(super) fn hash(&self) -> u128 {
        let mut hash = Xxh3Default::new();
        for (path, bytes) in &self.files {
            let name = path.as_os_str().as_encoded_bytes();
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.digest128()
    }

    /// What the files say, as a set [after](FenceSet::after) `before`, by a
    /// `reader` that may have read them before they changed. A file's bytes go
    /// once they are read: the set is made without them.
    pub(super) fn parse(
        self,
        before: &FenceSet,
        reader: &mut FencesReader,
    ) -> Result<Parsed, Vec<Problem>> {
        reader.begin_set();
        let mut problems = Vec::new();
        let mut fences = Vec::new();
        let mut repairs = Vec::new();
        let mut homes: BTreeMap<String, &Path> = BTreeMap::new();
        let (paths, texts): (Vec<PathBuf>, Vec<Vec<u8>>) = self.files.into_iter().unzip();
        for (path, bytes) in paths.iter().zip(texts) {
            let of_fence = |note: FenceNote| Problem {
                path: path.clone(),
                note: Some(note),
                message: String::new(),
            };
            let read = match reader.read(&bytes, before) {
                Ok(read) => read,
                Err(error) => {
                    problems.push(Problem::whole(path, error.to_string()));
                    continue;
                }
            };
            problems.extend(read.refusals.into_iter().map(of_fence));
            repairs.extend(read.repairs);
            for fence in read.fences {
                if let Some(other) = homes.insert(fence.id.clone(), path) {
                    let message =
                        format!("{} has a fence of this id too: ids must differ", other.display());
                    let note = FenceNote { fence: fence.id, code: "id_duplicate", message };
                    problems.push(of_fence(note));
                } else {
                    fences.push(fence);
                }
            }
        }
        if problems.is_empty() {
            let set = FenceSet::after(before, fences).expect("each id was found once");
            Ok(Parsed { set, repairs, refusals: Vec::new() })
        } else {
            Err(problems)
        }
    }
}

/// The files to read at `path`, by name.
fn paths(path: &Path) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let failed = |error| unreadable(path, &error);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let known = entry
            .extension()
            .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if known && !hidden {
            found.push(entry);
        }
    }
    if found.is_empty() {
        let message = "the directory holds no file *.geojson or *.json; for no fences at all \
                       set fences = \"\"";
        return Err(vec![Problem::whole(path, message)]);
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Vec<Problem> {
    vec![Problem::whole(path, format!("cannot be read: {error}"))]
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn feature(id: &str, radius_m: i32) -> String {
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{"radius_m":{radius_m}}},
            "geometry":{{"type":"Point","coordinates":[10,50]}}}}"#
        )
    }

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn told(directory: &TempDir) -> Vec<String> {
        let problems = read(directory.path()).unwrap_err();
        let prefix = format!("{}/", directory.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
    }

    #[test]
    fn a_directory_is_one_set() {
        let files = [
            ("b.geojson", &*feature("b", 50)),
            ("a.json", &feature("a", 50)),
            ("readme.txt", "no fences"),
            (".draft.geojson", "no fences either"),
        ];
        let parsed = read(directory(&files).path()).unwrap();
        let ids: Vec<&str> = parsed.set.fences().iter().map(|fence| fence.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn every_problem_is_told_with_its_file_and_fence() {
        let files = [
            ("a.geojson", &*feature("depot", 50)),
            ("b.geojson", &feature("depot", 60)),
            ("c.geojson", &feature("flat", -1)),
            ("d.geojson", "{"),
        ];
        let directory = directory(&files);
        let told = told(&directory);
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(
            told[0],
            "b.geojson: depot: a.geojson has a fence of this id too: ids must differ [id_duplicate]"
        );
        assert!(told[1].starts_with("c.geojson: flat: `radius_m` is -1"), "{}", told[1]);
        assert!(told[2].starts_with("d.geojson: "), "{}", told[2]);
    }

    #[test]
    fn an_empty_directory_and_none_at_all_are_problems() {
        let directory = directory(&[("readme.txt", "")]);
        assert!(read(directory.path()).unwrap_err()[0].message.contains("holds no file"));
        let gone = directory.path().join("gone");
        assert!(read(&gone).unwrap_err()[0].message.starts_with("cannot be read"));
    }

    #[test]
    fn a_hash_names_files_and_bytes() {
        let hash = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec()));
            Files { files: files.collect(), is_directory: true }.hash()
        };
        let first = hash(&[("a", "xy"), ("b", "z")]);
        assert_eq!(first, hash(&[("a", "xy"), ("b", "z")]));
        for other in
            [[("a", "x"), ("b", "yz")], [("a", "xy"), ("c", "z")], [("ax", "y"), ("b", "z")]]
        {
            assert_ne!(first, hash(&other), "{other:?}");
        }
    }
}
