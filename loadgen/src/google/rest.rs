//! Google's REST interfaces, as far as reading back needs them: JSON over
//! HTTP, with the credentials of the environment, or with none at an emulator
//! or stand-in on this machine.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::send::http::client;

/// A call is answered, or credentials are given, within this.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A call that fails in passing is made so often, after pauses that grow from
/// the first one on.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A service that is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Positions.
    Firestore,
    /// The archive.
    Bigquery,
}

/// A client of one service.
#[derive(Clone, Debug)]
pub struct Rest {
    client: Client,
    base: Url,
    /// `None` for what is on this machine.
    credentials: Option<Credentials>,
}

impl Service {
    /// The variable that names another address than Google's.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Firestore => "FIRESTORE_EMULATOR_HOST",
            Self::Bigquery => "BIGQUERY_REST_ENDPOINT",
        }
    }

    fn google(self) -> &'static str {
        match self {
            Self::Firestore => "https://firestore.googleapis.com",
            Self::Bigquery => "https://bigquery.googleapis.com",
        }
    }

    /// Where it is if its variable says `value`: `HOST:PORT` or a URL.
    fn address(self, value: Option<&str>) -> anyhow::Result<Url> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Ok(self.google().parse()?);
        };
        let text = if value.contains("://") { value.into() } else { format!("http://{value}") };
        let url: Url = text
            .parse()
            .ok()
            .filter(|url: &Url| url.has_host() && matches!(url.scheme(), "http" | "https"))
            .with_context(|| {
                format!("{}={value} is neither HOST:PORT nor a URL", self.variable())
            })?;
        // Positions and tokens do not go over a network in plain text.
        if url.scheme() == "http" && !is_loopback(&url) {
            bail!("{}={value}: without TLS only this machine is spoken to", self.variable());
        }
        Ok(url)
    }
}

impl Rest {
    /// A client of `service` where the environment says that it is.
    ///
    /// # Errors
    /// A variable names no address, or there are no credentials.
    pub fn of_environment(service: Service) -> anyhow::Result<Self> {
        let value = std::env::var(service.variable()).ok();
        Self::at(service.address(value.as_deref())?)
    }

    /// A client of a service at this address.
    ///
    /// # Errors
    /// There are no credentials for it.
    pub fn at(base: Url) -> anyhow::Result<Self> {
        let client = client()?;
        let credentials = match is_loopback(&base) {
            true => None,
            false => Some(Builder::default().build().context("Google's credentials")?),
        };
        Ok(Self { client, base, credentials })
    }

    /// The address of a path of several parts, each of them taken literally.
    ///
    /// # Panics
    /// Never: the base is an address with a host.
    pub fn url<'p>(&self, parts: impl IntoIterator<Item = &'p str>) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("it has a host").pop_if_empty().extend(parts);
        url
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// The service refuses, or cannot be reached for several attempts.
    pub async fn get<T: DeserializeOwned>(
        &self,
        mut url: Url,
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        url.query_pairs_mut().extend_pairs(query);
        self.answer(|| self.client.get(url.clone())).await
    }

    /// Asks a question that changes nothing.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let body = serde_json::to_vec(body)?;
        let request = || {
            let request = self.client.post(url.clone());
            request.header("content-type", "application/json").body(body.clone())
        };
        self.answer(request).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> anyhow::Result<T> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(&request).await {
                Ok((status, _)) if passes(status) => {}
                Ok(answer) => return read(answer),
                Err(_) => {}
            }
            sleep(pause).await;
            pause *= 2;
        }
        read(self.attempt(&request).await?)
    }

    async fn attempt(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let request = request().timeout(ANSWER_MAX).headers(self.headers().await?);
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?.to_vec()))
    }

    async fn headers(&self) -> anyhow::Result<HeaderMap> {
        let Some(credentials) = &self.credentials else {
            // What Firestore's emulator wants to hear; others do not listen.
            let owner = HeaderValue::from_static("Bearer owner");
            return Ok(HeaderMap::from_iter([(AUTHORIZATION, owner)]));
        };
        let headers = timeout(ANSWER_MAX, credentials.headers(Default::default()));
        match headers.await.context("no token in time")?.context("no token")? {
            CacheableResource::New { data, .. } => Ok(data),
            // Said only to whoever shows a tag of what is held already.
            CacheableResource::NotModified => bail!("no token"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the same call may succeed after a pause.
fn passes(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn read<T: DeserializeOwned>((status, body): (StatusCode, Vec<u8>)) -> anyhow::Result<T> {
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body).trim());
    serde_json::from_slice(&body).context("an answer that is not understood")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, "https://bigquery.googleapis.com/")]
    #[case(Some(""), "https://bigquery.googleapis.com/")]
    #[case(Some("127.0.0.1:9050"), "http://127.0.0.1:9050/")]
    #[case(Some("http://[::1]:9050"), "http://[::1]:9050/")]
    #[case(Some("https://bigquery.example.com"), "https://bigquery.example.com/")]
    fn a_service_is_where_its_variable_says(#[case] value: Option<&str>, #[case] url: &str) {
        assert_eq!(Service::Bigquery.address(value).unwrap().as_str(), url);
    }

    #[rstest]
    #[case("10.0.0.7:9050", "without TLS")]
    #[case("http://localhost.example.com:1", "without TLS")]
    #[case("ftp://127.0.0.1", "neither")]
    #[case("http://", "neither")]
    fn any_other_address_is_refused(#[case] value: &str, #[case] why: &str) {
        let error = format!("{:#}", Service::Firestore.address(Some(value)).unwrap_err());
        assert!(error.contains("FIRESTORE_EMULATOR_HOST") && error.contains(why), "{error}");
    }

    #[test]
    fn parts_of_a_path_are_taken_literally() {
        let rest = Rest::at("http://127.0.0.1:1".parse().unwrap()).unwrap();
        let url = rest.url(["v1", "projects", "p", "databases", "(default)", "a/b?c"]);
        assert_eq!(url.as_str(), "http://127.0.0.1:1/v1/projects/p/databases/(default)/a%2Fb%3Fc");
    }
}
