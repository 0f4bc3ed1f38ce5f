//! Where settings come from, and what is wrong with them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody: the table's default.
    Default,
    /// The configuration file; without a place when it cannot be read at all.
    File {
        /// As it was named on the command line.
        path: PathBuf,
        /// Where in it.
        #[serde(flatten)]
        place: Option<Place>,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A command line flag.
    Flag {
        /// Its name, with the dashes.
        flag: String,
    },
}

/// A place in a text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset in `text`.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, place: None } => write!(f, "{}", path.display()),
            Self::File { path, place: Some(Place { line, column }) } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Where it was written.
    pub origin: Origin,
    /// The key concerned, as far as one is.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
    /// For an unknown key the one that may be meant, in the spelling of its
    /// origin (a variable's name in the environment).
    pub nearest: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        // A variable is named by its origin already.
        if let (Some(key), false) = (&self.key, self.names_unknown_variable()) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl Mistake {
    fn names_unknown_variable(&self) -> bool {
        matches!(&self.origin, Origin::Environment { variable } if self.key.as_ref() == Some(variable))
    }
}

/// Everything wrong with the configuration, in reading order: the file from
/// top to bottom, then the environment, then flags. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Nothing, if `found` is empty; else all of it, sorted.
    #[must_use]
    pub fn of(mut found: Vec<Mistake>) -> Option<Self> {
        found.sort_by(|a, b| a.origin.cmp(&b.origin));
        (!found.is_empty()).then_some(Self(found))
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

/// A heading, then one mistake a line.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 mistake in the configuration")?,
            count => write!(f, "{count} mistakes in the configuration")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n{mistake}"))
    }
}

impl std::error::Error for Mistakes {}
