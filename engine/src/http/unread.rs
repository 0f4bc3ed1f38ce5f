//! What nobody has read of a request's body when its answer is there.
//!
//! A connection that is closed with bytes unread is reset, and a client that is
//! still sending may see that in place of the answer: a refusal that came
//! early, its code and its `Retry-After`, would be a broken pipe. So the rest is
//! read and thrown away before the answer goes out, as far as that is little.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::body::{Body as _, Frame, SizeHint};

/// A body of more than this is cut off.
const REST_BYTES_MAX: usize = 8 << 20;
/// Whoever sends in earnest has sent the rest within this.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Reads what the handler leaves of the body, before its answer.
pub(super) async fn read_rest(request: Request, next: Next) -> Response {
    // Who expects to be told to go on has sent nothing yet.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let left = Left::default();
    let lent = request.map(|body| Body::new(Lent { body, left: left.clone() }));
    let answer = next.run(lent).await;
    // The time for that one is over.
    if answer.status() != StatusCode::REQUEST_TIMEOUT
        && let Some(rest) = left.take()
    {
        // Whether it ends or not, the answer is as it is.
        let _ = tokio::time::timeout(REST_WITHIN, throw_away(rest)).await;
    }
    answer
}

async fn throw_away(mut rest: BodyDataStream) {
    let mut bytes = 0;
    while bytes <= REST_BYTES_MAX
        && let Some(Ok(chunk)) = rest.next().await
    {
        bytes += chunk.len();
    }
}

/// Where a body is put that was not read to its end.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Body>>>);

impl Left {
    fn put(&self, body: Body) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    fn take(&self) -> Option<BodyDataStream> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.map(Body::into_data_stream)
    }
}

/// A body that comes back when it is dropped early.
struct Lent {
    body: Body,
    left: Left,
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.left.put(std::mem::take(&mut self.body));
        }
    }
}
