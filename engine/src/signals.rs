//! SIGTERM and SIGINT: the first asks for a drain, the second ends the
//! process at once, which loses nothing that was acknowledged.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Hears both signals from its creation on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen; from now on neither signal kills the process by
    /// itself.
    ///
    /// # Errors
    /// The system refuses the handlers.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal. Cancel-safe.
    pub async fn wait(&mut self) {
        let name = self.next().await;
        info!(signal = name, "draining; a second signal ends at once");
    }

    /// Ends the process at the next signal.
    pub fn end_at_next(mut self) {
        tokio::spawn(async move {
            let name = self.next().await;
            warn!(signal = name, "ending at once");
            std::process::exit(1);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
