//! A child that cannot outlive this process.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Runs its arguments and ends them when standard input closes, which the
/// system does however the process at its other end dies.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
p=$!
(cat <&3 >/dev/null; kill $p) &
w=$!
exec 3<&-
wait $p
s=$?
kill $w
exit $s
"#;

/// A guarded child; dropping it ends it and waits for its end.
#[derive(Debug)]
pub(super) struct Guarded(Child);

impl Guarded {
    /// Starts `command` (program and arguments; nothing else of it counts)
    /// under a guard.
    pub(super) fn spawn(command: &Command) -> io::Result<Self> {
        let child = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It was told to end; how it did is of no interest.
        let _ = self.0.wait();
    }
}
