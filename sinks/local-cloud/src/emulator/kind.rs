//! The emulators that can be started, and how.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Emulator, NotInstalled, sdk};

/// The cell that holds a process's shared emulator of one kind.
pub type SharedCell<K> = OnceLock<Result<Option<Emulator<K>>, String>>;

/// One of Google's emulators, found on this machine.
pub trait Kind: Sized + Send + Sync + 'static {
    /// For messages.
    const NAME: &'static str;

    /// Finds what it is made of.
    ///
    /// # Errors
    /// Something is missing.
    fn find() -> Result<Self, NotInstalled>;

    /// The command that runs it on `port` of the loopback interface.
    fn command(&self, port: u16) -> Command;

    /// Where the tests of a process keep the one they share.
    fn shared_cell() -> &'static SharedCell<Self>;
}

/// The Pub/Sub emulator.
#[derive(Debug)]
pub struct Pubsub(Jar);

/// The Firestore emulator.
#[derive(Debug)]
pub struct Firestore(Jar);

/// A jar and the Java that runs it.
#[derive(Debug)]
struct Jar {
    java: PathBuf,
    path: PathBuf,
}

impl Jar {
    fn find(emulator: &'static str, folder: &str, prefix: &str) -> Result<Self, NotInstalled> {
        let found = || {
            let path = sdk::jar(&sdk::root()?, folder, prefix)?;
            Ok(Self { java: sdk::java()?, path })
        };
        found().map_err(|missing| NotInstalled { emulator, missing })
    }

    /// With a capped heap: without a cap it grows to gigabytes under load.
    fn java(&self, heap: &str) -> Command {
        let mut command = Command::new(&self.java);
        command.arg(heap);
        command
    }
}

impl Kind for Pubsub {
    const NAME: &'static str = "the Pub/Sub emulator";

    fn find() -> Result<Self, NotInstalled> {
        let prefix = "cloud-pubsub-emulator-";
        Jar::find(Self::NAME, "pubsub-emulator/lib", prefix).map(Self)
    }

    fn command(&self, port: u16) -> Command {
        let mut command = self.0.java("-Xmx768m");
        command.arg("-jar").arg(&self.0.path);
        command.arg("--host=127.0.0.1").arg(format!("--port={port}"));
        command
    }

    fn shared_cell() -> &'static SharedCell<Self> {
        static CELL: SharedCell<Pubsub> = OnceLock::new();
        &CELL
    }
}

impl Kind for Firestore {
    const NAME: &'static str = "the Firestore emulator";

    fn find() -> Result<Self, NotInstalled> {
        let prefix = "cloud-firestore-emulator";
        Jar::find(Self::NAME, "cloud-firestore-emulator", prefix).map(Self)
    }

    fn command(&self, port: u16) -> Command {
        let mut command = self.0.java("-Xmx768m");
        command.arg("-Duser.language=en").arg("-cp").arg(&self.0.path);
        command.arg("com.google.cloud.datastore.emulator.firestore.CloudFirestore");
        command.arg("--host=127.0.0.1").arg(format!("--port={port}"));
        command
    }

    fn shared_cell() -> &'static SharedCell<Self> {
        static CELL: SharedCell<Firestore> = OnceLock::new();
        &CELL
    }
}
