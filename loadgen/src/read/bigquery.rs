//! The archive in BigQuery, by queries over its REST interface. The SQL is of
//! the kind that the stand-in of this repository answers too.

mod events;

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::archived::{Archived, SENT, UNSENT};
use super::derived::Derived;
use super::disk::Archive;
use crate::content::{Content, Difference};
use crate::google::rest::Rest;
use crate::ledger::Ledger;
use crate::truth::Names;

/// The table of pings if another is not named.
const TABLE: &str = "pings";
/// Rows of a page: some megabytes of JSON.
const PAGE_ROWS: u32 = 20_000;
/// What of the archive was received since the run began.
const SINCE: &str = " AND receive_time >= @since";
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
    parameters: Vec<Value>,
}

impl Rows {
    /// How many there are.
    ///
    /// # Errors
    /// BigQuery refuses the query, or does not answer it.
    pub async fn count(&self) -> anyhow::Result<u64> {
        let mut count = None;
        self.query(&self.table.name.table, "COUNT(*) AS row_count", SINCE, |row| {
            count = row.text(0).and_then(|digits| digits.parse().ok());
            Ok(())
        })
        .await?;
        count.context("BigQuery counts no rows")
    }

    /// Enters them in `ledger`, with what they say; its archive marks are cleared
    /// first.
    ///
    /// # Errors
    /// As [`Self::count`]; then the ledger holds only some of them.
    pub async fn read(&self, ledger: &mut Ledger) -> anyhow::Result<Archive> {
        ledger.clear_archived();
        let mut archive = Archive::default();
        let columns: Vec<&str> = SENT.into_iter().chain(UNSENT).collect();
        self.query(&self.table.name.table, &columns.join(", "), SINCE, |row| {
            let row = row.archived(self.names.start_ms).context("a row with gaps")?;
            archive.take(&self.names, ledger, row);
            Ok(())
        })
        .await?;
        Ok(archive)
    }

    /// Asks for columns of the run's rows of a table, with one condition more if
    /// there is one; each goes to `take`.
    async fn query(
        &self,
        table: &str,
        columns: &str,
        condition: &str,
        mut take: impl FnMut(&Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Table { rest, name: TableName { project, dataset, .. } } = &self.table;
        // The day lets BigQuery pass over partitions; ids of one run lie
        // between two texts.
        let sql = format!(
            "SELECT {columns} FROM `{project}.{dataset}.{table}` \
             WHERE day >= @first_day AND day <= @last_day \
             AND vehicle_id >= @first_vehicle AND vehicle_id < @past_vehicles{condition}"
        );
        let is_named = |parameter: &&Value| {
            parameter["name"].as_str().is_some_and(|name| sql.contains(&format!("@{name}")))
        };
        let parameters: Vec<&Value> = self.parameters.iter().filter(is_named).collect();
        let body = json!({
            "query": sql,
            "useLegacySql": false,
            "useQueryCache": false,
            "parameterMode": "NAMED",
            "queryParameters": parameters,
            "maxResults": PAGE_ROWS,
            "formatOptions": { "useInt64Timestamp": true },
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
            query.push(("formatOptions.useInt64Timestamp", "true"));
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

fn days_since_epoch(day: jiff::civil::Date) -> i64 {
    day.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24
}

/// What narrows a query to one run.
fn parameters(names: &Names, last_ms: i64) -> anyhow::Result<Vec<Value>> {
    let since = Timestamp::from_millisecond(names.received_from_ms())?;
    let last = Timestamp::from_millisecond(last_ms)?;
    let day = |of: Timestamp, days: i64| -> anyhow::Result<String> {
        let time = of.checked_add(SignedDuration::from_hours(24 * days))?;
        Ok(time.strftime("%Y-%m-%d").to_string())
    };
    let parameter = |name: &str, kind: &str, value: String| json!({ "name": name, "parameterType": { "type": kind }, "parameterValue": { "value": value } });
    Ok(vec![
        parameter("first_day", "DATE", day(since, -DAYS_BEFORE)?),
        parameter("last_day", "DATE", day(last, DAYS_AFTER)?),
        parameter("first_vehicle", "STRING", format!("{}v", names.prefix)),
        parameter("past_vehicles", "STRING", format!("{}w", names.prefix)),
        parameter("since", "TIMESTAMP", since.strftime("%Y-%m-%d %H:%M:%S.%6f+00:00").to_string()),
    ])
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
    /// A row of [`SENT`] and [`UNSENT`], by the times of a run that began at
    /// `start_ms`; `None` if it lacks what every row has.
    fn archived(&self, start_ms: i64) -> Option<Archived<'_>> {
        let (event_us, received_us) = (self.parsed(3)?, self.parsed(4)?);
        let (lat, lon) = (self.parsed(6)?, self.parsed(7)?);
        let day = self.parsed::<jiff::civil::Date>(5)?;
        let derived = Derived {
            lat_lon: Some((lat, lon)),
            location: self.text(12),
            event_us,
            received_us: Some(received_us),
            day: days_since_epoch(day),
        };
        let mut wrong = derived.differences();
        let unsent = UNSENT.into_iter().zip(SENT.len()..);
        wrong.extend(unsent.filter_map(|(name, column)| {
            Difference::between(name, None, self.text(column).map(str::to_owned))
        }));
        Some(Archived {
            key: (self.text(0)?, self.parsed(1).unwrap_or(0)),
            disposition: self.text(2)?,
            content: Content {
                event_us: event_us - start_ms * 1000,
                lat,
                lon,
                accuracy_m: self.parsed(8),
                speed_mps: self.parsed(9),
                heading_deg: self.parsed(10),
                ignition: self.parsed(11),
            },
            wrong,
        })
    }

    /// `None` of what is not there, or cannot be read.
    fn parsed<T: FromStr>(&self, column: usize) -> Option<T> {
        self.text(column)?.parse().ok()
    }

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
            let given = given.iter().find(of_name).unwrap();
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

    /// A row as REST tells it; of [`UNSENT`] nothing.
    fn row(cells: [Option<&str>; 13]) -> Row {
        let unsent = UNSENT.map(|_| None);
        let cells = cells.into_iter().chain(unsent);
        Row { f: cells.map(|text| Cell { v: text.map(str::to_owned) }).collect() }
    }

    #[test]
    fn every_column_of_a_row_is_read_and_told_when_it_is_another() {
        let start_ms = 1_767_592_800_000;
        let cells = [
            Some("a-v0000001"),
            Some("7"),
            Some("on_time"),
            Some("1767592801250000"),
            Some("1767592801300000"),
            Some("2026-01-05"),
            Some("48.1234567"),
            Some("1.0E-7"),
            Some("5.0"),
            Some("13.33"),
            None,
            Some("true"),
            Some("POINT(1e-07 48.1234567)"),
        ];
        let sent = Content {
            event_us: 1_250_000,
            lat: 48.123_456_7,
            lon: 1e-7,
            accuracy_m: Some(5.0),
            speed_mps: Some(13.33),
            heading_deg: None,
            ignition: Some(true),
        };
        let told = |row: &Row| -> Vec<&'static str> {
            let row = row.archived(start_ms).unwrap();
            assert_eq!((row.key.0, row.disposition), ("a-v0000001", "on_time"));
            let differences = sent.differences(&row.content, start_ms);
            let by_print = row.content.print() != sent.print();
            assert_eq!(by_print, !differences.is_empty());
            differences.iter().chain(&row.wrong).map(|it| it.column).collect()
        };
        let whole = row(cells);
        assert_eq!(told(&whole), [""; 0]);
        assert_eq!(whole.archived(start_ms).unwrap().key.1, 7);
        for (column, value, columns) in [
            (3, Some("1767592801250001"), &["event_time"][..]),
            (4, Some("1777592801300000"), &["day"]),
            (5, Some("2026-01-06"), &["day"]),
            (6, Some("48.1234568"), &["lat", "location"]),
            (7, Some("2.0E-7"), &["lon", "location"]),
            (8, None, &["accuracy_m"]),
            (9, Some("13.34"), &["speed_mps"]),
            (10, Some("0.0"), &["heading_deg"]),
            (11, Some("false"), &["ignition"]),
            (12, Some("POINT(0 48.1234567)"), &["location"]),
        ] {
            let mut changed = cells;
            changed[column] = value;
            assert_eq!(told(&row(changed)), columns, "{}", SENT[column]);
        }
        for (name, column) in UNSENT.into_iter().zip(SENT.len()..) {
            let mut changed = row(cells);
            changed.f[column].v = Some("0.0".to_owned());
            assert_eq!(told(&changed), [name]);
        }
        // What every row has.
        for column in [0, 2, 3, 4, 5, 6, 7] {
            let mut without = cells;
            without[column] = None;
            assert!(row(without).archived(start_ms).is_none(), "{}", SENT[column]);
        }
    }
}
