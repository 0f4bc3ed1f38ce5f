//! What each call says of itself, at a service of the test's own.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use rstest::rstest;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service as Serve, http};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::*;
use crate::google::Service;
use crate::google::testing::Tokens;

/// A service that finds no database, and what it was told by the headers of
/// each call.
#[derive(Clone, Default)]
struct Firestore {
    told: Arc<Mutex<Vec<http::HeaderMap>>>,
}

impl Firestore {
    /// Such a service, which runs as long as the set, and where it is.
    async fn serve() -> (Self, Endpoint, JoinSet<()>) {
        let firestore = Self::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        let serving = Server::builder()
            .add_service(firestore.clone())
            .serve_with_incoming(TcpIncoming::from(listener));
        tasks.spawn(async move { serving.await.unwrap() });
        (firestore, Endpoint::read(Service::Firestore, Some(&host)).unwrap(), tasks)
    }
}

impl Serve<http::Request<Body>> for Firestore {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.told.lock().unwrap().push(request.headers().clone());
        Box::pin(async { Ok(Status::not_found("no such database").into_http()) })
    }
}

impl NamedService for Firestore {
    const NAME: &'static str = "google.firestore.v1.Firestore";
}

#[rstest]
#[case("projects/p-1/databases/fleetstream", "project_id=p-1&database_id=fleetstream")]
#[case(
    "projects/example.com:p/databases/(default)",
    "project_id=example.com%3Ap&database_id=%28default%29"
)]
#[tokio::test]
async fn every_call_names_project_and_database(#[case] database: &str, #[case] params: &str) {
    let (firestore, endpoint, _tasks) = Firestore::serve().await;
    let client = Client::new(&endpoint, database, "LiveMap").await.unwrap();
    let codes = [
        client.is_empty().await.unwrap_err().code(),
        client.read(["v"].into_iter()).await.unwrap_err().code(),
        client.write(vec![Write::default()]).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::NotFound; 3]);
    let told = firestore.told.lock().unwrap();
    assert_eq!(told.len(), 3);
    for headers in &*told {
        assert_eq!(headers.get(REQUEST_PARAMS).unwrap(), params);
        assert_eq!(headers.get(RESOURCE_PREFIX).unwrap(), database);
    }
}

#[tokio::test]
async fn what_names_no_database_is_refused() {
    let endpoint = Endpoint::read(Service::Firestore, Some("127.0.0.1:1")).unwrap();
    let refused = Client::new(&endpoint, "p/d", "LiveMap").await.unwrap_err();
    assert!(matches!(refused, FirestoreError::Name { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_come_holds_no_call_up_for_longer_than_an_answer() {
    let (_firestore, endpoint, _tasks) = Firestore::serve().await;
    let client = Client::new(&endpoint, "projects/p/databases/d", "LiveMap").await.unwrap();
    let client = Client { credentials: Some(Tokens::Never.into()), ..client };
    let begun = tokio::time::Instant::now();
    let calls = async {
        [
            client.is_empty().await.unwrap_err().code(),
            client.read(["v"].into_iter()).await.unwrap_err().code(),
            client.write(vec![Write::default()]).await.unwrap_err().code(),
        ]
    };
    let codes = tokio::time::timeout(4 * CALL_MAX, calls).await.expect("an end to waiting");
    assert_eq!((codes, begun.elapsed()), ([Code::DeadlineExceeded; 3], 3 * CALL_MAX));
}
