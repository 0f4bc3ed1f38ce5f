//! A small file system of its own, where the system lets us have one.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A mounted tmpfs, unmounted when dropped.
pub(crate) struct Mounted {
    directory: TempDir,
}

impl Mounted {
    /// `None`, with a word to the reader of the test's output, where this
    /// user may not mount.
    pub(crate) fn tmpfs(options: &str) -> Option<Self> {
        let directory = TempDir::new().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { directory }),
            _ => {
                println!("skipped: a tmpfs cannot be mounted here");
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a worker that a failed test has just killed may still be
        // there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

/// Whether permissions do not hold for us.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
