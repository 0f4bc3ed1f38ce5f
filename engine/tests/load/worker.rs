//! The worker that is driven.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A worker, killed when dropped.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Worker {
    /// Starts one on a configuration that `loadgen prepare` writes, with these
    /// variables and settings besides.
    pub(crate) fn start(
        directory: &Path,
        variables: &[(&str, String)],
        settings: &[(&str, String)],
    ) -> Self {
        let log = directory.join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
            .args(["run", "--listen", "127.0.0.1:0", "--set", "log.format=json"])
            // How full this machine's disk is has nothing to do with it.
            .args(["--set", "journal.min_free_percent=0"])
            .args(
                settings.iter().flat_map(|(key, value)| ["--set".into(), format!("{key}={value}")]),
            )
            .arg("--config")
            .arg(directory.join("fleetstream.toml"))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a writable directory"))
            .spawn()
            .expect("the binary starts");
        let mut worker = Self { child, url: String::new() };
        let until = Instant::now() + Duration::from_secs(60);
        while worker.url.is_empty() {
            let text = fs::read_to_string(&log).expect("it was made");
            let ended = worker.child.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < until, "it does not listen:\n{text}");
            let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            let listening = |line: &serde_json::Value| line["message"] == "listening";
            match lines.into_iter().find(listening) {
                Some(line) => {
                    worker.url =
                        format!("http://{}", line["address"].as_str().expect("an address"));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        worker
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
