//! Lines of files that grow.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::disk::files_under;

/// Follows a file of NDJSON, or all such files under a directory.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    files: HashMap<PathBuf, Place>,
}

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Bytes from its beginning.
    offset: u64,
    /// What comes first is the end of a line that is not ours.
    within_line: bool,
}

impl Follower {
    /// Follows what comes from now on; files may come into being later.
    ///
    /// # Errors
    /// A file that is there and cannot be read, by its name.
    pub fn from_now(path: &Path) -> anyhow::Result<Self> {
        let mut follower = Self { path: path.to_owned(), files: HashMap::new() };
        if path.exists() {
            for file in follower.paths()? {
                let end = Place::end_of(&file).with_context(|| reading(&file))?;
                follower.files.insert(file, end);
            }
        }
        Ok(follower)
    }

    /// Gives every line that came since the last look to `take`, without its end;
    /// one that has none yet waits for it.
    ///
    /// # Errors
    /// A file that cannot be read, by its name, or nothing to follow.
    pub fn look(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        for path in self.paths()? {
            let place = self.files.entry(path.clone()).or_default();
            place.read_on(&path, &mut take).with_context(|| reading(&path))?;
        }
        Ok(())
    }

    fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        ensure!(self.path.exists(), "there is no {}", self.path.display());
        if self.path.is_file() {
            return Ok(vec![self.path.clone()]);
        }
        files_under(&self.path, ".ndjson")
    }
}

impl Place {
    fn end_of(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let offset = file.seek(SeekFrom::End(0))?;
        if offset == 0 {
            return Ok(Self::default());
        }
        let mut last = [0];
        file.seek(SeekFrom::Start(offset - 1))?;
        file.read_exact(&mut last)?;
        Ok(Self { offset, within_line: last != *b"\n" })
    }

    fn read_on(&mut self, path: &Path, take: &mut impl FnMut(&[u8])) -> std::io::Result<()> {
        let length = fs::metadata(path)?.len();
        if length < self.offset {
            // A worker that restarts cuts off what it is not sure of, and writes
            // it again.
            *self = Self { offset: length, within_line: false };
        }
        if length == self.offset {
            return Ok(());
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        loop {
            line.clear();
            let read = file.read_until(b'\n', &mut line)?;
            if line.pop_if(|last| *last == b'\n').is_none() {
                return Ok(());
            }
            self.offset += read as u64;
            let passed_over = std::mem::take(&mut self.within_line);
            if !passed_over && !line.is_empty() {
                take(&line);
            }
        }
    }
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn look(follower: &mut Follower) -> Vec<String> {
        let mut lines = Vec::new();
        follower.look(|line| lines.push(String::from_utf8_lossy(line).into_owned())).unwrap();
        lines
    }

    #[test]
    fn every_line_comes_once_when_it_has_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) =
            (directory.path().join("shard-0.ndjson"), directory.path().join("shard-1.ndjson"));
        append(&one, "before\nbegun bef");
        let mut follower = Follower::from_now(directory.path()).unwrap();
        assert_eq!(look(&mut follower), [""; 0]);
        append(&one, "ore\na\n\nb");
        assert_eq!(look(&mut follower), ["a"]);
        append(&one, "c\n");
        append(&two, "d\n");
        append(&directory.path().join("other.txt"), "e\n");
        assert_eq!(look(&mut follower), ["bc", "d"]);
        assert_eq!(look(&mut follower), [""; 0]);
        // Cut back by a worker that restarts.
        fs::write(&two, "").unwrap();
        assert_eq!(look(&mut follower), [""; 0]);
        append(&two, "d\nf\n");
        assert_eq!(look(&mut follower), ["d", "f"]);
    }

    #[test]
    fn what_is_not_there_yet_may_come() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        let mut follower = Follower::from_now(&path).unwrap();
        let error = follower.look(|_| ()).unwrap_err().to_string();
        assert!(error.contains("there is no") && error.contains("events.ndjson"), "{error}");
        append(&path, "a\n");
        assert_eq!(look(&mut follower), ["a"]);
    }
}
