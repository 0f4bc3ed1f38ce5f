//! The emulator, a look into it, a writer, and a network that can be spoilt.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use geofence::{LivePosition, Position, Status, TimeMs};
use googleapis_tonic_google_firestore_v1::google::firestore::v1::firestore_client::FirestoreClient;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::value::ValueType;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::{
    BatchWriteRequest, Document, ListDocumentsRequest, Write,
};
use local_cloud::FirestoreEmulator;
use sinks::firestore::{Layout, LiveMap, LiveOptions, LiveWriter, Report};
use sinks::google::{Endpoint, Service};
use sinks::positions::PositionFeed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::Channel;

pub(crate) const DATABASE: &str = "projects/demo-live/databases/(default)";
/// Long enough for a loaded machine, short enough to be noticed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collection of the emulator for a test of its own.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    name: &'static str,
    grpc: FirestoreClient<Channel>,
    host: String,
}

impl Collection {
    /// `None` where the emulator is not installed.
    pub(crate) fn new(name: &'static str) -> Option<Self> {
        let emulator = FirestoreEmulator::shared().expect("the emulator starts")?;
        let channel = Channel::from_shared(emulator.endpoint()).unwrap().connect_lazy();
        Some(Self { name, grpc: FirestoreClient::new(channel), host: emulator.host() })
    }

    pub(crate) fn host(&self) -> SocketAddr {
        self.host.parse().unwrap()
    }

    pub(crate) fn options(&self) -> LiveOptions {
        LiveOptions {
            database: DATABASE.into(),
            collection: self.name.into(),
            layout: Layout::Document,
            min_interval: Duration::from_secs(1),
            max_delay: Duration::from_secs(5),
            writes_per_second_max: None,
        }
    }

    /// A worker's writer of shard 3, which has written everything up to 0.
    pub(crate) async fn writer(&self, options: LiveOptions) -> Running {
        self.writer_at(&self.host, options, 0).await
    }

    pub(crate) async fn writer_at(
        &self,
        host: &str,
        options: LiveOptions,
        through: u64,
    ) -> Running {
        let endpoint = Endpoint::read(Service::Firestore, Some(host)).unwrap();
        let map = LiveMap::connect(options, &endpoint).await.unwrap();
        let (feed, writer) = map.writer(3, through);
        Running::start(feed, writer)
    }

    pub(crate) async fn documents(&self) -> BTreeMap<String, Document> {
        let request = ListDocumentsRequest {
            parent: format!("{DATABASE}/documents"),
            collection_id: self.name.into(),
            page_size: 1000,
            ..ListDocumentsRequest::default()
        };
        let listed = self.grpc.clone().list_documents(owner(request)).await.unwrap();
        let id = |name: &str| name.rsplit('/').next().unwrap().to_owned();
        let documents = listed.into_inner().documents.into_iter();
        documents.map(|document| (id(&document.name), document)).collect()
    }

    /// Segment of each document, which the layout gives each vehicle.
    pub(crate) async fn seqs(&self) -> BTreeMap<String, i64> {
        let documents = self.documents().await.into_iter();
        documents.map(|(id, document)| (id, seq(&document.fields))).collect()
    }

    /// Writes as anybody could.
    pub(crate) async fn put(&self, writes: Vec<Write>) {
        let database = DATABASE.to_owned();
        let request = BatchWriteRequest { database, writes, ..BatchWriteRequest::default() };
        let answer = self.grpc.clone().batch_write(owner(request)).await.unwrap().into_inner();
        assert!(answer.status.iter().all(|status| status.code == 0), "{answer:?}");
    }

    pub(crate) fn document_name(&self, id: &str) -> String {
        format!("{DATABASE}/documents/{}/{id}", self.name)
    }
}

fn owner<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer owner".parse().unwrap());
    request
}

pub(crate) fn seq(
    fields: &HashMap<String, googleapis_tonic_google_firestore_v1::google::firestore::v1::Value>,
) -> i64 {
    match fields["seq"].value_type {
        Some(ValueType::IntegerValue(seq)) => seq,
        ref other => panic!("{other:?}"),
    }
}

/// A writer at work.
pub(crate) struct Running {
    pub(crate) feed: PositionFeed,
    pub(crate) reports: watch::Receiver<Report>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(feed: PositionFeed, writer: LiveWriter) -> Self {
        let (reports, stop) = (writer.reports(), CancellationToken::new());
        let task = tokio::spawn(writer.run(stop.clone(), Duration::from_secs(5)));
        Self { feed, reports, stop, task }
    }

    pub(crate) fn offer(&self, positions: impl IntoIterator<Item = LivePosition>) {
        self.feed.offer(positions.into_iter().map(Arc::new));
    }

    /// Waits until the writer says so.
    pub(crate) async fn wait_until(
        &mut self,
        what: &str,
        is: impl FnMut(&Report) -> bool,
    ) -> Report {
        let found = tokio::time::timeout(PATIENCE, self.reports.wait_for(is)).await;
        let found = found.map(|report| *report.unwrap());
        if let Ok(report) = found {
            return report;
        }
        panic!("waited {PATIENCE:?} in vain: {what}; {:?}", *self.reports.borrow());
    }

    /// Everything offered up to segment `seq` is written, or given up.
    pub(crate) async fn wait_through(&mut self, seq: u64) -> Report {
        self.wait_until("written", |report| report.through >= seq).await
    }

    /// Stops as a worker does at its end.
    pub(crate) async fn stop(self) -> Report {
        self.stop.cancel();
        self.task.await.unwrap();
        *self.reports.borrow()
    }
}

pub(crate) fn at(vehicle_id: &str, lat: f64, seq: u64) -> LivePosition {
    LivePosition {
        vehicle_id: vehicle_id.into(),
        event_time: TimeMs(1_480_075_200_000 + seq as i64),
        position: Position::from_degrees(lat, -97.743_106_1).unwrap(),
        accuracy_m: None,
        heading_deg: None,
        speed_mps: None,
        status: Status::Moving,
        fences: Vec::new(),
        seq,
    }
}

/// What the network does with what passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Pass,
    /// Answers come so much later.
    Slow(Duration),
    /// Every connection is cut, new ones at once.
    Cut,
}

/// A way to the emulator that can be spoilt.
pub(crate) struct Network {
    pub(crate) host: String,
    mode: watch::Sender<Mode>,
    _task: JoinSet<()>,
}

impl Network {
    pub(crate) async fn to(target: SocketAddr, mode: Mode) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (sender, mode) = watch::channel(mode);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(pass(client, target, mode.clone()));
            }
        });
        Self { host, mode: sender, _task: task }
    }

    pub(crate) fn becomes(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn pass(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    let mut cut = mode.clone();
    let relayed = async {
        let Ok(server) = TcpStream::connect(target).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            relay(from_client, to_server, None),
            relay(from_server, to_client, Some(mode))
        );
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
    let (sender, mut line) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let reading = async move {
        let mut buffer = vec![0; 64 << 10];
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
