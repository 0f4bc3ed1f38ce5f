//! Google's emulators as child processes of a test or a trial.
//!
//! Each listens on a free port of the loopback interface, is ready when the
//! start returns, and ends with the process that started it, however that
//! ends. They run offline, straight from the jars of the Cloud SDK.

mod guarded;
mod kind;
mod sdk;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use guarded::Guarded;
pub use kind::{Firestore, Kind, Pubsub, SharedCell};
pub use sdk::NotInstalled;

/// Set to 1, an emulator that is not installed fails a test instead of
/// skipping it.
pub const REQUIRE: &str = "FLEETSTREAM_REQUIRE_EMULATORS";

/// Google's Pub/Sub emulator. It keeps nothing over a restart.
pub type PubsubEmulator = Emulator<Pubsub>;
/// Google's Firestore emulator. It keeps nothing over a restart.
pub type FirestoreEmulator = Emulator<Firestore>;

/// An emulator starts within this time, on a busy machine too.
const START_MAX: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The port is free when it is chosen; another process may take it before the
/// emulator does.
const PORTS_TRIED: u32 = 3;

/// A running emulator; dropping it ends it.
#[derive(Debug)]
pub struct Emulator<K: Kind> {
    kind: K,
    address: SocketAddr,
    process: Mutex<Option<Guarded>>,
}

impl<K: Kind> Emulator<K> {
    /// Starts an emulator of one's own. `None` if it is not installed, which
    /// is told on standard output, so that a test can pass over what it cannot
    /// check:
    ///
    /// ```no_run
    /// # fn test() -> anyhow::Result<()> {
    /// let Some(emulator) = local_cloud::PubsubEmulator::start_or_skip()? else { return Ok(()) };
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// It is not installed and [`REQUIRE`] is set, or it does not start.
    pub fn start_or_skip() -> anyhow::Result<Option<Self>> {
        match K::find() {
            Ok(kind) => Self::start_found(kind).map(Some),
            Err(missing) if std::env::var(REQUIRE).is_ok_and(|value| value == "1") => {
                Err(missing).context(format!("{REQUIRE}=1 asks for every emulator"))
            }
            Err(missing) => {
                println!("skipped: {missing}");
                Ok(None)
            }
        }
    }

    /// Starts an emulator of one's own, that must be installed.
    ///
    /// # Errors
    /// It is not installed ([`NotInstalled`] names what is missing), or it
    /// does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_found(K::find()?)
    }

    /// The emulator that the tests of this process share; the first call
    /// starts it. As [`Emulator::start_or_skip`] otherwise.
    ///
    /// # Errors
    /// The same.
    pub fn shared() -> anyhow::Result<Option<&'static Self>> {
        let start = || Self::start_or_skip().map_err(|error| format!("{error:#}"));
        match K::shared_cell().get_or_init(start) {
            Ok(emulator) => Ok(emulator.as_ref()),
            Err(error) => bail!("{error}"),
        }
    }

    /// Where it listens: `127.0.0.1:<port>`, as the `…_EMULATOR_HOST` variables
    /// spell it.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where it listens, as an endpoint of the clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the emulator; what it held is gone. Its port stays this
    /// emulator's, for [`Emulator::restart`].
    pub fn stop(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends the emulator if it runs, and starts it again, empty, on the same
    /// port. Blocks until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&self) -> anyhow::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.take();
        *process = Some(start_at(&self.kind, self.address)?);
        Ok(())
    }

    fn start_found(kind: K) -> anyhow::Result<Self> {
        let mut tried = 0;
        loop {
            tried += 1;
            let address = free_address()?;
            match start_at(&kind, address) {
                Ok(guarded) => {
                    return Ok(Self { kind, address, process: Mutex::new(Some(guarded)) });
                }
                Err(error) if tried == PORTS_TRIED => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Starts `kind` at `address` and waits until it answers.
fn start_at<K: Kind>(kind: &K, address: SocketAddr) -> anyhow::Result<Guarded> {
    let command = kind.command(address.port());
    let shown = show(&command);
    let mut guarded = Guarded::spawn(&command).with_context(|| format!("starting {shown}"))?;
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).build().into();
    let deadline = Instant::now() + START_MAX;
    loop {
        if agent.get(format!("http://{address}/")).call().is_ok() {
            return Ok(guarded);
        }
        if let Some(status) = guarded.ended()? {
            bail!("{} ended before it was ready ({status}); by hand: {shown}", K::NAME);
        }
        if Instant::now() >= deadline {
            bail!("{} was not ready within {START_MAX:?}; by hand: {shown}", K::NAME);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The command as one could type it.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
