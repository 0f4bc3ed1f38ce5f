//! The stand-in by Google's own Python clients, so that it is not one
//! misunderstanding tested against itself.
//!
//! `FLEETSTREAM_PYTHON` names an interpreter that has the packages of
//! `checks/requirements.txt`; with it, the check must pass. Without it,
//! `python3` is asked, and the test is skipped where it has them not: they are
//! no emulator, so `FLEETSTREAM_REQUIRE_EMULATORS` does not ask for them.
//! `.ci/run python_clients` installs them and sets the variable.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::env;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local_cloud::bigquery::{Options, Standin};
use tokio::process::Command;

/// Imports all that the check imports from Google.
const PROBE: &str = "import google.cloud.bigquery, google.cloud.bigquery_storage_v1";

/// The check takes some 10 s; it waits at most 30 s for a single answer.
const CHECK_MAX: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn googles_python_clients_find_what_they_expect() {
    let named = env::var_os("FLEETSTREAM_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let probe = Command::new(&python).args(["-c", PROBE]).stderr(Stdio::null()).status().await;
    if !probe.is_ok_and(|status| status.success()) {
        assert!(named.is_none(), "{python:?} cannot import Google's clients for BigQuery");
        println!("skipped: python3 has not the packages of checks/requirements.txt");
        return;
    }
    let standin = Standin::start(Options::default()).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks/bigquery_client_check.py");
    let check = Command::new(&python)
        .arg(script)
        .env("BIGQUERY_STORAGE_ENDPOINT", standin.storage_endpoint())
        .env("BIGQUERY_REST_ENDPOINT", standin.rest_endpoint())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CHECK_MAX, check).await.expect("the check ends").unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: usize = standin.rows("fleet.pings").unwrap().iter().map(|b| b.num_rows()).sum();
    assert_eq!(rows, 4, "what Python appended is what Rust reads");
}
