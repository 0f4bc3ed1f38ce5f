//! The checked-in Rust is what the `.proto` sources generate.
//!
//! `FLEETSTREAM_REGENERATE=1 cargo test -p protos --test fresh` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

const SOURCES: [&str; 4] = [
    "fleet/telemetry/v1/ping.proto",
    "fleet/events/v1/event.proto",
    "fleet/journal/v1/segment.proto",
    "fleet/journal/v1/state.proto",
];

#[test]
fn checked_in_code_is_fresh() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/gen");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gen-of-protos");
    fs::create_dir_all(&out).expect("the target directory is writable");
    generate(&root.join("proto"), &out);

    let mut names: Vec<_> = fs::read_dir(&out)
        .expect("just created")
        .map(|entry| entry.expect("readable entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "one file for each package: {names:?}");

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

fn generate(protos: &Path, out: &Path) {
    let descriptors = protox::compile(SOURCES, [protos]).expect("the sources compile");
    prost_build::Config::new()
        .bytes(["."])
        .out_dir(out)
        .compile_fds(descriptors)
        .expect("code generation succeeds");
}
