//! Who a source of the worker is: its number, which the journal records and the
//! core tells sources apart by, and its name in events, dead letters, metrics
//! and logs.
//!
//! Neither depends on which process owns which shards: a shard that moves goes
//! on with the sources it had.

use super::pubsub;
use crate::config::{Subscription, digits};
use crate::http;

/// Number of the HTTP source; others follow it.
pub const HTTP_SOURCE: u32 = 0;
/// Number of the subscription that feeds all shards.
const PUBSUB_SOURCE: u32 = 1;
/// Number of the subscription of shard 0; the next shards' follow it.
const FIRST_SHARD_SOURCE: u32 = 2;

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceId {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
}

impl SourceId {
    /// Pings over HTTP.
    #[must_use]
    pub fn http() -> Self {
        Self { number: HTTP_SOURCE, name: http::SOURCE_NAME.to_owned() }
    }

    /// Pings of a subscription.
    #[must_use]
    pub fn of(subscription: &Subscription) -> Self {
        match subscription.shard {
            None => Self { number: PUBSUB_SOURCE, name: pubsub::SOURCE_NAME.to_owned() },
            Some(shard) => Self::of_shard(shard),
        }
    }

    fn of_shard(shard: u32) -> Self {
        let name = format!("{}-{}", pubsub::SOURCE_NAME, digits(shard));
        Self { number: FIRST_SHARD_SOURCE + shard, name }
    }
}

/// Names of all sources that a worker of `shards` shards may have, by number.
#[must_use]
pub fn names(shards: u32) -> Vec<String> {
    let of_all = [http::SOURCE_NAME, pubsub::SOURCE_NAME].map(str::to_owned);
    of_all.into_iter().chain((0..shards).map(|shard| SourceId::of_shard(shard).name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_their_numbers() {
        let names = names(12);
        let of = |shard| SourceId::of(&Subscription { name: "s".into(), shard });
        let sources = [SourceId::http(), of(None), of(Some(0)), of(Some(11))];
        for SourceId { number, name } in sources {
            assert_eq!(names[number as usize], name);
        }
        assert_eq!((names.len(), &names[13][..]), (14, "pubsub-011"));
    }
}
