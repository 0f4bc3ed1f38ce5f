//! A way to a service that can be spoilt: slow, or cut.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Pieces on their way in one direction of a connection; behind them the
/// sender waits.
const PIECES_MAX: usize = 1024;
const PIECE_BYTES_MAX: usize = 64 << 10;

/// What the network does with what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It passes.
    Pass,
    /// Answers come so much later.
    Slow(Duration),
    /// Every connection is cut, and new ones end at once.
    Cut,
}

/// A port of 127.0.0.1 behind which a service is. Dropped, it is gone, and
/// every connection through it.
#[derive(Debug)]
pub struct Network {
    host: String,
    mode: watch::Sender<Mode>,
    _task: JoinSet<()>,
}

impl Network {
    /// To the service at `target`, `HOST:PORT`. Everything passes at first.
    ///
    /// # Errors
    /// No port is free.
    pub async fn to(target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = listener.local_addr()?.to_string();
        let (sender, mode) = watch::channel(Mode::Pass);
        let target = target.to_owned();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, target.clone(), mode.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { host, mode: sender, _task: task })
    }

    /// Where it listens, `HOST:PORT`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// From here on it is so, on connections that stand, too.
    pub fn becomes(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn pass(client: TcpStream, target: String, mode: watch::Receiver<Mode>) {
    let mut cut = mode.clone();
    if *cut.borrow() == Mode::Cut {
        return;
    }
    let relayed = async {
        let Ok(server) = TcpStream::connect(target).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // With one direction at its end the connection is: a service must not
        // go on sending to a client that is dead.
        tokio::select! {
            () = relay(from_client, to_server, None) => {}
            () = relay(from_server, to_client, Some(mode)) => {}
        }
    };
    tokio::select! {
        () = relayed => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// Passes bytes on in order, each as late as `mode` said when it came.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mode: Option<watch::Receiver<Mode>>,
) {
    let (sender, mut line) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reading = async move {
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let late = match mode.as_ref().map(|mode| *mode.borrow()) {
                Some(Mode::Slow(late)) => late,
                _ => Duration::ZERO,
            };
            if sender.send((Instant::now() + late, buffer[..read].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = line.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(reading, writing);
}
