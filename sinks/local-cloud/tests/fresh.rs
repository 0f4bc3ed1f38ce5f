//! The checked-in Rust is what Google's `.proto` sources generate.
//!
//! `FLEETSTREAM_REGENERATE=1 cargo test -p local-cloud --test fresh` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

const SOURCE: &str = "google/cloud/bigquery/storage/v1/storage.proto";

/// What is generated; of what else the source imports, `prost-types` has
/// `google.protobuf`, and `google.api` holds annotations.
const PACKAGES: [&str; 2] = ["google.cloud.bigquery.storage.v1", "google.rpc"];

#[test]
fn checked_in_code_is_fresh() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/bigquery/gen");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gen-of-local-cloud");
    fs::create_dir_all(&out).expect("the target directory is writable");
    generate(&root.join("protos"), &out);

    let mut names: Vec<_> = fs::read_dir(&out)
        .expect("just created")
        .map(|entry| entry.expect("readable entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), PACKAGES.len(), "one file for each package: {names:?}");

    for name in names {
        let fresh = fs::read_to_string(out.join(&name)).expect("just generated");
        let path = checked_in.join(&name);
        if std::env::var_os("FLEETSTREAM_REGENERATE").is_some() {
            fs::write(&path, &fresh).expect("the checkout is writable");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == fresh,
            "{} is stale: run FLEETSTREAM_REGENERATE=1 cargo test -p local-cloud --test fresh",
            path.display()
        );
    }
}

fn generate(protos: &Path, out: &Path) {
    let mut descriptors = protox::compile([SOURCE], [protos]).expect("the sources compile");
    // Annotations only; nothing at run time.
    descriptors.file.retain(|file| file.package() != "google.api");
    for file in &mut descriptors.file {
        // The service that reads is none of the stand-in's.
        file.service.retain(|service| service.name() == "BigQueryWrite");
        // Comments among them. They are in the sources; as Rust they would be
        // examples to compile and links to resolve.
        file.source_code_info = None;
    }
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(descriptors)
        .expect("code generation succeeds");
}
