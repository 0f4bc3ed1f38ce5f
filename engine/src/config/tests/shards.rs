//! Which shards are owned, and how much is pulled for them.

use super::*;

#[test]
fn what_is_pulled_at_a_time_follows_from_rate_and_commit_delay() {
    let text = "commit.max_delay = \"1s\"\n\
                pubsub.subscription = \"projects/p/subscriptions/pings\"\n";
    let config = load_text(text, &[], &[]).expect("valid").config;
    let pulling = super::Pulling::of(&config).expect("a subscription");
    // 5,000 a second, held for 2 × 1 s + 1 s, and as much again.
    assert_eq!((pulling.streams, pulling.messages_max), (5, 30_000));
    assert_eq!(pulling.bytes_max, 64 << 20);
    let none = load_text("", &[], &[]).expect("valid").config;
    assert_eq!(super::Pulling::of(&none), None);
}

/// One of two workers as it should be.
const ONE_OF_TWO: &str = "shards = 4\nshards_owned = [1, 3]\n\
    journal.url = \"gs://fleet/journal\"\n\
    pubsub.subscription = \"projects/p/subscriptions/worker-shard-{shard}\"\n\
    files.parquet = false\nfiles.event_log = false\nfiles.dead_letters = false\n";

#[test]
fn the_subscription_of_each_owned_shard_is_pulled_within_the_bounds_of_the_process() {
    let pulling = |more: &str| {
        let config = load_text(&format!("{ONE_OF_TWO}{more}"), &[], &[]).expect("valid").config;
        super::Pulling::of(&config).expect("subscriptions")
    };
    let own = pulling("");
    let of = |shard| Subscription {
        name: format!("projects/p/subscriptions/worker-shard-00{shard}"),
        shard: Some(shard),
    };
    assert_eq!(own.subscriptions, [of(1), of(3)]);
    assert_eq!((own.streams, own.streams_each()), (6, 3), "5 for the rate, as many each");
    let one = load_text("pubsub.subscription = \"projects/p/subscriptions/pings\"\n", &[], &[]);
    let one = super::Pulling::of(&one.expect("valid").config).expect("a subscription");
    assert_eq!((own.messages_max, own.bytes_max), (one.messages_max, one.bytes_max));
    assert_eq!(one.subscriptions[0].shard, None);
    assert_eq!(pulling("pubsub.streams = 1\n").streams_each(), 1);
}

#[test]
fn shards_of_other_processes_ask_for_what_all_can_reach_and_all_of_it_is_told() {
    let owned = load_text(ONE_OF_TWO, &[], &[]).expect("valid").config.owned_shards();
    assert_eq!((owned.numbers(), owned.shards(), owned.is_all()), (&[1, 3][..], 4, false));
    let ordinal = [("FLEETSTREAM_SHARDS_OWNED", "2")];
    let owned = load_text(ONE_OF_TWO, &ordinal, &[]).expect("valid").config.owned_shards();
    assert_eq!(owned.numbers(), [2], "as Kubernetes gives a pod its ordinal");

    let alone = "shards = 4\nshards_owned = [0, 4]\nhttp.token_file = \"token\"\n";
    let told = mistakes(alone);
    let at = "fleet.toml:2:1: shards_owned ";
    let expected = [
        "names shard 4, but shards = 4 are numbered from 0 to 3",
        "leaves shards to other processes, which cannot reach a journal under data_dir: set \
         journal.url",
        "leaves shards to other processes, so pings come by a subscription of each shard alone: set \
         pubsub.subscription, with {shard} where its name has the shard's number",
        "leaves shards to other processes, so fences and tags cannot be changed over HTTP, in all \
         shards or in none: leave http.token_file out, and name files",
    ];
    assert_eq!(told, expected.map(|told| format!("{at}{told}")));
    let shared = ONE_OF_TWO.replace("-{shard}", "");
    assert!(mistakes(&shared)[0].contains("with {shard} where"), "one subscription of all shards");
}
