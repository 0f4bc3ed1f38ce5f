//! The process's own figures, under the names every Prometheus client gives
//! them. Written as text: CPU seconds are a counter of fractions, which the
//! recorder has no counter for.

use std::fmt::Write as _;

use ::metrics::Unit;

use super::{Kind, Metric};
use crate::process_stats;

const CPU_SECONDS: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    unit: Unit::Seconds,
    help: "User and system CPU time of the process.",
    labels: &[],
};

const RESIDENT_BYTES: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    unit: Unit::Bytes,
    help: "Resident memory of the process.",
    labels: &[],
};

const RESIDENT_BYTES_MAX: Metric = Metric {
    name: "process_resident_memory_max_bytes",
    kind: Kind::Gauge,
    unit: Unit::Bytes,
    help: "The most resident memory the process has had.",
    labels: &[],
};

/// Appends the figures the system knows.
pub(super) fn append(page: &mut String) {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    for (metric, value) in [
        (CPU_SECONDS, process_stats::cpu_seconds()),
        (RESIDENT_BYTES, bytes(process_stats::rss_bytes())),
        (RESIDENT_BYTES_MAX, bytes(process_stats::peak_rss_bytes())),
    ] {
        if let Some(value) = value {
            let Metric { name, help, .. } = metric;
            let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
            writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
                .expect("writing to a String cannot fail");
        }
    }
}
