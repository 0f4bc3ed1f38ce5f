//! The one table of settings.
//!
//! A line here is the key's name, type, default, accepted values and
//! documentation; the environment variable, the parser, `check-config`, the
//! reference page and the fields of [`Config`] all follow from it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sinks::bigquery::{Dataset, Mode};

use super::domain::{
    Address, Auto, Choice, CollectionId, Count, Database, Datasets, Domain, DurationList,
    Durations, Filter, OptionalBucket, OptionalPath, Paths, Percent, Resource, ShardList,
    ShardResource, Sizes, Switch, TableName, Tenant,
};
use super::resolve::Resolver;
use super::shard_name::ShardName;
use crate::journal::BucketUrl;
use crate::logging;

/// Whose clock gives a ping its receive time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// This machine's.
    Wall,
    /// The pings' own: the running maximum of their event times. For replays
    /// and trials with old traces.
    Event,
}

/// How live positions lie in documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveLayout {
    /// A document for each vehicle.
    Document,
    /// Many vehicles in a document.
    Packed,
}

/// A key as the reference page and `check-config` need it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The documentation, line by line.
    pub(super) doc: &'static [&'static str],
    /// As TOML.
    pub(super) default: String,
    pub(super) expects: String,
}

/// The keys of one `[section]`; the name of the first one is empty.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) keys: Vec<Key>,
}

/// Keys are `name: type = default, domain;`, the default in the spelling of
/// an environment variable. A key outside a section has no prefix.
macro_rules! settings {
    (
        $(#[doc = $root_doc:literal])+
        $root:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:literal, $domain:expr; )+
        }
        $(
            $(#[doc = $section_doc:literal])+
            [$section:ident] $Section:ident {
                $( $(#[doc = $in_doc:literal])+
                   $in_key:ident: $in_type:ty = $in_default:literal, $in_domain:expr; )+
            }
        )+
    ) => {
        $(#[doc = $root_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $root {
            $( $(#[doc = $doc])+ pub $key: $type, )+
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $( $(#[doc = $in_doc])+ pub $in_key: $in_type, )+
            }
        )+

        impl $root {
            /// Takes every key from `resolver`.
            pub(super) fn resolve(resolver: &mut Resolver) -> Self {
                Self {
                    $( $key: resolver.take(stringify!($key), $default, $domain), )+
                    $( $section: $Section {
                        $( $in_key: resolver.take(
                            concat!(stringify!($section), ".", stringify!($in_key)),
                            $in_default,
                            $in_domain,
                        ), )+
                    }, )+
                }
            }

            /// Every key with its value as TOML, in the order of the table.
            pub(super) fn values(&self) -> Vec<(&'static str, String)> {
                vec![
                    $( (stringify!($key), $domain.write(&self.$key)), )+
                    $( $( (
                        concat!(stringify!($section), ".", stringify!($in_key)),
                        $in_domain.write(&self.$section.$in_key),
                    ), )+ )+
                ]
            }
        }

        /// The table as data.
        pub(super) fn sections() -> Vec<Section> {
            vec![
                Section {
                    name: "",
                    doc: &[$($root_doc),+],
                    keys: vec![ $( key(stringify!($key), &[$($doc),+], $default, &$domain), )+ ],
                },
                $( Section {
                    name: stringify!($section),
                    doc: &[$($section_doc),+],
                    keys: vec![ $( key(
                        concat!(stringify!($section), ".", stringify!($in_key)),
                        &[$($in_doc),+],
                        $in_default,
                        &$in_domain,
                    ), )+ ],
                }, )+
            ]
        }
    };
}

fn key<D: Domain>(
    name: &'static str,
    doc: &'static [&'static str],
    default: &'static str,
    domain: &D,
) -> Key {
    let value = domain
        .read(&super::literal::Literal::Bare(default.into()))
        .expect("defaults in the table of settings are valid, as a test proves");
    Key { name, doc, default: domain.write(&value), expects: domain.expects() }
}

settings! {
    /// The checked configuration, complete: every value is in its range and
    /// agrees with the others.
    Config {
        /// Directory of the journal, the archive and the live positions. One
        /// process owns it at a time; a second one exits with 75.
        data_dir: PathBuf = "fleetstream-data", Paths;
        /// Enters every event id, so that two tenants never share one.
        tenant: String = "default", Tenant;
        /// Number of shards, each with its own journal. Fixed when a data
        /// directory is first used; another number is refused from then on.
        shards: u32 = "1", Count { min: 1, max: 1_024 };
        /// Shards that this process owns: "all", or those with these numbers
        /// (from 0) where other processes own the others. Some of them need
        /// journal.url, and {shard} in pubsub.subscription; nothing is then
        /// taken or changed over HTTP. Lists of two processes should not
        /// overlap: one of the two would stand by.
        shards_owned: Option<BTreeSet<u32>> = "all",
            ShardList { each: Count { min: 0, max: 1_023 } };
        /// Where receive times come from: "wall" is this machine's clock,
        /// "event" the largest event time of all pings taken so far, for
        /// old traces: one that is far ahead makes those behind it old.
        clock: Clock = "wall", Choice(&[("wall", Clock::Wall), ("event", Clock::Event)]);
        /// GeoJSON file of the geofences, or a directory of such files
        /// (*.geojson, *.json) that are one set; "" for none. While the worker
        /// runs, a change of them is taken up, and at a restart one made
        /// meanwhile; otherwise fences changed over HTTP stay as they are.
        fences: Option<PathBuf> = "", OptionalPath;
        /// How often the worker looks whether the fences have changed. They
        /// are taken up once two looks have found them alike.
        fences_poll: Duration = "2s", Durations { min: "10ms", max: "1h" };
        /// JSON file with the tags of vehicles, which decide which fences
        /// concern them: {"bus-7": ["city", "electric"]}; "" for none. As long
        /// as no tags were ever named, every fence concerns every vehicle. It
        /// is watched like the fences.
        vehicle_tags: Option<PathBuf> = "", OptionalPath;
        /// End with an error when recovery computes other effects than the
        /// journal records, instead of counting and logging the difference.
        strict_audit: bool = "false", Switch;
    }

    /// Ingest, health, metrics, positions and the event stream.
    [http] Http {
        /// Address to listen on; port 0 takes a free one and logs it.
        listen: SocketAddr = "127.0.0.1:8080", Address;
        /// Largest request body, before and after decompression; a larger one
        /// is answered 413.
        max_body: u64 = "1MiB", Sizes { min: "64KiB", max: "64MiB" };
        /// Ingest requests waiting for their commit at the same time; one more
        /// is answered 429.
        max_in_flight: u32 = "256", Count { min: 1, max: 65_536 };
        /// File with the token that lets its bearer change fences; "" for
        /// none, when they cannot be changed over HTTP. At least 16 visible
        /// ASCII characters, read anew at each use, so that it can be
        /// exchanged.
        token_file: Option<PathBuf> = "", OptionalPath;
    }

    /// When gathered input becomes a segment of the journal.
    [commit] Commit {
        /// Longest time input gathers. Shorter answers sooner, longer writes
        /// fewer and larger segments.
        max_delay: Duration = "200ms", Durations { min: "1ms", max: "10s" };
        /// Payload bytes that end the gathering early.
        max_bytes: u64 = "4MiB", Sizes { min: "64KiB", max: "256MiB" };
    }

    /// Input between the sources and each shard. When it is full sources wait
    /// and HTTP answers 503.
    [queue] Queue {
        /// Pings a shard's queue holds.
        max_pings: u32 = "100000", Count { min: 1_000, max: 100_000_000 };
        /// Payload bytes a shard's queue holds.
        max_bytes: u64 = "64MiB", Sizes { min: "128KiB", max: "64GiB" };
    }

    /// The journal: what is kept of it, and for how long.
    [journal] Journal {
        /// Where the journal is: gs://bucket/prefix for Cloud Storage, where
        /// another worker can take it over; "" for `journal/` under data_dir.
        url: Option<BucketUrl> = "", OptionalBucket;
        /// How long a journal in Cloud Storage must stand still before this
        /// worker takes it from another, and ten commit delays at the least.
        /// An idle owner keeps its journal if this is longer than the times
        /// at which it has nothing to write.
        takeover_after: Duration = "5s", Durations { min: "5s", max: "1h" };
        /// How long segments stay after every sink and a snapshot are past
        /// them; history and explanations reach that far back.
        keep: Duration = "24h", Durations { min: "0s", max: "3650d" };
        /// Segments between two snapshots, at the least. Fewer make recovery
        /// shorter and write more.
        snapshot_min_segments: u32 = "64", Count { min: 1, max: 1_000_000 };
        /// Free space of the disk under which intake stops, for a journal on
        /// this machine.
        min_free_percent: u8 = "10", Percent { max: 90 };
        /// How often an idle shard writes down how far its sinks are. A Parquet
        /// file that is due does not wait for it.
        heartbeat: Duration = "30s", Durations { min: "100ms", max: "10m" };
    }

    /// What counts as an event. A change takes effect from its place in the
    /// journal on; what was detected before stays as it was.
    [detection] Detection {
        /// Which rules decide a transition: in "plain" the side of each ping
        /// is the state; "robust" knows of accuracy, confirms, sets impossible
        /// positions aside, and dates a crossing between two pings.
        profile: geofence::Profile = "robust", Choice(&[
            ("robust", geofence::Profile::Robust),
            ("plain", geofence::Profile::Plain),
        ]);
        /// How long a ping waits for earlier ones before it is evaluated;
        /// longer means fewer corrections, later events.
        reorder_delay: Duration = "2s", Durations { min: "0s", max: "1h" };
        /// How far behind its vehicle's newest ping a ping may be and still
        /// correct events. Memory grows with it: 20 bytes for each ping.
        hot_lateness: Duration = "15m", Durations { min: "0s", max: "7d" };
        /// How far ahead of its receive time a ping's event time may be.
        future_tolerance: Duration = "60s", Durations { min: "0s", max: "1d" };
        /// Accept the position 0, 0, which broken devices report.
        allow_null_island: bool = "false", Switch;
        /// Largest step between two pings over which a crossing is taken for
        /// continuous.
        max_gap: Duration = "15m", Durations { min: "1s", max: "7d" };
        /// Robust only: how long an uncertain first ping inside waits for a
        /// second one.
        confirm_ttl: Duration = "10m", Durations { min: "0s", max: "1d" };
        /// Robust only: largest step between two pings outside that is taken
        /// for a straight pass through a fence.
        cross_max_gap: Duration = "150s", Durations { min: "0s", max: "1d" };
        /// Robust only: outside pings that confirm an exit, one of them
        /// beyond doubt, for fences that set none of their own.
        exit_confirm: u32 = "2", Count { min: 1, max: 10 };
        /// Robust only: shortest stay that counts as an enter, for fences that
        /// set none of their own.
        min_inside: Duration = "0s", Durations { min: "0s", max: "31d" };
        /// Dwell thresholds of fences that set none of their own.
        dwell: Vec<Duration> = "5m",
            DurationList { each: Durations { min: "1s", max: "30d" } };
        /// What silence concludes of a vehicle inside a fence: "wait" for a
        /// ping that shows it there, or "assume" that it stays, so that a
        /// dwell is told as soon as everything its source had published by
        /// then has come in. A later ping that shows otherwise retracts it.
        on_silence: geofence::OnSilence = "wait", Choice(&[
            ("wait", geofence::OnSilence::Wait),
            ("assume", geofence::OnSilence::Assume),
        ]);
        /// Shortest stationary episode.
        stationary_after: Duration = "5m", Durations { min: "1s", max: "1d" };
        /// Shortest idle episode: stationary with the engine running.
        idle_after: Duration = "5m", Durations { min: "1s", max: "1d" };
        /// Largest gap inside an idle episode, and the age up to which an
        /// engine value still holds; more for fleets that report less often.
        idle_gap: Duration = "200s", Durations { min: "1s", max: "1d" };
        /// Take an unknown engine for a running one.
        assume_engine_on: bool = "false", Switch;
        /// Shortest silence that is taken for offline.
        offline_after: Duration = "5m", Durations { min: "1s", max: "30d" };
        /// A vehicle silent for this long is forgotten. A ping that is sent more
        /// than 30 days after its time is not judged: from "30d" on none is that
        /// a vehicle sends again. Below that, one of before the silence is taken
        /// for new, and tells its events once more.
        forget_after: Duration = "30d", Durations { min: "1m", max: "3650d" };
        /// Vehicles a shard holds at the most; pings of further ones are
        /// rejected. What each takes is in the benchmarks.
        vehicles_max: u32 = "2000000", Count { min: 1, max: 100_000_000 };
        /// Hot window a shard holds at the most; past it the vehicle whose
        /// window starts earliest gives way, and that is counted.
        hot_bytes_max: u64 = "1GiB", Sizes { min: "1MiB", max: "1TiB" };
    }

    /// What is written to files under the data directory. Each can be left
    /// out where another output takes its place.
    [files] Files {
        /// Pings and events as Parquet, by day: `pings/` and `events/`.
        parquet: bool = "true", Switch;
        /// Every event operation as NDJSON: `event_log/`.
        event_log: bool = "true", Switch;
        /// Refused input as NDJSON: `dead_letters/`. Left out with nothing in
        /// its place, refused input stays in the journal only, for as long as
        /// that is kept.
        dead_letters: bool = "true", Switch;
        /// The newest position of every vehicle: `positions.ndjson`.
        positions: bool = "true", Switch;
    }

    /// Parquet files of pings and events.
    [archive] Archive {
        /// Age at which an open file is closed and becomes visible.
        max_age: Duration = "5m", Durations { min: "1s", max: "1d" };
        /// Size at which an open file is closed.
        max_bytes: u64 = "128MiB", Sizes { min: "64KiB", max: "4GiB" };
    }

    /// Pings and events in BigQuery, through its Storage Write API. Set the
    /// tables up first: `fleetstream bigquery ensure`.
    [bigquery] Bigquery {
        /// Dataset of the tables, `projects/PROJECT/datasets/DATASET`; "" for
        /// none.
        dataset: Option<Dataset> = "", Datasets;
        /// "committed" appends each row once, by a stream of its own for each
        /// shard; "default_stream" at least once, with the larger quota.
        mode: Mode = "committed", Choice(&[
            ("committed", Mode::Committed),
            ("default_stream", Mode::DefaultStream),
        ]);
        /// Table of the pings.
        pings_table: String = "pings", TableName;
        /// Table of the event operations.
        events_table: String = "events", TableName;
    }

    /// Live positions in Google Cloud Firestore. `FIRESTORE_EMULATOR_HOST`
    /// leads to an emulator instead of Google's service.
    [firestore] Firestore {
        /// The database, `projects/P/databases/D`, where D is mostly
        /// `(default)`; "" for no positions in Firestore.
        database: Option<String> = "", Database;
        /// The collection that holds the positions.
        collection: String = "LiveMap", CollectionId;
        /// "document": a document for each vehicle, named by its id; "packed":
        /// many vehicles in a document, which costs a fraction. To change it,
        /// name another collection too: nobody clears the old documents away.
        layout: LiveLayout = "document", Choice(&[
            ("document", LiveLayout::Document),
            ("packed", LiveLayout::Packed),
        ]);
        /// Packed only: documents for each shard. Each holds at most 1 MiB. By
        /// Firestore's rules of storage size a vehicle takes some 150 bytes,
        /// its id twice and the ids of its fences: 210 bytes for an id of 16
        /// and two fences of 12 characters. Plan for 3,000 vehicles a
        /// document; whoever listens to one is sent all of it.
        packed_documents: u32 = "4", Count { min: 1, max: 10_000 };
        /// Documents written a second, at the most, by this process; 0 for no
        /// limit. What is over it waits, and only the newest position of each
        /// vehicle does.
        max_writes_per_second: u32 = "0", Count { min: 0, max: 1_000_000 };
    }

    /// The live position of each vehicle.
    [positions] Positions {
        /// Shortest time between two writes of one vehicle's position; its
        /// last one always arrives.
        min_interval: Duration = "3s", Durations { min: "1s", max: "1h" };
        /// Firestore only: longest time that a visible change may wait for its
        /// write; older ones are warned of. What it is longer than
        /// positions.min_interval, its least, a write may wait for the
        /// vehicle's next position.
        max_delay: Duration = "5s", Durations { min: "1s", max: "1h" };
    }

    /// Google Cloud Pub/Sub: where pings come from and where events go. Each
    /// end is on when its name is given; an ID has 3 to 255 letters, digits and
    /// -_.~+%, begins with a letter, and not with goog. `PUBSUB_EMULATOR_HOST`
    /// leads to an emulator instead of Google's service.
    [pubsub] Pubsub {
        /// Pings are pulled from this subscription; they are acknowledged once
        /// they are durable. {shard} stands for the number of a shard, in three
        /// digits: the subscription of each owned shard is pulled.
        subscription: Option<ShardName> = "", ShardResource { collection: "subscriptions" };
        /// Messages a second that this process is to keep up with, over all its
        /// subscriptions; what is left to the engine here follows from it.
        expected_rate: u32 = "5000", Count { min: 1, max: 10_000_000 };
        /// Size of a message that memory is planned for.
        expected_bytes: u64 = "1KiB", Sizes { min: "16B", max: "10MiB" };
        /// Pull streams; "auto" opens one for each 1,000 messages a second
        /// expected, at most 32. Each subscription has as many as any other,
        /// and one at the least.
        streams: Option<u32> = "auto", Auto(Count { min: 1, max: 256 });
        /// Messages that are pulled and not yet acknowledged, over all
        /// streams; "auto" takes twice what the expected rate needs while a
        /// segment gathers and is committed.
        max_outstanding: Option<u32> = "auto", Auto(Count { min: 100, max: 100_000_000 });
        /// The same in bytes; "auto" is that many messages of the expected
        /// size, and at least 64MiB.
        max_outstanding_bytes: Option<u64> = "auto", Auto(Sizes { min: "10MiB", max: "1TiB" });
        /// For how long a message is leased at a time; a lease is renewed
        /// while the message is worked on, and one that a killed worker held
        /// comes back after it.
        lease: Duration = "60s", Durations { min: "10s", max: "60s" };
        /// Events are published to this topic.
        events_topic: Option<String> = "", Resource { collection: "topics" };
        /// Refused input is published to this topic, whole.
        dead_letter_topic: Option<String> = "", Resource { collection: "topics" };
        /// Pings that are too late to correct events are published to this
        /// topic; they are archived all the same.
        late_topic: Option<String> = "", Resource { collection: "topics" };
    }

    /// Where pings come from.
    [source] Source {
        /// A source that was silent for this long is called stalled.
        stalled_after: Duration = "2m", Durations { min: "1s", max: "1d" };
    }

    /// What is written to standard error.
    [log] Log {
        /// Lowest level written, for all and for single targets.
        level: logging::Filter = "info", Filter;
        /// "text" for people, "json" with Cloud Logging's fields for machines,
        /// "auto" for text on a terminal and JSON elsewhere.
        format: logging::Format = "auto", Choice(&[
            ("auto", logging::Format::Auto),
            ("text", logging::Format::Text),
            ("json", logging::Format::Json),
        ]);
    }
}
