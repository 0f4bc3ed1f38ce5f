//! A door in front of a service: shut, its connections are cut and new ones
//! end at once.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(crate) struct Gate {
    host: String,
    open: watch::Sender<bool>,
    _runtime: Runtime,
}

impl Gate {
    /// An open one, to `host`.
    pub(crate) fn to(host: String) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let (open, is_open) = watch::channel(true);
        runtime.spawn(serve(listener, host, is_open));
        Self { host: own, open, _runtime: runtime }
    }

    /// Where it is.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn serve(listener: TcpListener, host: String, is_open: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (host, mut is_open) = (host.clone(), is_open.clone());
        tokio::spawn(async move {
            if !*is_open.borrow() {
                return;
            }
            let Ok(mut server) = TcpStream::connect(&host).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = is_open.wait_for(|open| !open) => {}
            }
        });
    }
}
