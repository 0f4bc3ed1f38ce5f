//! `fleetstream check-config` and the command line, from the outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The binary in `folder`, with none of this environment's own settings.
fn fleetstream(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetstream"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLEETSTREAM_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).envs(env.iter().copied());
    command.output().expect("the binary starts")
}

fn folder_with(text: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary directory");
    fs::write(folder.path().join("fleet.toml"), text).expect("writable");
    folder
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

#[test]
fn the_configuration_in_effect_with_origins() {
    let folder = folder_with("shards = 2\n\n[commit]\nmax_delay = \"1s\"\nmax_bytes = \"1MiB\"\n");
    let output = fleetstream(
        folder.path(),
        &["check-config", "fleet.toml", "--set", "queue.max_pings=5000"],
        &[("FLEETSTREAM_COMMIT__MAX_DELAY", "500ms")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer = text(&output.stdout);
    let said: Vec<(&str, &str)> = answer
        .lines()
        .filter_map(|line| line.split_once('#'))
        .map(|(setting, origin)| (setting.trim(), origin.trim()))
        .collect();
    for expected in [
        ("shards = 2", "fleet.toml:1:1"),
        ("max_delay = \"500ms\"", "environment FLEETSTREAM_COMMIT__MAX_DELAY"),
        ("max_bytes = \"1MiB\"", "fleet.toml:5:1"),
        ("max_pings = 5000", "flag --set"),
        ("tenant = \"default\"", "default"),
    ] {
        assert!(said.contains(&expected), "{expected:?} in\n{answer}");
    }

    // The answer is itself a configuration that means the same.
    fs::write(folder.path().join("again.toml"), answer).expect("writable");
    let again = fleetstream(folder.path(), &["check-config", "again.toml"], &[]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let settings = |answer: &str| -> Vec<String> {
        answer.lines().map(|line| line.split('#').next().unwrap_or("").trim().into()).collect()
    };
    assert_eq!(settings(text(&again.stdout)), settings(answer));
}

#[test]
fn the_configuration_in_effect_as_json() {
    let folder = folder_with("[commit]\nmax_delay = \"1s\"\n");
    let output =
        fleetstream(folder.path(), &["check-config", "fleet.toml", "--format", "json"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["ok"], true);
    let settings = answer["settings"].as_array().expect("a list");
    let of = |key: &str| settings.iter().find(|row| row["key"] == key).expect(key);
    assert_eq!(
        *of("commit.max_delay"),
        json!({
            "key": "commit.max_delay",
            "value": "1s",
            "origin": { "kind": "file", "path": "fleet.toml", "line": 2, "column": 1 },
        })
    );
    assert_eq!(of("shards")["value"], 1);
    assert_eq!(of("detection.dwell")["value"], json!(["5m"]));
    assert_eq!(of("shards")["origin"], json!({ "kind": "default" }));
}

#[test]
fn mistakes_are_all_on_standard_error_and_the_code_is_78() {
    let folder = folder_with("shrads = 2\n[commit]\nmax_delay = \"1min\"\n");
    let output = fleetstream(
        folder.path(),
        &["check-config", "fleet.toml"],
        &[("FLEETSTREAM_LOG__LEVEL", "loud")],
    );
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        "error: 3 mistakes in the configuration\n\
         fleet.toml:1:1: shrads: unknown key; did you mean shards?\n\
         fleet.toml:3:13: commit.max_delay: expected a duration from \"1ms\" to \"10s\" \
         (units ms, s, m, h, d), found \"1min\"\n\
         environment FLEETSTREAM_LOG__LEVEL: log.level: expected a level \
         (off, error, warn, info, debug, trace), then TARGET=LEVEL of single targets, separated by \
         commas, such as \"info,sinks=debug\", found \"loud\"\n"
    );
}

#[test]
fn mistakes_as_json() {
    let folder = folder_with("shrads = 2\n");
    let output =
        fleetstream(folder.path(), &["check-config", "fleet.toml", "--format", "json"], &[]);
    assert_eq!(output.status.code(), Some(78));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        answer,
        json!({
            "ok": false,
            "settings": [],
            "mistakes": [{
                "origin": { "kind": "file", "path": "fleet.toml", "line": 1, "column": 1 },
                "key": "shrads",
                "message": "unknown key",
                "nearest": "shards",
            }],
        })
    );
}

#[test]
fn a_missing_file_is_a_mistake_of_configuration() {
    let folder = TempDir::new().expect("a temporary directory");
    let output = fleetstream(folder.path(), &["check-config", "fleet.toml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("fleet.toml: cannot be read: "), "{output:?}");
}

#[test]
fn usage() {
    let folder = TempDir::new().expect("a temporary directory");
    let run = |arguments: &[&str]| fleetstream(folder.path(), arguments, &[]);

    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let page = text(&help.stdout);
    for expected in ["check-config", "Start here:", "Exit codes:"] {
        assert!(page.contains(expected), "{expected} in\n{page}");
    }
    assert!(!page.contains('\u{1b}'), "no colours away from a terminal");

    assert_eq!(run(&["--version"]).status.code(), Some(0));
    for wrong in [&["fly"][..], &[], &["check-config"], &["check-config", "a", "--set", "b"]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(text(&output.stderr).contains("Usage:") || wrong.len() > 1, "{output:?}");
    }
}

/// The repository's own file at `path`.
fn own(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The keys of `check-config`'s answer, with whether the file sets them.
fn keys(folder: &TempDir) -> Vec<(String, bool)> {
    let arguments = ["check-config", "fleet.toml", "--format", "json"];
    let output = fleetstream(folder.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = answer["settings"].as_array().expect("a list").iter();
    rows.map(|row| {
        let key = row["key"].as_str().expect("a name").to_owned();
        (key, row["origin"]["kind"] == "file")
    })
    .collect()
}

#[test]
fn the_cloud_example_holds_and_leaves_no_setting_of_the_cloud_out() {
    let example = own("examples/cloud.toml");
    let of_the_cloud =
        ["journal", "commit", "files", "positions", "pubsub", "firestore", "bigquery"];
    let left_out: Vec<String> = keys(&folder_with(&example))
        .into_iter()
        .filter(|(key, set)| {
            let section = key.split_once('.').map_or("", |(section, _)| section);
            of_the_cloud.contains(&section) && !set
        })
        .map(|(key, _)| key)
        .collect();
    assert_eq!(left_out, [""; 0], "examples/cloud.toml explains every setting of these sections");
}

#[test]
fn terraform_sets_keys_that_there_are() {
    let known = keys(&folder_with(""));
    let mut set = 0;
    for path in ["modules/worker_settings/main.tf", "examples/fleet/main.tf"] {
        // `"section.key" = value`: nothing else in these files begins so.
        let source = own(&format!("terraform/{path}"));
        for line in source.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((key, rest)) =
                line.trim_start().strip_prefix('"').and_then(|line| line.split_once('"'))
            else {
                continue;
            };
            if rest.trim_start().starts_with('=') {
                assert!(known.iter().any(|(name, _)| name == key), "{path}: {key}");
                set += 1;
            }
        }
    }
    assert!(set > 15, "the files look as this test expects: {set}");
}
