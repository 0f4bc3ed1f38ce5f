//! The documents speak of what is there: links lead somewhere, the code map
//! names every module, tables and metrics are those of the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sinks::schema::{self, Column, ColumnKind};

/// Crates whose modules the code map of `ARCHITECTURE.md` names.
const CRATES: [&str; 6] = ["protos", "geofence", "sinks", "sinks/local-cloud", "engine", "loadgen"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate of the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut documents = Vec::new();
    find_documents(&root(), &mut documents);
    assert!(documents.len() > 10, "only {documents:?}");
    let mut broken = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a readable document");
        let folder = document.parent().expect("a file lies in a folder");
        for link in links(&text).filter(|link| !link.contains(':')) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// Markdown files, but for what is built or hidden.
fn find_documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            find_documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    outside_fences(text).flat_map(|line| {
        // Every second piece lies between backticks.
        line.split('`').step_by(2).flat_map(|prose| {
            prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
        })
    })
}

fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[test]
fn links_are_found_in_prose_only() {
    let text = "See [a](a.md) and [`b`](b.md#c).\n```\n[no](no.md)\n```\nand `[no](no.md)`, [d](d)";
    assert_eq!(links(text).collect::<Vec<_>>(), ["a.md", "b.md#c", "d"]);
}

#[test]
fn every_path_named_in_the_architecture_exists() {
    let text = read("ARCHITECTURE.md");
    let paths: BTreeSet<&str> = outside_fences(&text)
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| CRATES.iter().any(|name| code.starts_with(&format!("{name}/"))))
        .collect();
    assert!(paths.len() > 20, "only {paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}, which is not there");
    }
}

#[test]
fn the_code_map_names_every_module_and_no_other() {
    let text = read("ARCHITECTURE.md");
    for name in CRATES {
        let heading = format!("\n### `{name}/`\n");
        let section = text.split_once(&heading).unwrap_or_else(|| panic!("no section {name}")).1;
        let section = section.split("\n#").next().unwrap_or_default();
        let mapped: BTreeSet<&str> = section
            .lines()
            .filter_map(|line| Some(line.strip_prefix("- `")?.split_once('`')?.0))
            .collect();
        let sources = read(&format!("{name}/src/lib.rs"));
        assert_eq!(mapped, modules(&sources), "modules of {name} in ARCHITECTURE.md and in lib.rs");
    }
}

/// Modules that a file declares in files of their own, but for test code.
fn modules(source: &str) -> BTreeSet<&str> {
    let mut before = "";
    let mut found = BTreeSet::new();
    for line in source.lines() {
        let declared = line.strip_prefix("pub ").unwrap_or(line);
        if let Some(name) = declared.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
            && before != "#[cfg(test)]"
        {
            found.insert(name);
        }
        before = line;
    }
    found
}

#[test]
fn the_tables_are_the_schemas() {
    let path = root().join("docs/analysts.md");
    let text = fs::read_to_string(&path).expect("a readable document");
    let mut written = text.clone();
    for (name, columns) in [("pings", schema::PINGS), ("events", schema::EVENTS)] {
        let (begin, end) = (format!("<!-- columns of {name} -->\n"), "<!-- end -->");
        let (before, rest) = written.split_once(&begin).expect("the place of the table");
        let (_, after) = rest.split_once(end).expect("the end of the table");
        written = format!("{before}{begin}\n{}\n{end}{after}", table(columns));
    }
    if std::env::var_os("FLEETSTREAM_REGENERATE").is_some() {
        fs::write(&path, &written).expect("writable");
    }
    let found = fs::read_to_string(&path).expect("a readable document");
    assert!(
        found == written,
        "docs/analysts.md has other columns than the schema; \
         write them with FLEETSTREAM_REGENERATE=1 cargo test -p engine --test docs"
    );
}

fn table(columns: &[Column]) -> String {
    let rows = columns.iter().map(|column| {
        let Column { name, nullable, unit, description, .. } = *column;
        let null = if nullable { "yes" } else { "" };
        format!("| `{name}` | {} | {unit} | {null} | {description} |\n", type_name(column.kind))
    });
    let head = "| column | type | unit | may be null | what it says |\n|---|---|---|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

/// The type as Parquet's readers show it.
fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Name | ColumnKind::Text | ColumnKind::Point => "text",
        ColumnKind::Integer => "64-bit integer",
        ColumnKind::Number | ColumnKind::Measure => "double",
        ColumnKind::Flag => "boolean",
        ColumnKind::Time | ColumnKind::Moment => "timestamp, µs, UTC",
        ColumnKind::Date => "date",
    }
}

#[test]
fn every_metric_to_watch_is_measured() {
    let text = read("docs/operations.md");
    let known: BTreeSet<&str> = engine::metrics::ALL.iter().map(|metric| metric.name).collect();
    let named: BTreeSet<&str> = text
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .filter(|word| word.starts_with("fleetstream_"))
        .collect();
    assert!(named.len() > 5, "only {named:?}");
    for name in named {
        let base = name.trim_end_matches("_bucket");
        assert!(known.contains(base), "docs/operations.md names {name}, which is no metric");
    }
}
