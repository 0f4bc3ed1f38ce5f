//! The emulator, a look into it, and a writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use geofence::{FenceIds, LivePosition, Position, Status, TimeMs};
use googleapis_tonic_google_firestore_v1::google::firestore::v1::firestore_client::FirestoreClient;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::value::ValueType;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::{
    BatchWriteRequest, Document, ListDocumentsRequest, Write,
};
use local_cloud::FirestoreEmulator;
use local_cloud::network::{Mode, Network};
use sinks::firestore::{Layout, LiveMap, LiveOptions, LiveWriter, Report};
use sinks::google::{Endpoint, Service};
use sinks::positions::PositionFeed;
use tokio::sync::watch;
use tokio::task::JoinHandle;
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

    /// A way to the emulator that can be spoilt.
    pub(crate) async fn network(&self, mode: Mode) -> Network {
        let network = Network::to(&self.host).await.unwrap();
        network.becomes(mode);
        network
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
        map.begin().await.unwrap();
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
        fences: FenceIds::default(),
        seq,
    }
}
