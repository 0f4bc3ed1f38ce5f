//! A target that takes whatever it is sent and looks at none of it, but for how
//! many messages there are: what the load generator itself costs is measured
//! against it.
//!
//! `cargo bench -p loadgen --bench sink` prints its address and serves until it
//! is ended.

use std::io::Write as _;

use prost::encoding::decode_varint;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const HEAD: &str = "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    // Tests of all targets start this one too, and would wait for its end.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

/// Answers requests until the client goes away.
async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let header = line
                .split_once(':')
                .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            if let Some((_, value)) = header {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        let taken = messages(&body);
        let answer = format!("{{\"accepted\":{taken},\"duplicate\":0,\"rejected\":[]}}\n");
        let length = answer.len();
        let answer = format!("{HEAD}content-length: {length}\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The messages of a batch, whose only field they are, passed over by their
/// lengths.
fn messages(mut batch: &[u8]) -> usize {
    let mut count = 0;
    while let (Ok(_key), Ok(length)) = (decode_varint(&mut batch), decode_varint(&mut batch)) {
        batch = batch.get(length as usize..).unwrap_or_default();
        count += 1;
    }
    count
}
