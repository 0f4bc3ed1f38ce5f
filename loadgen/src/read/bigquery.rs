//! The archive in BigQuery, by queries over its REST interface. The SQL is of
//! the kind that the stand-in of this repository answers too.

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::disk::Archive;
use crate::google::rest::Rest;
use crate::ledger::Ledger;
use crate::truth::Names;

/// The table of pings if another is not named.
const TABLE: &str = "pings";
/// Rows of a page: some megabytes of JSON.
const PAGE_ROWS: u32 = 50_000;
/// A query has an end within this.
const DONE_WITHIN: Duration = Duration::from_secs(120);
/// How long BigQuery may hold back an answer for a query to end.
const WAIT_MS: u32 = 20_000;
/// Days that the archive's `day` may lie before and after the day of receipt
/// (it is that of the event time, held within 31 days before and one after), and
/// one more for clocks that differ.
const DAYS_BEFORE: i64 = 32;
const DAYS_AFTER: i64 = 2;

/// Name of a table of pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The project, which also pays for queries.
    pub project: String,
    /// The dataset.
    pub dataset: String,
    /// The table.
    pub table: String,
}

/// Text that names no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected projects/PROJECT/datasets/DATASET, with /tables/TABLE if it is not pings")]
pub struct TableNameError;

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (project, dataset, table) = match parts[..] {
            ["projects", project, "datasets", dataset] => (project, dataset, TABLE),
            ["projects", project, "datasets", dataset, "tables", table] => {
                (project, dataset, table)
            }
            _ => return Err(TableNameError),
        };
        // What may stand between backticks; a domain's project has a colon.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if [project, dataset, table].iter().any(|it| it.is_empty() || !it.chars().all(plain)) {
            return Err(TableNameError);
        }
        let owned = str::to_owned;
        Ok(Self { project: owned(project), dataset: owned(dataset), table: owned(table) })
    }
}

/// A table that is read.
#[derive(Clone, Debug)]
pub struct Table {
    rest: Rest,
    name: TableName,
}

impl Table {
    /// The table of this name, read with this client of BigQuery.
    #[must_use]
    pub fn new(rest: Rest, name: TableName) -> Self {
        Self { rest, name }
    }

    /// The rows of one run, of which none is received after `last_ms`,
    /// milliseconds since the epoch; two days later at the most.
    ///
    /// # Errors
    /// It starts or ends at no time of the calendar.
    pub fn rows(self, names: Names, last_ms: i64) -> anyhow::Result<Rows> {
        let parameters = parameters(&names, last_ms)?;
        Ok(Rows { table: self, names, parameters })
    }
}

/// The rows of one run in a table.
#[derive(Clone, Debug)]
pub struct Rows {
    table: Table,
    names: Names,
    parameters: Value,
}

impl Rows {
    /// How many there are.
    ///
    /// # Errors
    /// BigQuery refuses the query, or does not answer it.
    pub async fn count(&self) -> anyhow::Result<u64> {
        let mut count = None;
        self.query("COUNT(*) AS row_count", |row| {
            count = row.text(0).and_then(|digits| digits.parse().ok());
            Ok(())
        })
        .await?;
        count.context("BigQuery counts no rows")
    }

    /// Enters them in `ledger`, whose archive marks are cleared first.
    ///
    /// # Errors
    /// As [`Self::count`]; then the ledger holds only some of them.
    pub async fn read(&self, ledger: &mut Ledger) -> anyhow::Result<Archive> {
        ledger.clear_archived();
        let mut archive = Archive::default();
        self.query("vehicle_id, seq, disposition", |row| {
            let (vehicle, disposition) = row.text(0).zip(row.text(2)).context("a row with gaps")?;
            let seq = row.text(1).and_then(|digits| digits.parse().ok());
            let key = (vehicle, seq.unwrap_or(0));
            archive.take(&self.names, ledger, key, disposition, None);
            Ok(())
        })
        .await?;
        Ok(archive)
    }

    /// Asks for columns of the run's rows; each goes to `take`.
    async fn query(
        &self,
        columns: &str,
        mut take: impl FnMut(&Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Table { rest, name: TableName { project, dataset, table } } = &self.table;
        // The day lets BigQuery pass over partitions; ids of one run lie
        // between two texts.
        let sql = format!(
            "SELECT {columns} FROM `{project}.{dataset}.{table}` \
             WHERE day >= @first_day AND day <= @last_day \
             AND vehicle_id >= @first_vehicle AND vehicle_id < @past_vehicles \
             AND receive_time >= @since"
        );
        let body = json!({
            "query": sql,
            "useLegacySql": false,
            "useQueryCache": false,
            "parameterMode": "NAMED",
            "queryParameters": self.parameters,
            "maxResults": PAGE_ROWS,
            "timeoutMs": WAIT_MS,
        });
        let asked = || format!("querying {table}");
        let mut page: Page = rest.ask(self.queries(&[]), &body).await.with_context(asked)?;
        let until = Instant::now() + DONE_WITHIN;
        loop {
            let job = page.job_reference.clone();
            let token = page.page_token.clone().unwrap_or_default();
            if page.job_complete {
                for row in &page.rows {
                    take(row)?;
                }
                if token.is_empty() {
                    return Ok(());
                }
            } else {
                ensure!(Instant::now() < until, "{}: no end of it in time", asked());
            }
            let (rows, wait) = (PAGE_ROWS.to_string(), WAIT_MS.to_string());
            let mut query = vec![("maxResults", rows.as_str()), ("timeoutMs", &wait)];
            query.extend([("location", job.location.as_str()), ("pageToken", &token)]);
            query.retain(|(_, value)| !value.is_empty());
            let url = self.queries(&[&job.job_id]);
            page = rest.get(url, &query).await.with_context(asked)?;
        }
    }

    fn queries(&self, rest: &[&str]) -> Url {
        let path = ["bigquery", "v2", "projects", &self.table.name.project, "queries"];
        self.table.rest.url(path.into_iter().chain(rest.iter().copied()))
    }
}

/// What narrows a query to one run.
fn parameters(names: &Names, last_ms: i64) -> anyhow::Result<Value> {
    // A minute's room for clocks that differ.
    let since = Timestamp::from_millisecond(names.start_ms - 60_000)?;
    let last = Timestamp::from_millisecond(last_ms)?;
    let day = |of: Timestamp, days: i64| -> anyhow::Result<String> {
        let time = of.checked_add(SignedDuration::from_hours(24 * days))?;
        Ok(time.strftime("%Y-%m-%d").to_string())
    };
    let parameter = |name: &str, kind: &str, value: String| json!({ "name": name, "parameterType": { "type": kind }, "parameterValue": { "value": value } });
    Ok(json!([
        parameter("first_day", "DATE", day(since, -DAYS_BEFORE)?),
        parameter("last_day", "DATE", day(last, DAYS_AFTER)?),
        parameter("first_vehicle", "STRING", format!("{}v", names.prefix)),
        parameter("past_vehicles", "STRING", format!("{}w", names.prefix)),
        parameter("since", "TIMESTAMP", since.strftime("%Y-%m-%d %H:%M:%S.%6f+00:00").to_string()),
    ]))
}

/// A page of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    job_complete: bool,
    job_reference: JobReference,
    page_token: Option<String>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobReference {
    job_id: String,
    #[serde(default)]
    location: String,
}

#[derive(Deserialize)]
struct Row {
    f: Vec<Cell>,
}

/// Text, whatever the column's type.
#[derive(Deserialize)]
struct Cell {
    v: Option<String>,
}

impl Row {
    fn text(&self, column: usize) -> Option<&str> {
        self.f.get(column)?.v.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_spans_the_days_of_the_whole_run() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let names = Names { start_ms: time("2015-09-06T05:00:00Z"), prefix: "bus-".into() };
        let given = parameters(&names, time("2015-12-06T23:59:59Z")).unwrap();
        let value = |name: &str| {
            let of_name = |it: &&Value| it["name"] == name;
            let given = given.as_array().unwrap().iter().find(of_name).unwrap();
            given["parameterValue"]["value"].as_str().unwrap().to_owned()
        };
        assert_eq!(value("first_day"), "2015-08-05");
        assert_eq!(value("last_day"), "2015-12-08");
        assert_eq!(value("since"), "2015-09-06 04:59:00.000000+00:00");
        assert_eq!(
            (value("first_vehicle"), value("past_vehicles")),
            ("bus-v".into(), "bus-w".into())
        );
    }
}
