//! The binary as a child process that is always reaped.

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::{Client, LOOK_EVERY, PATIENCE, wait_for};

/// How to start a worker.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    arguments: Vec<String>,
    fail_point: Option<String>,
    environment: Vec<(String, String)>,
    /// As whom, if not as ourselves.
    uid: Option<u32>,
}

/// The user that owns nothing.
const NOBODY: u32 = 65_534;

impl Launch {
    /// `fleetstream run` on `data_dir` and a free port, with a strict audit.
    pub(crate) fn run(data_dir: &Path) -> Self {
        let data_dir = data_dir.to_str().expect("a path in UTF-8");
        Self::of(&["run", "--strict-audit", "--listen", "127.0.0.1:0", "--data-dir", data_dir])
    }

    /// Any command line.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { arguments, fail_point: None, environment: Vec::new(), uid: None }
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn set(self, key: &str, value: &str) -> Self {
        self.arg("--set").arg(&format!("{key}={value}"))
    }

    pub(crate) fn fences(self, path: &Path) -> Self {
        self.set("fences", path.to_str().expect("a path in UTF-8"))
    }

    /// Dies at the `nth` hit of the fail point `name`.
    pub(crate) fn dies_at(mut self, name: &str, nth: u32) -> Self {
        self.fail_point = Some(format!("{name}:{nth}"));
        self
    }

    /// With this variable.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn by_nobody(mut self) -> Self {
        self.uid = Some(NOBODY);
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetstream"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLEETSTREAM_") {
                command.env_remove(name);
            }
        }
        command.args(&self.arguments);
        if let Some(fail_point) = &self.fail_point {
            command.env("FLEETSTREAM_FAIL_POINT", fail_point);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the process and waits until it ends by itself.
    pub(crate) fn output(&self) -> Output {
        self.output_if_permitted().expect("this user may start the binary")
    }

    /// As [`Launch::output`]; `None` if its user may not start the binary.
    pub(crate) fn output_if_permitted(&self) -> Option<Output> {
        let mut child = match self.command().spawn() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
            spawned => spawned.expect("the binary starts"),
        };
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child of ours").is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                let output = child.wait_with_output().expect("a child of ours");
                panic!("{:?} did not end: {}", self.arguments, text(&output.stderr));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Some(child.wait_with_output().expect("a child of ours"))
    }

    /// Starts the process.
    pub(crate) fn spawn(&self) -> Worker {
        let mut child = self.command().spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let printed = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            read_lines(child.stderr.take().expect("piped"), Arc::clone(&log)),
            read_lines(child.stdout.take().expect("piped"), Arc::clone(&printed)),
        ];
        Worker { child, log, printed, readers, address: String::new() }
    }

    /// Starts the process and waits until it is ready for pings.
    pub(crate) fn start(&self) -> Worker {
        let mut worker = self.spawn();
        worker.wait_for_line("listening");
        worker.wait_until_ready();
        worker
    }

    /// As [`Launch::start`], for a process that may meet its fail point
    /// before: whoever goes on to use it finds it dead.
    pub(crate) fn start_or_die(&self) -> Worker {
        let mut worker = self.spawn();
        worker.is_ready_or_ended();
        worker
    }
}

fn read_lines(
    from: impl std::io::Read + Send + 'static,
    to: Arc<Mutex<Vec<String>>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            to.lock().expect("no reader panics").push(line);
        }
    })
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process of ours. Dropped, it is killed and reaped.
pub(crate) struct Worker {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    printed: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    address: String,
}

impl Worker {
    /// Waits until it is ready for pings.
    pub(crate) fn wait_until_ready(&mut self) {
        assert!(self.is_ready_or_ended(), "it ended:\n{}", self.log());
    }

    /// Waits until it is ready for pings, which it is, or has ended.
    fn is_ready_or_ended(&mut self) -> bool {
        wait_for("ready", || {
            if self.has_ended().is_some() {
                return Some(false);
            }
            let line = self.line("listening")?;
            self.address = line["address"].as_str().expect("the line names it").to_owned();
            let answer = self.client().get("/readyz");
            answer.is_some_and(|answer| answer.status == 200).then_some(true)
        })
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What was written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panics").join("\n")
    }

    /// What was written to standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("no reader panics").join("\n")
    }

    /// The first log line with this message.
    pub(crate) fn line(&self, message: &str) -> Option<Value> {
        let log = self.log.lock().expect("no reader panics");
        let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["message"] == message)
    }

    pub(crate) fn wait_for_line(&mut self, message: &str) -> Value {
        wait_for(message, || {
            self.line(message).or_else(|| {
                let ended = self.has_ended()?;
                self.line(message)
                    .or_else(|| panic!("{ended} before it said {message:?}:\n{}", self.log()))
            })
        })
    }

    /// How it ended, if it has; then its output is complete.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child of ours")?;
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        Some(status)
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.wait_at_most(PATIENCE)
    }

    pub(crate) fn wait_at_most(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "still there after {patience:?}:\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// `kill -9`, reaped.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("a child of ours");
        self.wait()
    }

    /// For signals. It is not another's before this worker is reaped.
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn terminate(&self) {
        rustix::process::kill_process(self.process(), Signal::TERM).expect("a child of ours");
    }

    /// SIGTERM, and the 8 s that it may take.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait_at_most(Duration::from_secs(8))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a worker keeps its segments.
pub(crate) fn segments_of(data_dir: &Path, shard: u32) -> Vec<PathBuf> {
    let directory = data_dir.join(format!("journal/shard-{shard}/journal"));
    let entries = std::fs::read_dir(directory).expect("a journal");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| is_segment(path))
        .collect();
    paths.sort();
    paths
}

/// A name of digits alone: no staging file.
fn is_segment(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())
}
