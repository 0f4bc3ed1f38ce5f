//! How the process ends: exit codes, and the one report of an error.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Mistakes;
use crate::journal::lock::LockError;
use crate::journal::{BucketError, CommitError, JournalError, StoreError};

/// The exit codes scripts and supervisors rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or asked to stop and drained as far as its time allows.
    Success = 0,
    /// Something failed while running.
    Runtime = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Another process owns the data, or took it over: try again later
    /// (`EX_TEMPFAIL`).
    Temporary = 75,
    /// The configuration, or a file it names, is wrong: starting again will
    /// not help (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The code for `error`: the outermost one set by [`WithExit`], else
    /// configuration for [`Mistakes`], else a runtime failure.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        if let Some(coded) = error.downcast_ref::<Coded>() {
            coded.exit
        } else if error.is::<Mistakes>() {
            Self::Config
        } else {
            error.chain().find_map(Self::of_journal).unwrap_or(Self::Runtime)
        }
    }

    /// The code that an error of the journal asks for.
    fn of_journal(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let code = error
            .downcast_ref::<LockError>()
            .map(LockError::exit_code)
            .or_else(|| error.downcast_ref().map(JournalError::exit_code))
            .or_else(|| error.downcast_ref().map(CommitError::exit_code))
            .or_else(|| error.downcast_ref().map(StoreError::exit_code))
            .or_else(|| error.downcast_ref().map(BucketError::exit_code))?;
        Some(match code {
            75 => Self::Temporary,
            78 => Self::Config,
            _ => Self::Runtime,
        })
    }
}

/// Says how the process ends if this error ends it.
pub trait WithExit<T, E> {
    /// The error with `exit` attached; its text and causes stay as they are.
    ///
    /// # Errors
    /// The same as before.
    fn exit_with(self, exit: Exit) -> anyhow::Result<T>;

    /// The error as one of the configuration, unless it `passes` by itself:
    /// then whoever supervises the process is to start it again.
    ///
    /// # Errors
    /// The same as before.
    fn exit_as_config_unless(self, passes: impl FnOnce(&E) -> bool) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithExit<T, E> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| anyhow::Error::new(Coded { exit, error: error.into() }))
    }

    fn exit_as_config_unless(self, passes: impl FnOnce(&E) -> bool) -> anyhow::Result<T> {
        let passes = self.as_ref().is_err_and(passes);
        self.exit_with(if passes { Exit::Runtime } else { Exit::Config })
    }
}

/// An error that knows its exit code, and is otherwise the error it holds.
#[derive(Debug)]
struct Coded {
    exit: Exit,
    error: anyhow::Error,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Coded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

/// The code for a command's result; an error is written to standard error
/// once, with its causes.
pub fn finish(result: anyhow::Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Without standard error there is nobody to tell.
            let _ = report(&mut io::stderr(), &error);
            Exit::of(&error).into()
        }
    }
}

/// Writes a command's answer to standard output. A reader that has seen
/// enough and went away (`… | head`) is no error.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("writing to standard output"))
        }
        _ => Ok(()),
    }
}

fn report(out: &mut impl Write, error: &anyhow::Error) -> io::Result<()> {
    let mut told = error.to_string();
    writeln!(out, "error: {told}")?;
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors say what their cause says.
        if cause != told {
            writeln!(out, "  caused by: {cause}")?;
            told = cause;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    fn text(error: &anyhow::Error) -> String {
        let mut out = Vec::new();
        report(&mut out, error).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_chain_is_told_once() {
        let io = Err::<(), _>(io::Error::other("disk on fire"));
        let error = io
            .context("writing segment 7")
            .exit_with(Exit::Temporary)
            .context("shard 0")
            .expect_err("an error");
        assert_eq!(
            text(&error),
            "error: shard 0\n  caused by: writing segment 7\n  caused by: disk on fire\n"
        );
        assert_eq!(Exit::of(&error), Exit::Temporary);
    }

    #[test]
    fn a_cause_that_is_told_already_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Bad(#[source] io::Error);
        let error = anyhow::Error::new(Bad(io::Error::other("segment 7: truncated")));
        assert_eq!(text(&error), "error: segment 7: truncated\n");
        let error = error.context("shard 0");
        assert_eq!(text(&error), "error: shard 0\n  caused by: segment 7: truncated\n");
    }

    #[test]
    fn codes() {
        assert_eq!(Exit::of(&anyhow!("anything")), Exit::Runtime);
        let twice = Err::<(), _>(anyhow!("inner"))
            .exit_with(Exit::Temporary)
            .context("between")
            .exit_with(Exit::Config)
            .expect_err("an error");
        assert_eq!(Exit::of(&twice), Exit::Config);
        assert_eq!(text(&twice), "error: between\n  caused by: inner\n");
    }

    #[test]
    fn what_passes_is_no_mistake_in_the_configuration() {
        let failed = || Err::<(), _>(io::Error::other("away"));
        for (passes, exit) in [(true, Exit::Runtime), (false, Exit::Config)] {
            let error = failed().exit_as_config_unless(|_| passes).context("topics");
            let error = error.expect_err("an error");
            assert_eq!(Exit::of(&error), exit);
            assert_eq!(text(&error), "error: topics\n  caused by: away\n");
        }
    }

    #[test]
    fn mistakes_are_configuration_even_under_context() {
        let flags = [crate::config::Flag::new("--set", "shards", "none")];
        let error = crate::config::load(None, [], &flags)
            .context("reading the configuration")
            .expect_err("a mistake");
        assert_eq!(Exit::of(&error), Exit::Config);
    }
}
