//! Layers settings over defaults: flag over environment over file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::domain::Domain;
use super::literal::Literal;
use super::mistakes::{Mistake, Origin};

/// One key set by somebody.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) literal: Literal,
    pub(super) key_origin: Origin,
    pub(super) value_origin: Origin,
}

/// Hands each key of the table its value, and keeps who set it and what was
/// wrong. A key with a mistake gets its default so that the rest can still be
/// judged; the mistake then keeps the whole from being used.
pub(super) struct Resolver {
    /// From the weakest to the strongest.
    settings: Vec<Setting>,
    pub(super) origins: BTreeMap<&'static str, Origin>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) mistaken: BTreeSet<&'static str>,
}

impl Resolver {
    pub(super) fn new(settings: Vec<Setting>) -> Self {
        Self { settings, origins: BTreeMap::new(), mistakes: Vec::new(), mistaken: BTreeSet::new() }
    }

    /// The value of `key`: the strongest setting of it, or its default. An
    /// overridden setting is judged too; it would be a mistake again on the
    /// day the override goes.
    pub(super) fn take<D: Domain>(
        &mut self,
        key: &'static str,
        default: &'static str,
        domain: D,
    ) -> D::Value {
        let mut value = domain
            .read(&Literal::Bare(default.into()))
            .expect("defaults in the table of settings are valid, as a test proves");
        let mut origin = Origin::Default;
        for setting in self.settings.iter().filter(|setting| setting.key == key) {
            match domain.read(&setting.literal) {
                Ok(read) => {
                    value = match folder(&setting.value_origin) {
                        Some(folder) => domain.seen_from(read, folder),
                        None => read,
                    };
                    origin = setting.key_origin.clone();
                }
                Err(message) => {
                    self.mistaken.insert(key);
                    self.mistakes.push(Mistake {
                        origin: setting.value_origin.clone(),
                        key: Some(key.into()),
                        message,
                        nearest: None,
                    });
                }
            }
        }
        self.origins.insert(key, origin);
        value
    }
}

/// The directory that relative paths in a configuration file count from.
fn folder(origin: &Origin) -> Option<&Path> {
    match origin {
        Origin::File { path, .. } => path.parent(),
        _ => None,
    }
}
