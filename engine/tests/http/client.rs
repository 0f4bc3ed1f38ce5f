//! A client that shows every byte: half-sent requests and answers that do not
//! come are what is tested.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer that takes longer counts as none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert!(json["message"].as_str().is_some_and(|text| text.len() > 10), "{json}");
        json["code"].as_str().expect("a refusal has a code").to_owned()
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self
    }

    /// Sends a whole request that leaves the connection open.
    pub(crate) async fn request(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> &mut Self {
        let mut head = format!("{line} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        self.send(head).await;
        // The server may answer and close before it has read everything.
        let _ = self.stream.write_all(body).await;
        self
    }

    /// The next answer with a declared length.
    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    /// Whether nothing arrives for `time`.
    pub(crate) async fn silent_for(&mut self, time: Duration) -> bool {
        let mut byte = [0];
        tokio::time::timeout(time, self.stream.peek(&mut byte)).await.is_err()
    }

    /// Everything up to and including `end`.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let read = async {
            loop {
                if let Some(at) = find(&self.received, end.as_bytes()) {
                    let rest = self.received.split_off(at + end.len());
                    let text = std::mem::replace(&mut self.received, rest);
                    return String::from_utf8(text).unwrap();
                }
                assert!(self.read_more().await, "closed before {end:?}: {}", self.text());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {end:?} in time"))
    }

    /// Everything until the server closes the connection.
    pub(crate) async fn read_to_close(&mut self) -> String {
        let read = async {
            while self.read_more().await {}
            std::mem::take(&mut self.received)
        };
        let bytes = tokio::time::timeout(PATIENCE, read).await.expect("closed in time");
        String::from_utf8(bytes).unwrap()
    }

    async fn read_answer(&mut self) -> Answer {
        let head = self.read_until("\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length: usize = answer.header("content-length").map_or(0, |n| n.parse().unwrap());
        while self.received.len() < length {
            assert!(self.read_more().await, "closed in the middle of a body");
        }
        let rest = self.received.split_off(length);
        answer.body = std::mem::replace(&mut self.received, rest);
        answer
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    async fn read_more(&mut self) -> bool {
        // A reset is an end, too.
        self.stream.read_buf(&mut self.received).await.is_ok_and(|read| read > 0)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// One request on a connection of its own.
pub(crate) async fn ask(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.request(line, headers, body).await.answer().await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), &[], b"").await
}

pub(crate) async fn post(
    address: SocketAddr,
    content_type: &str,
    body: impl AsRef<[u8]>,
) -> Answer {
    ask(address, "POST /v1/pings", &[("content-type", content_type)], body.as_ref()).await
}
