//! The configuration file as a list of settings with their places.
//!
//! The parser recovers from broken lines, so that one unquoted value does not
//! hide the nine mistakes after it.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::literal::Literal;
use super::mistakes::{Mistake, Origin, Place};
use super::nearest::nearest;
use super::resolve::Setting;

/// What a file says, and what is wrong with its form.
#[derive(Default)]
pub(super) struct Document {
    pub(super) settings: Vec<Setting>,
    /// Where it is not TOML.
    pub(super) syntax: Vec<Mistake>,
    /// Where it is, but its sections are not ours.
    pub(super) structure: Vec<Mistake>,
    /// Lines on which a syntax error left nothing worth judging further.
    broken: Vec<usize>,
    /// From this line on a broken `[section]` makes every key's name doubtful.
    doubtful_from: Option<usize>,
}

impl Document {
    /// Reads a file's text; `sections` are the names of the known sections.
    pub(super) fn parse(path: &Path, text: &str, sections: &[&'static str]) -> Self {
        let reader = Reader { path, text, sections };
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut document = Self::default();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let place = Place::at(text, span.start);
            document.broken.push(place.line);
            let line = text.lines().nth(place.line - 1).unwrap_or("");
            if line.trim_start().starts_with('[') {
                let earliest = document.doubtful_from.unwrap_or(place.line).min(place.line);
                document.doubtful_from = Some(earliest);
            }
            let found = text.get(span).unwrap_or("");
            document.syntax.push(Mistake {
                origin: reader.origin(place),
                key: None,
                message: syntax_message(error.message(), found),
                nearest: None,
            });
        }
        reader.root(table.get_ref(), &mut document);
        document
    }

    /// Whether a mistake found later only repeats what a syntax error said.
    pub(super) fn already_told(&self, origin: &Origin) -> bool {
        match origin {
            Origin::File { place: Some(place), .. } => {
                self.broken.contains(&place.line)
                    || self.doubtful_from.is_some_and(|line| place.line >= line)
            }
            _ => false,
        }
    }
}

fn syntax_message(message: &str, found: &str) -> String {
    if message.starts_with("string values must be quoted") {
        format!("{found} must be in quotes: {found:?}")
    } else if found.trim().is_empty() {
        format!("not valid TOML: {message}")
    } else {
        format!("not valid TOML: {message}, at {found:?}")
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    sections: &'a [&'static str],
}

impl Reader<'_> {
    fn root(&self, table: &DeTable<'_>, document: &mut Document) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(section) if self.sections.contains(&name) => {
                    for (key, value) in section {
                        let name = format!("{name}.{}", key.get_ref());
                        document.settings.push(self.setting(name, key, value));
                    }
                }
                DeValue::Table(_) => document.structure.push(Mistake {
                    origin: self.origin_at(key),
                    key: Some(name.into()),
                    message: "unknown section".into(),
                    nearest: nearest(name, self.sections.iter().copied())
                        .map(|section| format!("[{section}]")),
                }),
                _ if self.sections.contains(&name) => document.structure.push(Mistake {
                    origin: self.origin_at(key),
                    key: Some(name.into()),
                    message: format!("is a section: write its keys under [{name}]"),
                    nearest: None,
                }),
                _ => document.settings.push(self.setting(name.into(), key, value)),
            }
        }
    }

    fn setting<T>(&self, name: String, key: &Spanned<T>, value: &Spanned<DeValue<'_>>) -> Setting {
        Setting {
            key: name,
            literal: Literal::of_toml(value.get_ref()),
            key_origin: self.origin_at(key),
            value_origin: self.origin_at(value),
        }
    }

    fn origin_at<T>(&self, spanned: &Spanned<T>) -> Origin {
        self.origin(Place::at(self.text, spanned.span().start))
    }

    fn origin(&self, place: Place) -> Origin {
        Origin::File { path: self.path.to_owned(), place: Some(place) }
    }
}
