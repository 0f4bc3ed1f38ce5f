//! Every metric named anywhere in the sources is in the table, so that it has
//! a unit, a help text and checked labels.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn no_metric_is_named_outside_the_table() {
    let known: BTreeSet<&str> = engine::metrics::ALL.iter().map(|metric| metric.name).collect();
    let mut files = 0;
    for crate_sources in ["src", "../sinks/src", "../geofence/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_sources);
        visit(&root, &mut |path, text| {
            files += 1;
            for name in metric_names(text) {
                assert!(known.contains(name), "{}: {name} is not in the table", path.display());
            }
        });
    }
    assert!(files > 10, "only {files} files looked at");
}

/// String literals that are a metric's name and nothing else.
fn metric_names(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|literal| {
        literal.strip_prefix("fleetstream_").is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
    })
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("a source directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn names_are_found() {
    let text = r#"counter!("fleetstream_x_total", "reason" => "fleetstream_1"); "fleetstream_""#;
    assert_eq!(metric_names(text).collect::<Vec<_>>(), ["fleetstream_x_total"]);
}
