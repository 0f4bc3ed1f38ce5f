//! `jobs`: queries, at once (`queries`) or as a job whose results are read
//! after (`jobs`, then `queries/{job}`). A query is done when it is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::{Answer, RestError, parse};
use crate::bigquery::Shared;
use crate::bigquery::query::{self, Parameters};
use crate::bigquery::warehouse::CatalogueError;

/// Jobs whose results can still be asked for; the oldest give way.
const JOBS_MAX: usize = 100;

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
        if self.0.len() == JOBS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(job);
        Ok(())
    }

    fn find(&self, project: &str, id: &str) -> Result<&Job, CatalogueError> {
        let job = self.0.iter().find(|job| job.project == project && job.id == id);
        job.ok_or_else(|| CatalogueError::NotFound(format!("Job {project}:{id}")))
    }
}

/// Runs a query and answers with its row.
pub(super) async fn query(
    State(shared): State<Arc<Shared>>,
    Path(project): Path<String>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    let job = run(&shared, project, None, body)?;
    let answer = Json(job.results("bigquery#queryResponse"));
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

/// A job's row.
pub(super) async fn results(
    State(shared): State<Arc<Shared>>,
    Path((project, id)): Path<(String, String)>,
) -> Answer {
    Ok(Json(shared.jobs().find(&project, &id)?.results("bigquery#getQueryResultsResponse")))
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

    fn results(&self, kind: &str) -> Value {
        let columns = &self.answer.columns;
        let fields = columns.iter().map(
            |column| json!({ "name": column.name, "type": column.rest_type, "mode": "NULLABLE" }),
        );
        let cells = columns.iter().map(|column| json!({ "v": column.value }));
        json!({
            "kind": kind,
            "jobReference": self.reference(),
            "jobComplete": true,
            "schema": { "fields": fields.collect::<Vec<_>>() },
            "rows": [{ "f": cells.collect::<Vec<_>>() }],
            "totalRows": "1",
            "totalBytesProcessed": "0",
            "cacheHit": false,
        })
    }
}
