//! Names of things in a cloud project of which each shard may have its own.

use std::fmt;

/// Stands for a shard's number in a name.
const PLACEHOLDER: &str = "{shard}";

/// A full name, or, with `{shard}` in it, that of each shard's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardName(String);

impl ShardName {
    /// The name that `text` spells.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether each shard has its own.
    #[must_use]
    pub fn is_per_shard(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }

    /// The name for one shard.
    #[must_use]
    pub fn of(&self, shard: u32) -> String {
        self.0.replace(PLACEHOLDER, &digits(shard))
    }
}

/// As it was spelled.
impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard's number where it is part of a name: three digits, so that names
/// sort as the shards count, and more where it needs them.
#[must_use]
pub fn digits(shard: u32) -> String {
    format!("{shard:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_takes_three_digits_or_more() {
        let name = ShardName::new("projects/p/subscriptions/worker-shard-{shard}");
        assert_eq!(name.of(7), "projects/p/subscriptions/worker-shard-007");
        assert_eq!(name.of(1_023), "projects/p/subscriptions/worker-shard-1023");
        assert!(name.is_per_shard());
        let one = ShardName::new("projects/p/subscriptions/worker");
        assert_eq!((one.of(7), one.is_per_shard()), (one.to_string(), false));
    }
}
