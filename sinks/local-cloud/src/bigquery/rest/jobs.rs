//! `jobs`: queries, at once (`queries`) or as a job whose results are read
//! after (`jobs`, then `queries/{job}`). A query is done when it is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, RestError, parse};
use crate::bigquery::Shared;
use crate::bigquery::query::{self, Parameters};
use crate::bigquery::warehouse::CatalogueError;

/// Jobs whose results can still be asked for, and rows of all of them; the oldest
/// give way.
const JOBS_MAX: usize = 100;
const ROWS_MAX: usize = 1_000_000;
/// Rows of a page if nobody asks for fewer: some megabytes.
const PAGE_ROWS: usize = 50_000;

/// The last jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs(VecDeque<Job>);

#[derive(Clone, Debug)]
struct Job {
    project: String,
    id: String,
    configuration: Value,
    answer: query::Answer,
}

impl Jobs {
    fn insert(&mut self, job: Job) -> Result<(), CatalogueError> {
        if self.find(&job.project, &job.id).is_ok() {
            return Err(CatalogueError::AlreadyExists(format!("Job {}:{}", job.project, job.id)));
        }
        self.0.push_back(job);
        let rows =
            |jobs: &VecDeque<Job>| jobs.iter().map(|job| job.answer.rows.len()).sum::<usize>();
        while self.0.len() > JOBS_MAX || self.0.len() > 1 && rows(&self.0) > ROWS_MAX {
            self.0.pop_front();
        }
        Ok(())
    }

    fn find(&self, project: &str, id: &str) -> Result<&Job, CatalogueError> {
        let job = self.0.iter().find(|job| job.project == project && job.id == id);
        job.ok_or_else(|| CatalogueError::NotFound(format!("Job {project}:{id}")))
    }
}

/// Which part of a job's rows is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    max_results: Option<usize>,
    /// The number of the first row.
    page_token: Option<String>,
}

/// Runs a query and answers with its first rows.
pub(super) async fn query(
    State(shared): State<Arc<Shared>>,
    Path(project): Path<String>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    let max_results = body["maxResults"].as_u64().and_then(|rows| usize::try_from(rows).ok());
    let job = run(&shared, project, None, body)?;
    let page = Page { max_results, page_token: None };
    let answer = Json(job.results("bigquery#queryResponse", &page)?);
    shared.jobs().insert(job)?;
    Ok(answer)
}

/// Runs a query as a job.
pub(super) async fn insert(
    State(shared): State<Arc<Shared>>,
    Path(project): Path<String>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    let id = body["jobReference"]["jobId"].as_str().map(str::to_owned);
    let Some(configuration) = body["configuration"].get("query").cloned() else {
        return Err(RestError::invalid("the stand-in runs no jobs but queries"));
    };
    let job = run(&shared, project, id, configuration)?;
    let answer = Json(job.resource());
    shared.jobs().insert(job)?;
    Ok(answer)
}

/// A job's state.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((project, id)): Path<(String, String)>,
) -> Answer {
    Ok(Json(shared.jobs().find(&project, &id)?.resource()))
}

/// A page of a job's rows.
pub(super) async fn results(
    State(shared): State<Arc<Shared>>,
    Path((project, id)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Answer {
    let kind = "bigquery#getQueryResultsResponse";
    Ok(Json(shared.jobs().find(&project, &id)?.results(kind, &page)?))
}

fn run(
    shared: &Shared,
    project: String,
    id: Option<String>,
    configuration: Value,
) -> Result<Job, RestError> {
    let sql = configuration["query"].as_str().unwrap_or_default();
    if configuration["useLegacySql"].as_bool().unwrap_or(true) {
        return Err(RestError::invalid(
            "the stand-in runs no legacy SQL: set useLegacySql to false",
        ));
    }
    let parameters = parameters(&configuration)?;
    let default_dataset = configuration.get("defaultDataset");
    let mut warehouse = shared.warehouse();
    let answer = query::answer(&warehouse, sql, default_dataset, &parameters)?;
    let id = id.unwrap_or_else(|| format!("job-{}", warehouse.unique_id()));
    Ok(Job { project, id, configuration, answer })
}

fn parameters(configuration: &Value) -> Result<Parameters, RestError> {
    let given = configuration["queryParameters"].as_array().into_iter().flatten();
    let read = given.map(|parameter| {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = parameter["parameterValue"]["value"].as_str();
        match (name, value) {
            ("", _) => Err(RestError::invalid("the stand-in takes query parameters by name only")),
            (name, None) => {
                let message = format!("the stand-in takes no null, array or struct for @{name}");
                Err(RestError::invalid(message))
            }
            (name, Some(value)) => Ok((name.to_ascii_lowercase(), value.to_owned())),
        }
    });
    read.collect()
}

impl Job {
    fn reference(&self) -> Value {
        json!({ "projectId": self.project, "jobId": self.id, "location": "US" })
    }

    fn resource(&self) -> Value {
        json!({
            "kind": "bigquery#job",
            "id": format!("{}:US.{}", self.project, self.id),
            "jobReference": self.reference(),
            "configuration": { "jobType": "QUERY", "query": self.configuration },
            "status": { "state": "DONE" },
            "statistics": {
                "creationTime": "0",
                "startTime": "0",
                "endTime": "0",
                "query": { "statementType": "SELECT", "totalBytesProcessed": "0" },
            },
        })
    }

    fn results(&self, kind: &str, page: &Page) -> Result<Value, RestError> {
        let query::Answer { columns, rows } = &self.answer;
        let first = match page.page_token.as_deref() {
            None | Some("") => 0,
            Some(token) => token
                .parse()
                .ok()
                .filter(|first| *first < rows.len())
                .ok_or_else(|| RestError::invalid(format!("Invalid page token: {token}")))?,
        };
        let count = page.max_results.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS);
        let past = rows.len().min(first + count);
        let fields = columns.iter().map(
            |column| json!({ "name": column.name, "type": column.rest_type, "mode": "NULLABLE" }),
        );
        let row = |row: &Vec<Option<String>>| {
            let cells = row.iter().map(|value| json!({ "v": value }));
            json!({ "f": cells.collect::<Vec<_>>() })
        };
        let mut results = json!({
            "kind": kind,
            "jobReference": self.reference(),
            "jobComplete": true,
            "schema": { "fields": fields.collect::<Vec<_>>() },
            "rows": rows[first..past].iter().map(row).collect::<Vec<_>>(),
            "totalRows": rows.len().to_string(),
            "totalBytesProcessed": "0",
            "cacheHit": false,
        });
        if past < rows.len() {
            results["pageToken"] = past.to_string().into();
        }
        Ok(results)
    }
}
