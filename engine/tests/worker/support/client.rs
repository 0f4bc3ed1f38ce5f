//! A client that knows nothing but HTTP.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One connection's worth of requests to one address.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    address: String,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(40)))
            .build();
        Self { agent: config.into(), address: address.to_owned() }
    }

    /// `None` if there was no answer.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        answer(request.call())
    }

    /// `None` if there was no answer.
    pub(crate) fn post(&self, content_type: &str, body: &[u8]) -> Option<Answer> {
        let request = self.agent.post(format!("http://{}/v1/pings", self.address));
        answer(request.header("content-type", content_type).send(body))
    }

    /// Any method, with headers; `None` if there was no answer.
    pub(crate) fn change(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Option<Answer> {
        let uri = format!("http://{}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(self.agent.run(request.body(body.as_ref().to_vec()).expect("a request")))
    }

    /// Sum of the samples of a metric; NaN where the worker does not answer.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_of(name, |_| true)
    }

    /// Sum of the samples of a metric whose labels are `wanted`.
    pub(crate) fn metric_of(&self, name: &str, wanted: impl Fn(&str) -> bool) -> f64 {
        let Some(answer) = self.get("/metrics") else { return f64::NAN };
        let samples = answer.body.lines().filter_map(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            let (labels, value) = rest.rsplit_once(' ')?;
            wanted(labels).then(|| value.parse::<f64>().ok())?
        });
        samples.sum()
    }

    /// Pings as NDJSON.
    pub(crate) fn send(&self, lines: &[String]) -> Option<Answer> {
        self.post("application/x-ndjson", lines.join("\n").as_bytes())
    }

    /// Pings that must be acknowledged.
    pub(crate) fn deliver(&self, lines: &[String]) -> Value {
        let answer = self.send(lines).expect("an answer");
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()
    }
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<Answer> {
    let mut response = result.ok()?;
    let retry_after =
        response.headers().get("retry-after").map(|value| value.to_str().unwrap_or("?").to_owned());
    let status = response.status().as_u16();
    // An answer cut off in its body is none.
    let body = response.body_mut().read_to_string().ok()?;
    Some(Answer { status, retry_after, body })
}
