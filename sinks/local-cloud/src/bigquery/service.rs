//! The gRPC service: each call by name, with its faults, to the warehouse.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::append::{Connection, injected};
use super::faults::{Call, Fault};
use super::proto::big_query_write_server::BigQueryWrite;
use super::proto::{
    AppendRowsRequest, AppendRowsResponse, BatchCommitWriteStreamsRequest,
    BatchCommitWriteStreamsResponse, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse, GetWriteStreamRequest,
    WriteStream, WriteStreamView,
};
use super::wire::Scissors;

/// Answers of one connection that wait for the client to read them; past it
/// the connection takes no further request.
const ANSWERS_MAX: usize = 64;

/// Google's service over a [`Shared`] state.
#[derive(Debug)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Waits and fails as the call is meant to.
    async fn begin(&self, call: Call) -> Result<(), Status> {
        match self.shared.begin(call).await {
            Some(Fault::Status(code)) => Err(injected(code.into()).status()),
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl BigQueryWrite for Service {
    type AppendRowsStream = ReceiverStream<Result<AppendRowsResponse, Status>>;

    async fn create_write_stream(
        &self,
        request: Request<CreateWriteStreamRequest>,
    ) -> Result<Response<WriteStream>, Status> {
        self.begin(Call::CreateWriteStream).await?;
        let request = request.into_inner();
        let kind = request.write_stream.map(|stream| stream.r#type()).unwrap_or_default();
        let created = self.shared.warehouse().create_stream(&request.parent, kind);
        created.map(Response::new).map_err(|refusal| refusal.status())
    }

    async fn append_rows(
        &self,
        request: Request<Streaming<AppendRowsRequest>>,
    ) -> Result<Response<Self::AppendRowsStream>, Status> {
        let wire = request.extensions().get::<Scissors>().cloned().unwrap_or_default();
        let (answers, stream) = mpsc::channel(ANSWERS_MAX);
        let connection = Connection::new(self.shared.clone(), wire);
        tokio::spawn(connection.serve(request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_write_stream(
        &self,
        request: Request<GetWriteStreamRequest>,
    ) -> Result<Response<WriteStream>, Status> {
        self.begin(Call::GetWriteStream).await?;
        let request = request.into_inner();
        let with_schema = request.view() == WriteStreamView::Full;
        let found = self.shared.warehouse().get_stream(&request.name, with_schema);
        found.map(Response::new).map_err(|refusal| refusal.status())
    }

    async fn finalize_write_stream(
        &self,
        request: Request<FinalizeWriteStreamRequest>,
    ) -> Result<Response<FinalizeWriteStreamResponse>, Status> {
        self.begin(Call::FinalizeWriteStream).await?;
        let rows = self.shared.warehouse().finalize_stream(&request.into_inner().name);
        let row_count = rows.map_err(|refusal| refusal.status())?;
        Ok(Response::new(FinalizeWriteStreamResponse { row_count }))
    }

    async fn batch_commit_write_streams(
        &self,
        request: Request<BatchCommitWriteStreamsRequest>,
    ) -> Result<Response<BatchCommitWriteStreamsResponse>, Status> {
        self.begin(Call::BatchCommitWriteStreams).await?;
        let request = request.into_inner();
        let committed = self.shared.warehouse().commit(&request.parent, &request.write_streams);
        let answer = match committed.map_err(|refusal| refusal.status())? {
            Ok(time) => BatchCommitWriteStreamsResponse {
                commit_time: Some(time.into()),
                stream_errors: vec![],
            },
            Err(obstacles) => BatchCommitWriteStreamsResponse {
                commit_time: None,
                stream_errors: obstacles.iter().map(|refusal| refusal.storage_error()).collect(),
            },
        };
        Ok(Response::new(answer))
    }

    async fn flush_rows(
        &self,
        request: Request<FlushRowsRequest>,
    ) -> Result<Response<FlushRowsResponse>, Status> {
        self.begin(Call::FlushRows).await?;
        let request = request.into_inner();
        let flushed = self.shared.warehouse().flush(&request.write_stream, request.offset);
        let offset = flushed.map_err(|refusal| refusal.status())?;
        Ok(Response::new(FlushRowsResponse { offset }))
    }
}
