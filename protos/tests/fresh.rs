//! The checked-in Rust is what the `.proto` sources generate.
//!
//! `FLEETSTREAM_REGENERATE=1 cargo test -p protos --test fresh` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use prost_build::Config;

const SOURCES: [&str; 4] = [
    "fleet/telemetry/v1/ping.proto",
    "fleet/events/v1/event.proto",
    "fleet/journal/v1/segment.proto",
    "fleet/journal/v1/state.proto",
];

/// A message with a type of its own, and where that is.
const OWN: (&str, &str) = (".fleet.events.v1.FleetEvent", "crate::event::FleetEvent");
/// Everything else of its package.
const OTHERS: [&str; 15] = [
    "Op",
    "Reason",
    "GeofenceEnter",
    "GeofenceExit",
    "GeofenceCross",
    "GeofenceDwell",
    "GeofenceVisit",
    "StationaryStart",
    "StationaryEnd",
    "IdleStart",
    "IdleEnd",
    "VehicleOffline",
    "VehicleOnline",
    "SourceStalled",
    "SourceRecovered",
];

#[test]
fn checked_in_code_is_fresh() {
    let own = |config: &mut Config| {
        config.extern_path(OWN.0, OWN.1);
    };
    is_fresh("src/gen", &SOURCES, own, 3);
}

/// What the own type is compared with: that message alone, of the others' types.
#[test]
fn the_generated_event_is_fresh() {
    let others = |config: &mut Config| {
        for name in OTHERS {
            config
                .extern_path(format!(".fleet.events.v1.{name}"), format!("protos::events::{name}"));
        }
    };
    is_fresh("tests/gen", &SOURCES[1..2], others, 1);
}

/// That `checked_in` has what `sources` generate for so many `packages`.
fn is_fresh(
    checked_in: &str,
    sources: &[&str],
    configure: impl FnOnce(&mut Config),
    packages: usize,
) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(checked_in);
    let checked_in = root.join(checked_in);
    fs::create_dir_all(&out).expect("the target directory is writable");
    let descriptors = protox::compile(sources, [root.join("proto")]).expect("the sources compile");
    let mut config = Config::new();
    configure(config.bytes(["."]).out_dir(&out));
    config.compile_fds(descriptors).expect("code generation succeeds");

    let mut names: Vec<_> = fs::read_dir(&out)
        .expect("just created")
        .map(|entry| entry.expect("readable entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), packages, "one file for each package: {names:?}");

    for name in names {
        let fresh = fs::read_to_string(out.join(&name)).expect("just generated");
        let path = checked_in.join(&name);
        if std::env::var_os("FLEETSTREAM_REGENERATE").is_some() {
            fs::write(&path, &fresh).expect("the checkout is writable");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == fresh,
            "{} is stale: run FLEETSTREAM_REGENERATE=1 cargo test -p protos --test fresh",
            path.display()
        );
    }
}
