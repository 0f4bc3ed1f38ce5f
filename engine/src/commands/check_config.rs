//! `fleetstream check-config`: the configuration in effect and who decided
//! what, or everything that is wrong with it and with the fences it names.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::named_files::NamedFiles;
use super::token;
use crate::cli::{CheckConfigArgs, Format};
use crate::config::{Effective, Mistakes};
use crate::exit::{self, Exit};

/// Runs the command.
///
/// # Errors
/// The configuration's mistakes, for `--format text`; with `--format json`
/// they are part of the answer. Else only that the answer cannot be written.
pub fn execute(args: &CheckConfigArgs) -> anyhow::Result<Exit> {
    match (load(args), args.format) {
        (Ok(effective), Format::Text) => {
            exit::print(&text(&effective))?;
            Ok(Exit::Success)
        }
        (Ok(effective), Format::Json) => {
            exit::print(&format!("{:#}\n", as_json(&effective)))?;
            Ok(Exit::Success)
        }
        (Err(mistakes), Format::Text) => Err(mistakes.into()),
        (Err(mistakes), Format::Json) => {
            exit::print(&format!("{:#}\n", mistakes_as_json(&mistakes)))?;
            Ok(Exit::Config)
        }
    }
}

/// The configuration, if the files it names are usable too.
fn load(args: &CheckConfigArgs) -> Result<Effective, Mistakes> {
    let effective = args.load()?;
    NamedFiles::read(&effective)?;
    token::check(&effective)?;
    Ok(effective)
}

/// A table that is itself a configuration file: key and value, and as a
/// comment who set it.
fn text(effective: &Effective) -> String {
    let lines: Vec<(Option<&str>, String, String)> = effective
        .rows()
        .map(|row| {
            let (section, name) = match row.key.split_once('.') {
                Some((section, name)) => (Some(section), name),
                None => (None, row.key),
            };
            (section, format!("{name} = {}", row.value), row.origin.to_string())
        })
        .collect();
    let width = lines.iter().map(|(_, setting, _)| setting.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    let mut open = None;
    for (section, setting, origin) in &lines {
        if *section != open {
            open = *section;
            let _ = writeln!(out, "\n[{}]", section.unwrap_or_default());
        }
        let _ = writeln!(out, "{setting:width$}  # {origin}");
    }
    out
}

fn as_json(effective: &Effective) -> Value {
    let settings: Vec<_> = effective
        .rows()
        .map(|row| json!({ "key": row.key, "value": value(&row.value), "origin": row.origin }))
        .collect();
    json!({ "ok": true, "settings": settings, "mistakes": [] })
}

/// Strings, numbers, booleans and lists of them are spelled alike in TOML and
/// JSON, as far as settings are written.
fn value(toml: &str) -> Value {
    serde_json::from_str(toml).unwrap_or_else(|_| Value::String(toml.to_owned()))
}

fn mistakes_as_json(mistakes: &Mistakes) -> Value {
    let mistakes: Vec<_> = mistakes.iter().collect();
    json!({ "ok": false, "settings": [], "mistakes": mistakes })
}
