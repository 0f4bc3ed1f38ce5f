//! `loadgen run` as a process that is told to stop.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use loadgen::verdict::Report;
use rstest::rstest;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::judged::{failed, names};
use crate::support::{FakeEngine, Faults, world};

/// `loadgen run` as a process of its own, for ten seconds.
fn process(address: &str, out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "--profile", "smoke", "--vehicle-prefix", "t-", "--format", "json"])
        .args(["--url", &format!("http://{address}"), "--out"])
        .arg(out)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts")
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([name, &pid]).status().await.expect("there is kill");
    assert!(sent.success());
}

/// A fake engine, and a process that sends to it and has sent some pings.
async fn driven(faults: Faults) -> (Arc<FakeEngine>, Child, PathBuf, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = FakeEngine::new(&world(200, 1), &names(), faults);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(Arc::clone(&engine).serve(listener, CancellationToken::new()));
    let out = directory.path().join("run");
    let child = process(&address, &out);
    let requests = async {
        while engine.requests() < 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), requests).await.expect("it sends");
    (engine, child, out, directory)
}

#[rstest]
#[case::ctrl_c("-INT")]
#[case::terminated("-TERM")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_process_stops_and_still_reports(#[case] name: &str) {
    let (engine, child, out, _directory) = driven(Faults::default()).await;
    signal(&child, name).await;
    let ended = timeout(Duration::from_secs(90), child.wait_with_output()).await;
    let output = ended.expect("it ends").expect("a child of ours");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("interrupted: no more is sent"), "{errors}");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");
    let kept = engine.done().kept.len() as u64;
    assert!(report.interrupted && !report.pass);
    assert!(kept > 0 && kept < 2_000, "{kept}");
    // What it sent until then is told exactly, and nothing was left under way.
    let tally = report.pings.tally;
    assert_eq!((tally.sent, tally.acknowledged, report.pings.intended), (kept, kept, kept));
    assert!(report.seconds < 10.0 && report.sending.intended_rate > 100.0, "{report:?}");
    assert!(failed(&report).contains(&"interrupted"));
    let saved = std::fs::read(out.join("report.json")).expect("it was written");
    assert_eq!(serde_json::from_slice::<Report>(&saved).expect("a report"), report);
    let page = std::fs::read_to_string(out.join("report.html")).expect("it was written");
    assert!(page.contains("INTERRUPTED"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interruption_ends_the_process_at_once() {
    // It would wait for the answers to what it sent.
    let faults = Faults { hangs_after: Some(9), ..Faults::default() };
    let (_engine, mut child, out, _directory) = driven(faults).await;
    signal(&child, "-INT").await;
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let said = async {
        while let Some(line) = stderr.next_line().await.expect("text") {
            if line.contains("again to end at once") {
                return;
            }
        }
        panic!("it says nothing of an interruption");
    };
    timeout(Duration::from_secs(60), said).await.expect("it says so");
    signal(&child, "-INT").await;
    let status = timeout(Duration::from_secs(4), child.wait()).await.expect("at once");
    assert_eq!(status.expect("a child of ours").code(), Some(130));
    assert!(!out.join("report.json").exists());
}
