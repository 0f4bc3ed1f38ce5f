//! A service under load, as a child process: the engine's `run` or its naive
//! baseline, which say where they listen in the same words.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use engine::process_stats;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

use super::sample::Sample;

/// What a service may take to be ready, or to have done what it was given.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A service that is ready. Dropped, it is killed.
pub(super) struct Service {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    url: String,
    agent: ureq::Agent,
    /// CPU time and clock when it was ready.
    cpu_s: f64,
    since: Instant,
}

impl Service {
    /// Starts `command` and waits until it is ready.
    pub(super) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().context("stderr is piped")?).lines();
        let to = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                to.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut service = Self {
            child,
            log,
            reader: Some(reader),
            url: String::new(),
            agent: agent(),
            cpu_s: 0.0,
            since: Instant::now(),
        };
        service.url = service.wait("listening", |service| service.address())?;
        service.wait("ready", |service| service.get("/readyz").map(drop))?;
        service.cpu_s = service.cpu_s()?;
        service.since = Instant::now();
        Ok(service)
    }

    /// `http://address`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it `is` so, and fails if the process ends before.
    pub(super) fn wait<T>(
        &mut self,
        what: &str,
        mut is: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(answer) = is(self) {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{status} before it was {what}:\n{}", self.log());
            }
            if begun.elapsed() > PATIENCE {
                bail!("not {what} after {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The body of a successful answer.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// Sum of the samples of a metric.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let page = self.get("/metrics")?;
        let of_it =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit_once(' ')?.1.parse::<f64>().ok();
        Some(page.lines().filter(of_it).filter_map(value).sum())
    }

    /// Ends it, in order, and says what it used for `operations` since it was
    /// ready, its ending included.
    pub(super) fn end(mut self, operations: u64) -> anyhow::Result<Sample> {
        let peak_rss_bytes = process_stats::peak_rss_bytes_of(self.child.id());
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM)?;
        // It has ended, but its CPU time can still be read.
        waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        let (cpu_s, wall_s) = (self.cpu_s()? - self.cpu_s, self.since.elapsed().as_secs_f64());
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if !status.success() {
            bail!("it ended with {status}:\n{}", self.log());
        }
        let peak_rss_bytes = peak_rss_bytes.context("memory is known on Linux")?;
        Ok(Sample { operations, cpu_s, wall_s, peak_rss_bytes, ..Sample::default() })
    }

    /// What it wrote to standard error.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        process_stats::cpu_seconds_of(self.child.id()).context("CPU times are known on Linux")
    }

    fn address(&self) -> Option<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["message"] == "listening")?;
        Some(format!("http://{}", line["address"].as_str()?))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that takes an answer of any status.
pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into()
}
