//! Structured logs on standard error: text for people on a terminal, JSON
//! with Cloud Logging's fields elsewhere.
//!
//! Vehicles, positions and payloads never go into a log line above trace
//! level: positions are personal data.

mod json;
mod news;
mod repeats;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use jiff::Timestamp;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

pub use json::JsonLines;
pub use news::{News, TELL_EVERY};
pub use repeats::Repeats;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text when standard error is a terminal, else JSON.
    Auto,
    /// One line of text each, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which lines are written: a level, and levels of single targets, such as
/// `info,sinks=debug`. A target is a module path and covers what is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    targets: Targets,
}

/// The text is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a level, then TARGET=LEVEL of single targets, separated by commas")]
pub struct FilterError;

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim) {
            // `Targets` reads a lone misspelt level as the name of a target,
            // and would then silence everything else.
            targets = match part.split_once('=') {
                None => targets.with_default(level(part)?),
                Some((target, name)) if is_target(target) => {
                    targets.with_target(target, level(name)?)
                }
                Some(_) => return Err(FilterError),
            };
        }
        Ok(Self { text: text.into(), targets })
    }
}

/// Whether this can be a module path.
fn is_target(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(allowed)
}

fn level(name: &str) -> Result<LevelFilter, FilterError> {
    // Its own `FromStr` takes digits too, which nobody could explain here.
    match name {
        "off" | "error" | "warn" | "info" | "debug" | "trace" => {
            name.parse().map_err(|_| FilterError)
        }
        _ => Err(FilterError),
    }
}

/// As it was written.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Starts logging to standard error for the rest of the process, panics too.
///
/// # Errors
/// Logging was started before.
pub fn install(filter: &Filter, format: Format) -> Result<(), TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    };
    if json {
        subscriber(filter, JsonLines::new(std::io::stderr)).try_init()?;
    } else {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        subscriber(filter, text_lines(std::io::stderr, terminal && !no_color)).try_init()?;
    }
    log_panics();
    Ok(())
}

/// Makes a panic one log line instead of the several that the standard
/// library prints, with the backtrace as a field if `RUST_BACKTRACE` asks for
/// one.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let captured = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            thread = std::thread::current().name(),
            location = panic.location().map(tracing::field::display),
            backtrace = captured.then(|| tracing::field::display(&backtrace)),
            "panicked: {}",
            panic.payload_as_str().unwrap_or("with a payload that is no text"),
        );
    }));
}

/// What [`install`] installs, for any output.
pub fn subscriber<L>(filter: &Filter, lines: L) -> impl Subscriber + Send + Sync + use<L>
where
    L: Layer<Registry> + Send + Sync,
{
    tracing_subscriber::registry().with(lines.with_filter(filter.targets.clone()))
}

/// Text lines to `writer`.
pub fn text_lines<S, W>(writer: W, colours: bool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer().with_timer(Rfc3339).with_ansi(colours).with_writer(writer)
}

/// Wall clock time as every output of the engine writes it.
struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        w.write_str(&now())
    }
}

/// RFC 3339, UTC, milliseconds.
fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn filters() {
        for good in ["info", "off", "info,sinks=debug", "warn, engine::shard=trace ,sinks=off"] {
            let filter: Filter = good.parse().expect(good);
            assert_eq!(filter.to_string(), good);
        }
        for bad in ["", "inof", "3", "INFO", "info,", "sinks=loud", "=info", "info;sinks=debug"] {
            assert!(bad.parse::<Filter>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_filter_tells_targets_apart() {
        let filter: Filter = "warn,sinks=debug".parse().expect("valid");
        let enabled = |target, level| filter.targets.would_enable(target, &level);
        assert!(enabled("sinks::parquet", tracing::Level::DEBUG));
        assert!(!enabled("sinks", tracing::Level::TRACE));
        assert!(enabled("engine", tracing::Level::WARN));
        assert!(!enabled("engine", tracing::Level::INFO));
    }
}
