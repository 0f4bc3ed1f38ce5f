//! The one table of metrics: constant, name, kind, unit, labels, help.

use ::metrics::Unit;

use super::{Kind, Metric};

/// Seconds, from a local fsync to a store that hangs.
const FAST: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Seconds, from one commit delay to a backlog of an hour.
const SLOW: &[f64] =
    &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

macro_rules! metrics {
    ($( $constant:ident $name:literal $kind:expr, $unit:ident, [$($label:literal),*], $help:literal; )+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: $kind,
                unit: Unit::$unit,
                help: $help,
                labels: &[$($label),*],
            };
        )+

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    RECEIVED "fleetstream_received_total" Kind::Counter, Count, ["source"],
        "Pings taken from sources, before any judgement.";
    REDELIVERED "fleetstream_redelivered_total" Kind::Counter, Count, [],
        "Messages delivered again while they were being worked on, and merged.";
    PULL_ERRORS "fleetstream_pull_errors_total" Kind::Counter, Count, ["source"],
        "Pull streams that failed, and silent subscriptions found without a topic or an answer.";
    PULL_LAG "fleetstream_pull_lag_seconds" Kind::Histogram(SLOW), Seconds, [],
        "From the publishing of a message to its arrival here, of the oldest of each batch.";
    REJECTED "fleetstream_rejected_total" Kind::Counter, Count, ["reason"],
        "Dead letters: input that was refused, and output that its target refuses for good.";
    VALUES_DROPPED "fleetstream_values_dropped_total" Kind::Counter, Count, ["field"],
        "Values of admitted pings that stood for none and were taken for unknown.";
    DEDUPLICATED "fleetstream_deduplicated_total" Kind::Counter, Count, [],
        "Pings already known, acknowledged without effect.";
    ARCHIVED "fleetstream_archived_total" Kind::Counter, Count, ["disposition"],
        "Pings archived, by what detection made of them.";
    REFUSALS "fleetstream_refusals_total" Kind::Counter, Count, ["rule"],
        "Conclusions a detection rule declined to draw.";
    EVENTS "fleetstream_events_total" Kind::Counter, Count, ["kind", "op"],
        "Event operations committed.";
    EVENT_LATENCY "fleetstream_event_latency_seconds" Kind::Histogram(SLOW), Seconds, [],
        "From the receive time of the ping that decided an event to its release, once durable.";

    APPLY "fleetstream_apply_seconds" Kind::Histogram(FAST), Seconds, [],
        "Time that detection takes for the input of one segment.";
    COMMIT "fleetstream_commit_seconds" Kind::Histogram(FAST), Seconds, [],
        "Time to make a segment durable.";
    COMMIT_AGE "fleetstream_commit_age_seconds" Kind::Gauge, Seconds, ["shard"],
        "Age of the oldest input that is not durable yet; 0 when all is.";
    SHARD_OWNED "fleetstream_shard_owned" Kind::Gauge, Count, ["shard"],
        "1 for each shard whose journal is this process's; over all workers each is there once.";
    SINCE_SNAPSHOT "fleetstream_segments_since_snapshot" Kind::Gauge, Count, ["shard"],
        "Segments after the last snapshot that was written, which a restart applies again.";
    MAINTENANCE_ERRORS "fleetstream_maintenance_errors_total" Kind::Counter, Count, ["work"],
        "Snapshots that were not written and sweeps that broke off, by work: snapshot, sweep.";
    COMMITTED_BYTES "fleetstream_committed_bytes_total" Kind::Counter, Bytes, [],
        "Bytes of segments made durable.";
    AUDIT_DIFFERENCES "fleetstream_audit_differences_total" Kind::Counter, Count, [],
        "Effects that recovery computed otherwise than the journal records.";
    UNRELEASED "fleetstream_unreleased_segments" Kind::Gauge, Count, ["sink", "shard"],
        "Committed segments a sink has not taken yet.";
    SINK_ERRORS "fleetstream_sink_errors_total" Kind::Counter, Count, ["sink"],
        "Calls to a sink that failed and were made again.";
    SINK_WRITE "fleetstream_sink_write_seconds" Kind::Histogram(FAST), Seconds, ["sink"],
        "Time that a sink takes for one segment, or for several together, failed attempts included.";
    RELEASE_LAG "fleetstream_release_lag_seconds" Kind::Gauge, Seconds, ["sink", "shard"],
        "Age of the oldest committed segment a sink has not taken yet; 0 when none is.";

    FIRESTORE_POSITIONS "fleetstream_firestore_positions_total" Kind::Counter, Count, ["outcome"],
        "Live positions offered to Firestore: written, skipped, conflated, refused, failed.";
    FIRESTORE_DOCUMENTS "fleetstream_firestore_documents_written_total" Kind::Counter, Count, [],
        "Firestore documents written, which is what is paid for.";
    FIRESTORE_WAITING "fleetstream_firestore_documents_waiting" Kind::Gauge, Count, ["shard"],
        "Firestore documents that lack a position committed since, small moves included.";
    FIRESTORE_OLDEST "fleetstream_firestore_oldest_seconds" Kind::Gauge, Seconds, ["shard"],
        "Age of the oldest visible change that is not in Firestore yet; 0 when none is.";

    FENCES "fleetstream_fences" Kind::Gauge, Count, [],
        "Fences of the newest set.";
    FENCE_CHANGES "fleetstream_fence_changes_total" Kind::Counter, Count, ["origin", "outcome"],
        "Changes of the fences asked for, by configuration or HTTP, and what came of them.";
    TAG_CHANGES "fleetstream_tag_changes_total" Kind::Counter, Count, ["origin", "outcome"],
        "Changes of vehicles' tags asked for, by configuration or HTTP, and what came of them.";

    IN_FLIGHT "fleetstream_in_flight" Kind::Gauge, Count, [],
        "Pings taken from sources and not durable yet.";
    STATE_VEHICLES "fleetstream_state_vehicles" Kind::Gauge, Count, ["shard"],
        "Vehicles a shard keeps state of.";
    HOT_WINDOW "fleetstream_hot_window_bytes" Kind::Gauge, Bytes, ["shard"],
        "Memory of the pings that may still be corrected.";
    CLOCK_BEHIND "fleetstream_clock_behind_seconds" Kind::Gauge, Seconds, [],
        "How far the machine's clock is behind the newest receive time given; 0 when it is not.";
    DISK_FREE "fleetstream_disk_free_ratio" Kind::Gauge, Count, [],
        "Free share of the data directory's disk, from 0 to 1.";
    HTTP_REQUESTS "fleetstream_http_requests_total" Kind::Counter, Count, ["route", "status"],
        "HTTP requests answered.";
    HTTP_ANSWER "fleetstream_http_answer_seconds" Kind::Histogram(FAST), Seconds,
        ["route", "status"],
        "From the head of a request to the head of its answer; ingest waits for its commit.";
    HTTP_REFUSED "fleetstream_http_pings_refused_total" Kind::Counter, Count, ["code"],
        "Ingest requests of which nothing was taken.";

    BUILD_INFO "fleetstream_build_info" Kind::Gauge, Count, ["version"],
        "Always 1; the label says which version runs.";
}

/// Counters with labels that somebody is woken by as soon as they grow, and the
/// values that tell of trouble here. Those of sinks are shown by the sinks that run.
pub(super) const FROM_ZERO: &[(Metric, &[&[&str]])] = &[
    (MAINTENANCE_ERRORS, &[&["snapshot"], &["sweep"]]),
    (
        REJECTED,
        &[
            &["foreign_shard"],
            &[sinks::bigquery::REFUSED_PING],
            &[sinks::bigquery::REFUSED_EVENT],
            &[sinks::pubsub::REFUSED_EVENT],
            &[sinks::pubsub::REFUSED_LATE],
        ],
    ),
    (REFUSALS, &[&["hot_window_capped"], &["vehicle_limit"]]),
    (FENCE_CHANGES, BAD_CHANGES),
    (TAG_CHANGES, BAD_CHANGES),
    (
        HTTP_REFUSED,
        &[
            &["queue_full"],
            &["too_many_requests"],
            &["too_many_bytes"],
            &["disk_nearly_full"],
            &["commit_stuck"],
            &["not_committed"],
        ],
    ),
];

/// Only what is configured can be unusable: HTTP is told so at once.
const BAD_CHANGES: &[&[&str]] = &[
    &["configured", "unusable"],
    &["configured", "refused"],
    &["configured", "failed"],
    &["http", "refused"],
    &["http", "failed"],
];
