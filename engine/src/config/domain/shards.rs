//! Which shards, and names of which each shard has its own.

use std::collections::BTreeSet;

use super::number::Count;
use super::resource::Resource;
use super::{Domain, Literal, unexpected};
use crate::config::shard_name::ShardName;

/// `"all"`, or a list of shards by number, each once; in the environment and
/// in flags separated by commas.
pub(in crate::config) struct ShardList {
    pub(in crate::config) each: Count<u32>,
}

impl Domain for ShardList {
    /// `None` for all.
    type Value = Option<BTreeSet<u32>>;

    fn expects(&self) -> String {
        let Count { min, max } = self.each;
        format!("\"all\" or a list of shards by number, from {min} to {max}, such as [0, 3]")
    }

    fn read(&self, literal: &Literal) -> Result<Self::Value, String> {
        let items = match literal {
            Literal::Bare(text) | Literal::Text(text) if text == "all" => return Ok(None),
            Literal::List(items) if !items.is_empty() => items.clone(),
            Literal::Bare(text) => {
                text.split(',').map(|item| Literal::Bare(item.trim().into())).collect()
            }
            other => return Err(unexpected(self, other)),
        };
        let mut numbers = BTreeSet::new();
        for item in &items {
            let number = self.each.read(item)?;
            if !numbers.insert(number) {
                return Err(format!("shard {number} is there twice"));
            }
        }
        Ok(Some(numbers))
    }

    fn write(&self, value: &Self::Value) -> String {
        let Some(numbers) = value else { return "\"all\"".into() };
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        format!("[{}]", numbers.join(", "))
    }
}

/// As [`Resource`], with `{shard}` in the id where each shard has its own.
pub(in crate::config) struct ShardResource {
    pub(in crate::config) collection: &'static str,
}

impl Domain for ShardResource {
    type Value = Option<ShardName>;

    fn expects(&self) -> String {
        format!(
            "\"projects/PROJECT/{}/ID\", with {{shard}} in ID where each shard has its own, or \"\" \
             for none",
            self.collection
        )
    }

    fn read(&self, literal: &Literal) -> Result<Self::Value, String> {
        let resource = Resource { collection: self.collection };
        let Some(text) = literal.text() else { return Err(unexpected(self, literal)) };
        if text.is_empty() {
            return Ok(None);
        }
        let (place, id) = text.rsplit_once('/').unwrap_or_default();
        let name = ShardName::new(text);
        // With the longest number, for an id has a length of its own.
        match resource.check(&format!("{place}/{}", ShardName::new(id).of(u32::MAX))) {
            Ok(()) => Ok(Some(name)),
            Err(misnamed) => Err(misnamed.told(self, literal)),
        }
    }

    fn write(&self, value: &Self::Value) -> String {
        format!("{:?}", value.as_ref().map(ShardName::to_string).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("projects/p/subscriptions/pings", true)]
    #[case("projects/p/subscriptions/pings-shard-{shard}", true)]
    #[case("", true)]
    #[case("projects/p{shard}/subscriptions/pings", false)]
    #[case("projects/p/topics/pings-{shard}", false)]
    #[case("projects/p/subscriptions/pings-{shards}", false)]
    #[case("projects/p/subscriptions/{shard}-pings", false)]
    fn names_of_which_each_shard_may_have_its_own(#[case] text: &str, #[case] accepted: bool) {
        let domain = ShardResource { collection: "subscriptions" };
        let read = domain.read(&Literal::Bare(text.into()));
        assert_eq!(read.is_ok(), accepted, "{read:?}");
        if let Ok(value) = read {
            assert_eq!(domain.write(&value), format!("{text:?}"));
        }
    }
}
