//! Settings that are words: choices, names, addresses, paths, log filters.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Domain, Literal, unexpected};
use crate::config::nearest::nearest;
use crate::journal::BucketUrl;
use crate::logging::Filter as LogFilter;

/// One of a few words, each standing for a value.
pub(in crate::config) struct Choice<T: 'static>(pub(in crate::config) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Domain for Choice<T> {
    type Value = T;

    fn expects(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        match words.as_slice() {
            [only] => only.clone(),
            words => format!("one of {}", words.join(", ")),
        }
    }

    fn read(&self, literal: &Literal) -> Result<T, String> {
        let text = literal.text().ok_or_else(|| unexpected(self, literal))?;
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let hint = nearest(text, self.0.iter().map(|(word, _)| *word))
                    .map(|word| format!("; did you mean {word:?}?"))
                    .unwrap_or_default();
                Err(unexpected(self, literal) + &hint)
            }
        }
    }

    fn write(&self, value: &T) -> String {
        let (word, _) = self
            .0
            .iter()
            .find(|(_, known)| known == value)
            .expect("a value of this setting came from one of its words");
        quoted(word)
    }
}

/// A name that goes into every event id.
pub(in crate::config) struct Tenant;

/// The longest tenant name; the same bound as a vehicle id's.
const TENANT_CHARS_MAX: usize = 64;

impl Domain for Tenant {
    type Value = String;

    fn expects(&self) -> String {
        format!("1 to {TENANT_CHARS_MAX} characters of A-Z a-z 0-9 . _ : -")
    }

    fn read(&self, literal: &Literal) -> Result<String, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        match literal.text() {
            Some(text)
                if (1..=TENANT_CHARS_MAX).contains(&text.len()) && text.chars().all(allowed) =>
            {
                Ok(text.into())
            }
            _ => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &String) -> String {
        quoted(value)
    }
}

/// An IP address and a port to listen on; port 0 takes a free one.
pub(in crate::config) struct Address;

impl Domain for Address {
    type Value = SocketAddr;

    fn expects(&self) -> String {
        "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".into()
    }

    fn read(&self, literal: &Literal) -> Result<SocketAddr, String> {
        literal.text().and_then(|text| text.parse().ok()).ok_or_else(|| unexpected(self, literal))
    }

    fn write(&self, value: &SocketAddr) -> String {
        quoted(&value.to_string())
    }
}

/// A file or directory. In a configuration file a relative path counts from
/// that file's directory, elsewhere from the working directory.
pub(in crate::config) struct Paths;

impl Domain for Paths {
    type Value = PathBuf;

    fn expects(&self) -> String {
        "a path".into()
    }

    fn read(&self, literal: &Literal) -> Result<PathBuf, String> {
        match literal.text() {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &PathBuf) -> String {
        quoted(&value.to_string_lossy())
    }

    fn seen_from(&self, value: PathBuf, folder: &Path) -> PathBuf {
        folder.join(value)
    }
}

/// A path as above, or `""` for none.
pub(in crate::config) struct OptionalPath;

impl Domain for OptionalPath {
    type Value = Option<PathBuf>;

    fn expects(&self) -> String {
        "a path, or \"\" for none".into()
    }

    fn read(&self, literal: &Literal) -> Result<Option<PathBuf>, String> {
        match literal.text() {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text.into())),
            None => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &Option<PathBuf>) -> String {
        value.as_ref().map_or_else(|| quoted(""), |path| Paths.write(path))
    }

    fn seen_from(&self, value: Option<PathBuf>, folder: &Path) -> Option<PathBuf> {
        value.map(|path| folder.join(path))
    }
}

/// A place in Cloud Storage, or `""` for none.
pub(in crate::config) struct OptionalBucket;

impl Domain for OptionalBucket {
    type Value = Option<BucketUrl>;

    fn expects(&self) -> String {
        "gs://bucket or gs://bucket/prefix, or \"\" for none".into()
    }

    fn read(&self, literal: &Literal) -> Result<Option<BucketUrl>, String> {
        match literal.text() {
            Some("") => Ok(None),
            Some(text) => BucketUrl::parse(text).map(Some).ok_or_else(|| unexpected(self, literal)),
            None => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &Option<BucketUrl>) -> String {
        quoted(&value.as_ref().map(BucketUrl::to_string).unwrap_or_default())
    }
}

/// Which log lines are written: a level, and levels of single targets.
pub(in crate::config) struct Filter;

impl Domain for Filter {
    type Value = LogFilter;

    fn expects(&self) -> String {
        "a level (off, error, warn, info, debug, trace), then TARGET=LEVEL of single targets, \
         separated by commas, such as \"info,sinks=debug\""
            .into()
    }

    fn read(&self, literal: &Literal) -> Result<LogFilter, String> {
        literal.text().and_then(|text| text.parse().ok()).ok_or_else(|| unexpected(self, literal))
    }

    fn write(&self, value: &LogFilter) -> String {
        quoted(&value.to_string())
    }
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}
