//! What a setting may be: how it is read, written and described.
//!
//! Each key of the table names one domain. A domain turns what stands in the
//! file, the environment or a flag into a checked value, or says what is
//! wrong with it; the unit is always part of the text (`"200ms"`, `"4MiB"`),
//! so that no bare number can be taken for another unit.

mod bigquery;
mod firestore;
mod number;
mod quantity;
mod resource;
mod shards;
mod text;

use std::path::Path;

pub(super) use bigquery::{Datasets, TableName};
pub(super) use firestore::{CollectionId, Database};
pub(super) use number::{Count, Percent, Switch};
pub(super) use quantity::{DurationList, Durations, Sizes, duration_text, size_text};
pub(super) use resource::{Auto, Resource};
pub(super) use shards::{ShardList, ShardResource};
pub(super) use text::{Address, Choice, Filter, OptionalBucket, OptionalPath, Paths, Tenant};

use super::literal::Literal;

/// The values one setting may take.
pub(super) trait Domain {
    /// What the rest of the program receives.
    type Value;

    /// What is accepted, as the object of "expected …".
    fn expects(&self) -> String;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong, in words that follow "key: ".
    fn read(&self, literal: &Literal) -> Result<Self::Value, String>;

    /// The value as TOML, such that reading it again gives the same value.
    fn write(&self, value: &Self::Value) -> String;

    /// The value as meant by a file in `folder`; only paths depend on it.
    fn seen_from(&self, value: Self::Value, _folder: &Path) -> Self::Value {
        value
    }
}

/// "expected …, found …", for a literal of the wrong type or that cannot be
/// read.
fn unexpected(domain: &impl Domain, found: &Literal) -> String {
    format!("expected {}, found {found}", domain.expects())
}

/// Refuses a value outside `min..=max`, with both written as in the file.
fn within<T: PartialOrd>(
    value: T,
    (min, max): (T, T),
    write: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value < min {
        Err(format!("{} is too small: at least {}", write(&value), write(&min)))
    } else if value > max {
        Err(format!("{} is too large: at most {}", write(&value), write(&max)))
    } else {
        Ok(value)
    }
}
