use std::collections::BTreeSet;

use super::*;

fn with_page(record: impl FnOnce()) -> String {
    let recorder = recorder().expect("the table's buckets are valid");
    let page = Page { handle: recorder.handle() };
    ::metrics::with_local_recorder(&recorder, || {
        introduce();
        record();
        page.upkeep();
        page.render()
    })
}

#[test]
fn names_follow_the_rules() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(name.starts_with("fleetstream_"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}");
        assert!(!metric.labels.iter().any(|label| label.contains("vehicle")), "{name}");
        match metric.unit {
            Unit::Seconds => assert!(name.contains("_seconds"), "{name}"),
            Unit::Bytes => assert!(name.contains("_bytes"), "{name}"),
            _ => assert!(!name.contains("_seconds") && !name.contains("_bytes"), "{name}"),
        }
        assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
        if let Kind::Histogram(buckets) = metric.kind {
            assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
        }
    }
}

#[test]
fn every_metric_renders_with_help_type_and_labels() {
    let page = with_page(|| {
        for metric in ALL {
            let values: Vec<&str> = metric.labels.iter().map(|_| "x").collect();
            match metric.kind {
                Kind::Counter => metric.counter(&values).increment(1),
                Kind::Gauge => metric.gauge(&values).set(0.5),
                Kind::Histogram(_) => metric.histogram(&values).record(0.2),
            }
        }
    });
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        for line in [
            format!("# HELP {} {}", metric.name, metric.help),
            format!("# TYPE {} {kind}", metric.name),
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
    for line in [
        "fleetstream_events_total{kind=\"x\",op=\"x\"} 1",
        "fleetstream_deduplicated_total 1",
        "fleetstream_commit_seconds_bucket{le=\"0.1\"} 0",
        "fleetstream_commit_seconds_bucket{le=\"0.25\"} 1",
        "fleetstream_commit_seconds_count 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn counters_without_labels_start_at_zero_and_the_process_is_measured() {
    let page = with_page(|| ());
    for line in [
        "fleetstream_deduplicated_total 0".to_owned(),
        format!("fleetstream_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    if cfg!(target_os = "linux") {
        for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes "] {
            assert!(page.lines().any(|found| found.starts_with(name)), "{name}\n{page}");
        }
    }
}

#[test]
fn counters_of_what_goes_wrong_start_at_zero() {
    let page = with_page(|| ());
    for line in [
        "fleetstream_maintenance_errors_total{work=\"snapshot\"} 0",
        "fleetstream_maintenance_errors_total{work=\"sweep\"} 0",
        "fleetstream_fence_changes_total{origin=\"configured\",outcome=\"unusable\"} 0",
        "fleetstream_tag_changes_total{origin=\"http\",outcome=\"failed\"} 0",
        "fleetstream_rejected_total{reason=\"foreign_shard\"} 0",
        "fleetstream_refusals_total{rule=\"vehicle_limit\"} 0",
        "fleetstream_http_pings_refused_total{code=\"queue_full\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
#[should_panic(expected = "labels of fleetstream_events_total")]
fn a_missing_label_is_caught() {
    let _ = EVENTS.counter(&["geofence_enter"]);
}
