//! BigQuery's REST interface: tables, views, and one query.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gcp_bigquery_client::Client;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::client_builder::ClientBuilder;
use gcp_bigquery_client::error::{BQError, NestedResponseError};
use gcp_bigquery_client::model::get_query_results_parameters::GetQueryResultsParameters;
use gcp_bigquery_client::model::query_request::QueryRequest;
use gcp_bigquery_client::model::query_response::QueryResponse;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_reference::TableReference;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use reqwest_0_12::RequestBuilder;
use reqwest_0_12::header::CONTENT_TYPE;
use serde_json::Value;

use super::dataset::Dataset;
use super::definition::PARTITIONED_BY;
use super::service::ConnectError;
use crate::google::{self, Endpoint, Failure};

/// A call is answered within this time, and has its token within as much.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// BigQuery waits for a query to be done for this long before it answers that
/// it is not, ms.
const WAIT_MS: i32 = 30_000;
/// Times that a count which takes longer is asked for though an answer failed.
const POLLS_MAX: u32 = 20;

/// Reasons that BigQuery gives with 403, as if a right were missing, and that
/// pass (<https://cloud.google.com/bigquery/docs/error-messages>).
const QUOTAS: [&str; 2] = ["rateLimitExceeded", "quotaExceeded"];

/// A call to BigQuery's REST interface failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// BigQuery refused it.
    #[error("{what}: {code} {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP status.
        code: i64,
        /// BigQuery's own word for it, such as `rateLimitExceeded`; may be
        /// empty.
        reason: String,
        /// What BigQuery says.
        message: String,
    },
    /// It was not answered, or not in a way that can be read.
    #[error("{what}: {source}")]
    Unanswered {
        /// What was asked.
        what: String,
        /// What the client says.
        source: Box<BQError>,
    },
}

impl RestError {
    fn of(what: impl FnOnce() -> String) -> impl FnOnce(BQError) -> Self {
        move |error| match error {
            BQError::ResponseError { error } => {
                let NestedResponseError { code, mut errors, message, .. } = error.error;
                let reason = errors.first_mut().and_then(|error| error.remove("reason"));
                let reason = reason.unwrap_or_default();
                Self::Refused { what: what(), code, reason, message }
            }
            other => Self::Unanswered { what: what(), source: Box::new(other) },
        }
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether the same call may succeed after a pause, with nothing put right
    /// by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused { reason, .. } if QUOTAS.contains(&&reason[..]) => true,
            Self::Refused { code, .. } => {
                let failure = Failure::of_http(u16::try_from(*code).unwrap_or(500));
                failure == Failure::Transient
            }
        }
    }
}

/// The client.
#[derive(Clone)]
pub(super) struct Rest {
    client: Client,
    /// For what the client's types would leave out.
    http: reqwest_0_12::Client,
    /// Where projects are.
    url: String,
    bearer: Bearer,
}

impl Rest {
    pub(super) async fn connect(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        google::install_crypto();
        let credentials = google::credentials(endpoint).await?;
        let client = |error: &dyn std::error::Error| ConnectError::Client(error.to_string());
        let http = reqwest_0_12::Client::builder()
            .timeout(ANSWER_MAX)
            .build()
            .map_err(|error| client(&error))?;
        let (bearer, url) = (Bearer(credentials), format!("{}/bigquery/v2", endpoint.url()));
        let client = ClientBuilder::new()
            .with_client(http.clone())
            .with_v2_base_url(url.clone())
            .build_from_authenticator(Arc::new(bearer.clone()))
            .await
            .map_err(|error| client(&error))?;
        Ok(Self { client, http, url, bearer })
    }

    /// Whether the dataset exists.
    pub(super) async fn has_dataset(&self, dataset: &Dataset) -> Result<bool, RestError> {
        let found = self.client.dataset().get(&dataset.project, &dataset.dataset).await;
        match found.map_err(RestError::of(|| format!("reading {dataset}"))) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A table or view, if there is one.
    pub(super) async fn table(
        &self,
        dataset: &Dataset,
        name: &str,
    ) -> Result<Option<Table>, RestError> {
        let found = self.client.table().get(&dataset.project, &dataset.dataset, name, None).await;
        match found.map_err(RestError::of(|| format!("reading {}", dataset.table_path(name)))) {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn create(&self, table: Table) -> Result<(), RestError> {
        let what = format!("creating {}", table.table_id());
        self.client.table().create(table).await.map_err(RestError::of(|| what))?;
        Ok(())
    }

    /// Changes what `table` says, of the table of its name. Of a column stays
    /// what is not said of it: BigQuery takes columns whole, and the client has
    /// no word for a default, a longest length or a collation.
    pub(super) async fn patch(&self, table: Table) -> Result<(), RestError> {
        let TableReference { project_id, dataset_id, table_id } = &table.table_reference;
        let url =
            format!("{}/projects/{project_id}/datasets/{dataset_id}/tables/{table_id}", self.url);
        let patching = async {
            let found = self.call(self.http.get(&url)).await?;
            let mut altered = serde_json::to_value(&table)?;
            keep_what_is_not_said(&mut altered, &found);
            self.call(self.http.patch(&url).body(altered.to_string())).await
        };
        patching.await.map_err(RestError::of(|| format!("altering {table_id}")))?;
        Ok(())
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, BQError> {
        let token = self.bearer.access_token().await?;
        let request = request.bearer_auth(token).header(CONTENT_TYPE, "application/json");
        let answer = request.send().await?;
        let is_success = answer.status().is_success();
        let body = answer.bytes().await?;
        match is_success {
            true => Ok(serde_json::from_slice(&body)?),
            false => Err(BQError::ResponseError { error: serde_json::from_slice(&body)? }),
        }
    }

    /// Rows of `shard` in `table` that segments after `seq` put there.
    pub(super) async fn rows_after(
        &self,
        dataset: &Dataset,
        table: &str,
        shard: u32,
        seq: u64,
    ) -> Result<i64, RestError> {
        // Every day there is: a table may refuse queries that bound none.
        let query = format!(
            "SELECT COUNT(*) AS row_count FROM `{}.{table}` \
             WHERE shard = {shard} AND journal_seq > {seq} AND {PARTITIONED_BY} >= '0001-01-01'",
            dataset.in_sql()
        );
        let what = || format!("counting rows of {}", dataset.table_path(table));
        let mut request = QueryRequest::new(query);
        request.use_query_cache = Some(false);
        request.timeout_ms = Some(WAIT_MS);
        let answer = self.client.job().query(&dataset.project, request).await;
        let QueryResponse { mut job_complete, mut rows, job_reference, .. } =
            answer.map_err(RestError::of(what))?;
        let (mut backoff, mut asked) = (google::backoff(), 0);
        // A query that takes longer goes on: another one would be paid for
        // again, and take as long.
        while job_complete == Some(false)
            && let Some(job) = &job_reference
        {
            backoff.pause().await;
            asked += 1;
            let parameters = GetQueryResultsParameters {
                location: job.location.clone(),
                timeout_ms: Some(WAIT_MS),
                ..GetQueryResultsParameters::default()
            };
            let id = job.job_id.as_deref().unwrap_or_default();
            let answer =
                self.client.job().get_query_results(&dataset.project, id, parameters).await;
            match answer.map_err(RestError::of(what)) {
                Ok(answer) => (job_complete, rows) = (answer.job_complete, answer.rows),
                Err(error) if error.passes() && asked < POLLS_MAX => {}
                Err(error) => return Err(error),
            }
        }
        let cell = rows.as_deref().and_then(|rows| rows.first()?.columns.as_deref()?.first());
        let count = cell.and_then(|cell| match cell.value.as_ref()? {
            Value::String(digits) => digits.parse().ok(),
            value => value.as_i64(),
        });
        count.ok_or_else(|| RestError::Unanswered {
            what: what(),
            source: Box::new(BQError::NoDataAvailable),
        })
    }
}

/// Gives the columns of `altered` what the same have in `found` beyond what is
/// said of them.
fn keep_what_is_not_said(altered: &mut Value, found: &Value) {
    const COLUMNS: &str = "/schema/fields";
    let found = found.pointer(COLUMNS).and_then(Value::as_array);
    let altered = altered.pointer_mut(COLUMNS).and_then(Value::as_array_mut);
    for column in altered.into_iter().flatten().filter_map(Value::as_object_mut) {
        let same = found.into_iter().flatten().find(|it| it.get("name") == column.get("name"));
        for (key, value) in same.and_then(Value::as_object).into_iter().flatten() {
            column.entry(key).or_insert_with(|| value.clone());
        }
    }
}

/// Credentials as this client asks for them; a stand-in on this machine is
/// told nothing.
#[derive(Clone)]
struct Bearer(Credentials);

#[async_trait]
impl Authenticator for Bearer {
    async fn access_token(&self) -> Result<String, BQError> {
        let asked = tokio::time::timeout(ANSWER_MAX, self.0.headers(Default::default()));
        let headers = asked.await.map_err(|_| BQError::NoToken)?.map_err(|error| {
            tracing::debug!(%error, "no token for BigQuery");
            BQError::NoToken
        })?;
        let CacheableResource::New { data, .. } = headers else { return Err(BQError::NoToken) };
        let token = data.get("authorization").and_then(|value| value.to_str().ok());
        Ok(token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("none").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::google::Service;
    use crate::google::testing::Tokens;

    /// Answers one request after the other with `answers`, statuses and
    /// bodies; the lines that asked for them.
    async fn answer(listener: TcpListener, answers: &[(&str, &str)]) -> Vec<String> {
        let mut asked = Vec::new();
        for (status, answer) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let length = answer.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n"
            );
            stream.write_all((head + answer).as_bytes()).await.unwrap();
            let request = String::from_utf8(request).unwrap();
            asked.push(request.lines().next().unwrap_or_default().to_owned());
        }
        asked
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
    }

    #[tokio::test]
    async fn a_count_that_takes_long_is_asked_for_once_and_waited_for() {
        let unfinished = r#"{"jobComplete": false,
            "jobReference": {"projectId": "p", "jobId": "j7", "location": "EU"}}"#;
        let finished = r#"{"jobComplete": true, "rows": [{"f": [{"v": "42"}]}]}"#;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let endpoint = Endpoint::read(Service::BigqueryRest, Some(&address)).unwrap();
        let rest = Rest::connect(&endpoint).await.unwrap();
        let dataset: Dataset = "projects/p/datasets/d".parse().unwrap();
        let failed = r#"{"error": {"code": 503, "errors": [], "message": "m"}}"#;
        let answers = [
            ("200 OK", unfinished),
            ("200 OK", unfinished),
            ("503 Service Unavailable", failed),
            ("200 OK", finished),
        ];
        let (rows, asked) =
            tokio::join!(rest.rows_after(&dataset, "pings", 3, 7), answer(listener, &answers));
        assert_eq!(rows.unwrap(), 42);
        let [query, polls @ ..] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(polls.len(), 3);
        assert!(query.starts_with("POST ") && query.contains("/queries"), "{query}");
        for poll in polls {
            assert!(poll.starts_with("GET ") && poll.contains("/queries/j7?"), "{poll}");
            assert!(poll.contains("location=EU"), "{poll}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_does_not_come_holds_no_call_up_for_ever() {
        let asked = Bearer(Tokens::Never.into());
        let asked = tokio::time::timeout(2 * ANSWER_MAX, asked.access_token());
        assert!(matches!(asked.await.expect("an end to waiting"), Err(BQError::NoToken)));
    }

    #[test]
    fn a_quota_that_is_used_up_passes_and_a_missing_right_does_not() {
        for (code, reason, passes) in [
            (403, "accessDenied", false),
            (403, "rateLimitExceeded", true),
            (403, "quotaExceeded", true),
            (404, "notFound", false),
            (429, "", true),
            (503, "backendError", true),
        ] {
            let errors = format!(r#"[{{"reason": "{reason}", "domain": "global"}}]"#);
            let errors = if reason.is_empty() { "[]".to_owned() } else { errors };
            let body =
                format!(r#"{{"error": {{"code": {code}, "errors": {errors}, "message": "m"}}}}"#);
            let error = serde_json::from_str(&body).unwrap();
            let error = RestError::of(|| "asking".to_owned())(BQError::ResponseError { error });
            assert_eq!(error.passes(), passes, "{code} {reason}");
        }
    }
}
