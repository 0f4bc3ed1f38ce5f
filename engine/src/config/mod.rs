//! Configuration: TOML file, environment and flags in, one checked
//! [`Config`] out, by value.
//!
//! Every mistake is reported at once, with its place. One table
//! (`table`) declares keys, types, defaults, accepted values and
//! documentation, so that a key cannot exist in one place only. Nothing here
//! logs, and nothing opens any file but the configuration itself.

mod checks;
mod document;
mod domain;
mod environment;
mod literal;
mod mistakes;
mod nearest;
mod pulling;
mod reference;
mod resolve;
mod shard_name;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

pub use mistakes::{Mistake, Mistakes, Origin, Place};
pub use pulling::{Pulling, Subscription};
pub use reference::reference;
pub use shard_name::{ShardName, digits};
pub use table::{
    Archive, Bigquery, Clock, Commit, Config, Detection, Files, Firestore, Http, Journal,
    LiveLayout, Log, Positions, Pubsub, Queue, Source,
};

use document::Document;
use literal::Literal;
pub(crate) use nearest::nearest;
use resolve::{Resolver, Setting};

use crate::intake::OwnedShards;

/// A setting given by a command line flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag's name with the dashes, for messages: `--data-dir`.
    pub flag: &'static str,
    /// The key it sets.
    pub key: String,
    /// The value, spelled as in an environment variable.
    pub text: String,
}

impl Flag {
    /// `flag` sets `key` to `text`.
    pub fn new(flag: &'static str, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { flag, key: key.into(), text: text.into() }
    }
}

/// The configuration in effect, and who decided what.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// The checked values.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

/// One key in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The full name: `commit.max_delay`.
    pub key: &'static str,
    /// The value, as TOML.
    pub value: String,
    /// Who set it.
    pub origin: &'a Origin,
}

impl Effective {
    /// Every key, in the order of the table: those without a section first,
    /// then section by section.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.config.values().into_iter().map(|(key, value)| Row {
            key,
            value,
            origin: self.origin(key),
        })
    }

    /// A mistake found later in what `key` names, such as a file that is not
    /// there.
    #[must_use]
    pub fn mistake(&self, key: &'static str, message: String) -> Mistake {
        Mistake { origin: self.origin(key).clone(), key: Some(key.into()), message, nearest: None }
    }

    fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// Reads `file`, if any, `environment` and `flags`, and checks the whole.
/// Variables without the prefix `FLEETSTREAM_` are passed over.
///
/// # Errors
/// Everything that is wrong; nothing may be used then.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &[Flag],
) -> Result<Effective, Mistakes> {
    let sections = table::sections();
    let keys: Vec<&'static str> =
        sections.iter().flat_map(|section| &section.keys).map(|key| key.name).collect();
    let names: Vec<&'static str> =
        sections.iter().map(|section| section.name).filter(|name| !name.is_empty()).collect();

    let (document, mut mistakes) = match file.map(|path| read(path, &names)) {
        None => (None, vec![]),
        Some(Ok(document)) => (Some(document), vec![]),
        Some(Err(unreadable)) => (None, vec![unreadable]),
    };
    let (variables, unknown_variables) = environment::read(environment, &keys);
    mistakes.extend(unknown_variables);

    let mut settings = Vec::new();
    settings.extend(document.iter().flat_map(|document| document.settings.iter().cloned()));
    settings.extend(variables);
    settings.extend(flags.iter().map(flag_setting));
    let (settings, unknown): (Vec<_>, Vec<_>) =
        settings.into_iter().partition(|setting| keys.contains(&setting.key.as_str()));

    let mut resolver = Resolver::new(settings);
    let config = Config::resolve(&mut resolver);
    let mut judged = resolver.mistakes;
    judged.extend(unknown.into_iter().map(|setting| unknown_key(setting, &keys)));
    judged.extend(checks::failed(&config, &resolver.mistaken).map(|(check, message)| {
        let set = check.keys.iter().find(|key| resolver.origins[**key] != Origin::Default);
        let origin = set.map_or(Origin::Default, |key| resolver.origins[key].clone());
        Mistake { origin, key: None, message, nearest: None }
    }));
    if let Some(document) = document {
        judged.extend(document.structure.iter().cloned());
        judged.retain(|mistake| !document.already_told(&mistake.origin));
        mistakes.extend(document.syntax);
    }
    mistakes.extend(judged);
    match Mistakes::of(mistakes) {
        None => Ok(Effective { config, origins: resolver.origins }),
        Some(mistakes) => Err(mistakes),
    }
}

fn read(path: &Path, sections: &[&'static str]) -> Result<Document, Mistake> {
    let mistake = |place, message| Mistake {
        origin: Origin::File { path: path.to_owned(), place },
        key: None,
        message,
        nearest: None,
    };
    let bytes =
        std::fs::read(path).map_err(|error| mistake(None, format!("cannot be read: {error}")))?;
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Document::parse(path, text, sections)),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = Place::at(&valid, valid.len());
            Err(mistake(Some(place), "is not valid UTF-8".into()))
        }
    }
}

fn flag_setting(flag: &Flag) -> Setting {
    let origin = Origin::Flag { flag: flag.flag.into() };
    Setting {
        key: flag.key.clone(),
        literal: Literal::Bare(flag.text.clone()),
        key_origin: origin.clone(),
        value_origin: origin,
    }
}

fn unknown_key(setting: Setting, keys: &[&'static str]) -> Mistake {
    Mistake {
        nearest: nearest::nearest(&setting.key, keys.iter().copied()).map(Into::into),
        origin: setting.key_origin,
        key: Some(setting.key),
        message: "unknown key".into(),
    }
}

impl Config {
    /// The shards that this process owns.
    #[must_use]
    pub fn owned_shards(&self) -> OwnedShards {
        match &self.shards_owned {
            None => OwnedShards::all(self.shards),
            Some(numbers) => OwnedShards::some(self.shards, numbers.iter().copied()),
        }
    }

    /// Where pings and events go in BigQuery, if they do.
    #[must_use]
    pub fn bigquery_settings(&self) -> Option<sinks::bigquery::Settings> {
        let Bigquery { dataset, mode, pings_table, events_table } = &self.bigquery;
        Some(sinks::bigquery::Settings {
            dataset: dataset.clone()?,
            mode: *mode,
            pings_table: pings_table.clone(),
            events_table: events_table.clone(),
        })
    }

    /// The part of the configuration that is an input of detection.
    #[must_use]
    pub fn detection_settings(&self) -> geofence::Settings {
        let d = &self.detection;
        geofence::Settings {
            tenant: self.tenant.clone(),
            profile: d.profile,
            reorder_delay_ms: milliseconds(d.reorder_delay),
            hot_lateness_ms: milliseconds(d.hot_lateness),
            future_tolerance_ms: milliseconds(d.future_tolerance),
            allow_null_island: d.allow_null_island,
            max_gap_ms: milliseconds(d.max_gap),
            confirm_ttl_ms: milliseconds(d.confirm_ttl),
            cross_max_gap_ms: milliseconds(d.cross_max_gap),
            exit_confirm: d.exit_confirm,
            min_inside_ms: milliseconds(d.min_inside),
            dwell_s: d.dwell.iter().map(|threshold| whole_seconds(*threshold)).collect(),
            on_silence: d.on_silence,
            stationary_after_ms: milliseconds(d.stationary_after),
            idle_after_ms: milliseconds(d.idle_after),
            idle_gap_ms: milliseconds(d.idle_gap),
            assume_engine_on: d.assume_engine_on,
            offline_after_ms: milliseconds(d.offline_after),
            forget_after_ms: milliseconds(d.forget_after),
            vehicles_max: d.vehicles_max,
            hot_bytes_max: d.hot_bytes_max,
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("every duration in the table is at most 3,650 days")
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).expect("dwell thresholds are at most 30 days")
}
