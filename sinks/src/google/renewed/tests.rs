//! What becomes of a token, by a metadata server on this machine and by
//! credentials of the test's own.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use google_cloud_auth::credentials::mds;
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::*;
use crate::google::testing::Tokens;

/// A first answer: with status and body, or none.
type First = Option<(&'static str, &'static str)>;

const TOKEN: &str = r#"{"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}"#;

/// Credentials from a metadata server whose every answer is a token; but for
/// the first request, which is `taken` and then ends with the one who asked.
async fn credentials(first: First) -> (Credentials, Arc<AtomicUsize>) {
    crate::google::install_crypto();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(listener, first, Arc::clone(&requests)));
    let build = move || mds::Builder::default().with_endpoint(&*address).build();
    (Renewed::new(build).unwrap().into(), requests)
}

/// Tells by the number of `requests` which have come, and been left.
async fn serve(listener: TcpListener, first: First, requests: Arc<AtomicUsize>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_request(&mut stream).await;
    requests.fetch_add(1, Ordering::SeqCst);
    match first {
        Some((status, body)) => answer(&mut stream, status, body).await,
        None => assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "it is left"),
    }
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        requests.fetch_add(1, Ordering::SeqCst);
        answer(&mut stream, "200 OK", TOKEN).await;
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn ask(credentials: &Credentials) -> Result<HeaderMap, TokenError> {
    match credentials.headers(Extensions::new()).await? {
        CacheableResource::New { data, .. } => Ok(data),
        CacheableResource::NotModified => panic!("no tag was shown"),
    }
}

/// Asks as often as a sink does, until there is a token.
async fn ask_until_there_is_one(credentials: &Credentials) -> HeaderMap {
    let asking = async {
        loop {
            match ask(credentials).await {
                Ok(headers) => return headers,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(Duration::from_secs(10), asking).await.expect("a token")
}

#[rstest]
#[case::refused(("404 Not Found", "no such account"))]
#[case::forbidden(("403 Forbidden", "not now"))]
#[case::garbled(("200 OK", "<html>"))]
#[tokio::test]
async fn a_bad_answer_is_not_the_last_word(#[case] first: (&'static str, &'static str)) {
    let (credentials, requests) = credentials(Some(first)).await;
    let error = ask(&credentials).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let headers = ask_until_there_is_one(&credentials).await;
    assert_eq!(headers.get("authorization").unwrap(), "Bearer t");
    ask(&credentials).await.unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 2, "a token is kept");
}

#[tokio::test]
async fn a_request_that_is_not_answered_is_left_and_made_again() {
    let (credentials, requests) = credentials(None).await;
    let asking = credentials.clone();
    let asking = tokio::spawn(async move { ask(&asking).await });
    while requests.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    tokio::time::pause();
    let error = asking.await.unwrap().unwrap_err();
    tokio::time::resume();
    assert!(error.is_transient() && error.to_string().contains("no answer"), "{error}");
    ask_until_there_is_one(&credentials).await;
}

/// Credentials by the `tokens` that are given to those who ask the n-th that are made.
fn made(tokens: fn(usize) -> Tokens) -> (Credentials, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let build = move || {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Credentials::from(tokens(n)))
    };
    (Renewed::new(build).unwrap().into(), made)
}

#[tokio::test(start_paused = true)]
async fn an_error_that_lasts_is_told_at_once_and_looked_into_now_and_then() {
    let (credentials, made) = made(|_| Tokens::Permanent);
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < Duration::from_secs(100) {
        let error = ask(&credentials).await.unwrap_err();
        assert!(error.to_string().contains("revoked"), "{error}");
        told += 1;
        sleep(Duration::from_millis(10)).await;
    }
    assert!(told > 9_000, "nobody waits for it: {told}");
    let made = made.load(Ordering::SeqCst);
    assert!((15..40).contains(&made), "by pauses of 10 s in the end: {made}");
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_the_librarys_to_ask_for_again_but_not_for_ever() {
    let (credentials, made) = made(|n| if n == 1 { Tokens::Passing } else { Tokens::Given });
    for _ in 0..19 {
        ask(&credentials).await.unwrap_err();
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
    sleep(Duration::from_secs(1)).await;
    ask(&credentials).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    ask(&credentials).await.unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_sooner_do_not_put_the_end_off() {
    let (credentials, made) = made(|n| if n == 1 { Tokens::Never } else { Tokens::Given });
    let begun = Instant::now();
    while timeout(Duration::from_secs(7), ask(&credentials)).await.is_err() {}
    assert_eq!((begun.elapsed(), made.load(Ordering::SeqCst)), (TOKEN_MAX, 1));
    sleep(Duration::from_secs(1)).await;
    ask(&credentials).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_at_the_same_time_is_told_the_same() {
    let (credentials, made) = made(|n| if n == 1 { Tokens::Never } else { Tokens::Given });
    let (first, second) = tokio::join!(ask(&credentials), ask(&credentials));
    assert!(first.is_err() && second.is_err());
    sleep(Duration::from_millis(100)).await;
    ask(&credentials).await.unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 2, "one failure, and one pause of 100 ms at most");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_made_again_are_waited_for() {
    let attempts = AtomicUsize::new(0);
    let build = move || match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(Credentials::from(Tokens::Permanent)),
        // There is no such kind of credentials.
        1 => google_cloud_auth::credentials::user_account::Builder::new(Default::default()).build(),
        _ => Ok(Credentials::from(Tokens::Given)),
    };
    let credentials = Credentials::from(Renewed::new(build).unwrap());
    ask(&credentials).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    let error = ask(&credentials).await.unwrap_err();
    assert!(error.to_string().contains("credentials file"), "{error}");
    sleep(Duration::from_secs(1)).await;
    ask(&credentials).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_universe_that_is_not_told_is_googles_own() {
    let (credentials, _) = made(|_| Tokens::Never);
    assert_eq!(credentials.universe_domain().await, None);
}
