//! Data directories that cannot be used, configurations that make no sense,
//! and ports that are taken: each refused at once, saying what to do.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Launch, Mounted, is_root, text};

/// Starts a worker that must end with `code`, and returns what it said.
fn refused(launch: &Launch, code: i32) -> String {
    let output = launch.output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn a_second_process_on_a_directory_ends_at_once_and_says_who_is_there() {
    let dir = TempDir::new().unwrap();
    let mut first = Launch::run(dir.path()).start();
    let said = refused(&Launch::run(dir.path()), 75);
    assert!(said.contains(&format!("process {}", first.pid())), "{said}");
    // A one-off command is no exception.
    let demo = ["demo", "--port", "0", "--data-dir", dir.path().to_str().unwrap()];
    assert!(refused(&Launch::of(&demo), 75).contains("one process"));
    assert!(first.stop().success());
    // The lock goes with its process, however that ends.
    Launch::run(dir.path()).start().kill();
    assert!(Launch::run(dir.path()).start().stop().success());
}

#[test]
fn a_directory_that_is_none() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let said = refused(&Launch::run(&path), 78);
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
    // Something else where the journal belongs.
    fs::write(dir.path().join("journal"), "").unwrap();
    assert!(refused(&Launch::run(dir.path()), 78).contains("journal: not a directory"));
}

#[test]
fn a_directory_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    for path in [dir.path().to_owned(), dir.path().join("below")] {
        // Permissions do not hold for root.
        let launch = Launch::run(&path);
        let launch = if is_root() { launch.by_nobody() } else { launch };
        let Some(output) = launch.output_if_permitted() else {
            println!("skipped: root's own binary cannot be started as another user");
            break;
        };
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        let told = ["Permission denied", "not writable by this user"];
        assert!(told.iter().any(|told| said.contains(told)), "{said}");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_read_only_file_system() {
    let Some(disk) = Mounted::tmpfs("size=1m,ro") else { return };
    for path in [disk.path().to_owned(), disk.path().join("below")] {
        let said = refused(&Launch::run(&path), 78);
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        assert!(said.to_lowercase().contains("read-only"), "{said}");
    }
}

#[test]
fn a_port_in_use() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut first = Launch::run(one.path()).start();
    let directory = other.path().to_str().unwrap();
    let second = ["run", "--data-dir", directory, "--listen", first.address()];
    let said = refused(&Launch::of(&second), 1);
    assert!(said.contains("the port is in use") && said.contains(first.address()), "{said}");
    assert!(first.stop().success());
    // The second one left a directory that works.
    assert!(Launch::run(other.path()).start().stop().success());
}

fn with_config(dir: &Path, config: &str) -> Launch {
    let path = dir.join("fleet.toml");
    fs::write(&path, config).unwrap();
    let data_dir = dir.join("data");
    let (path, data_dir) = (path.to_str().unwrap(), data_dir.to_str().unwrap());
    Launch::of(&["run", "--config", path, "--data-dir", data_dir, "--listen", "127.0.0.1:0"])
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let dir = TempDir::new().unwrap();
    let config = "shard = 2\n\n[comit]\nmax_delay = \"1s\"\n\n[journal]\nkeep = \"soon\"\n";
    let said = refused(&with_config(dir.path(), config), 78);
    for part in ["shard", "shards", "comit", "commit", "journal.keep", "soon", "fleet.toml"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn fences_that_are_none() {
    let dir = TempDir::new().unwrap();
    for (content, complaint) in [
        ("not json at all", "JSON"),
        (r#"{"type":"Topology","objects":{}}"#, "Topology"),
        (
            r#"{"type":"FeatureCollection","features":[
                {"type":"Feature","id":"yard","properties":{},
                 "geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0]]]}},
                {"type":"Feature","id":"gate","properties":{},
                 "geometry":{"type":"Point","coordinates":[1,1]}}]}"#,
            "yard",
        ),
    ] {
        let path = dir.path().join("fences.geojson");
        fs::write(&path, content).unwrap();
        let config = format!("fences = {:?}\n", path.to_str().unwrap());
        let said = refused(&with_config(dir.path(), &config), 78);
        assert!(said.contains("fences.geojson") && said.contains(complaint), "{said}");
        if complaint == "yard" {
            assert!(said.contains("gate"), "both are told: {said}");
        }
    }
    let config = "fences = \"/nowhere/fences.geojson\"\n";
    assert!(refused(&with_config(dir.path(), config), 78).contains("/nowhere/fences.geojson"));
}
