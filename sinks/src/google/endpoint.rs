//! Where a Google service is: Google's own address, or another that the
//! environment names, such as an emulator's.

use std::net::IpAddr;

/// A Google service whose address the environment can override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Pub/Sub.
    Pubsub,
    /// Firestore.
    Firestore,
    /// BigQuery's Storage Write API (gRPC).
    BigqueryStorage,
    /// BigQuery's tables, jobs and queries (REST).
    BigqueryRest,
    /// Cloud Storage (REST).
    Storage,
}

impl Service {
    /// The variable that names another address.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Pubsub => "PUBSUB_EMULATOR_HOST",
            Self::Firestore => "FIRESTORE_EMULATOR_HOST",
            Self::BigqueryStorage => "BIGQUERY_STORAGE_ENDPOINT",
            Self::BigqueryRest => "BIGQUERY_REST_ENDPOINT",
            Self::Storage => "STORAGE_EMULATOR_HOST",
        }
    }

    /// Google's own address.
    #[must_use]
    pub fn google(self) -> &'static str {
        match self {
            Self::Pubsub => "https://pubsub.googleapis.com",
            Self::Firestore => "https://firestore.googleapis.com",
            Self::BigqueryStorage => "https://bigquerystorage.googleapis.com",
            Self::BigqueryRest => "https://bigquery.googleapis.com",
            Self::Storage => "https://storage.googleapis.com",
        }
    }
}

/// The address of a service, as a URL without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// Plain text, which is only ever spoken on this machine, and with nobody
    /// who would ask for credentials.
    local: bool,
}

/// The environment names an address that is not spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an address at all.
    #[error(
        "{variable}={value}: expected HOST:PORT, http://HOST:PORT or https://HOST[:PORT], \
         without a path"
    )]
    NotAnAddress {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// Plain text to another machine.
    #[error(
        "{variable}={value}: {host} is not this machine, and only loopback addresses \
         (127.0.0.0/8, [::1], localhost) are spoken to without TLS; give https://…, or unset \
         {variable} for Google's own service"
    )]
    PlaintextElsewhere {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
        /// The host in it.
        host: String,
    },
}

impl Endpoint {
    /// The address of `service` in this process's environment.
    ///
    /// # Errors
    /// A variable names an address that is not spoken to.
    pub fn of(service: Service) -> Result<Self, EndpointError> {
        let value = std::env::var_os(service.variable());
        Self::read(service, value.map(|value| value.to_string_lossy().into_owned()).as_deref())
    }

    /// The address of `service` where its variable says `value`; without one,
    /// or an empty one, Google's own.
    ///
    /// # Errors
    /// As [`Endpoint::of`].
    pub fn read(service: Service, value: Option<&str>) -> Result<Self, EndpointError> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Ok(Self { url: service.google().to_owned(), local: false });
        };
        let variable = service.variable();
        let not_an_address = || EndpointError::NotAnAddress { variable, value: value.to_owned() };
        let (tls, authority) = match value.split_once("://") {
            // What the emulators' own tools print.
            None => (false, value),
            Some(("http", authority)) => (false, authority),
            Some(("https", authority)) => (true, authority),
            Some(_) => return Err(not_an_address()),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let host = host(authority, tls).ok_or_else(not_an_address)?;
        if !tls && !is_loopback(host) {
            let (value, host) = (value.to_owned(), host.to_owned());
            return Err(EndpointError::PlaintextElsewhere { variable, value, host });
        }
        let scheme = if tls { "https" } else { "http" };
        Ok(Self { url: format!("{scheme}://{authority}"), local: !tls })
    }

    /// As a URL: `https://pubsub.googleapis.com`, `http://127.0.0.1:8085`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether this is plain text on this machine: an emulator or a stand-in,
    /// which asks for no credentials.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }
}

/// The host of `HOST:PORT`; the port may be left out with TLS only.
fn host(authority: &str, tls: bool) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.map_or(tls, |port| port.parse::<u16>().is_ok());
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(plain),
    };
    (port_fits && host_fits).then_some(bracketed.unwrap_or(host))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(value: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::read(Service::Pubsub, Some(value))
    }

    #[test]
    fn nothing_named_is_googles_own() {
        for value in [None, Some("")] {
            let endpoint = Endpoint::read(Service::BigqueryStorage, value).unwrap();
            assert_eq!(endpoint.url(), "https://bigquerystorage.googleapis.com");
            assert!(!endpoint.is_local());
        }
    }

    #[rstest]
    #[case("127.0.0.1:8085", "http://127.0.0.1:8085")]
    #[case("localhost:8085", "http://localhost:8085")]
    #[case("[::1]:8085", "http://[::1]:8085")]
    #[case("http://127.9.9.9:1/", "http://127.9.9.9:1")]
    fn this_machine_is_spoken_to_in_plain_text(#[case] value: &str, #[case] url: &str) {
        let endpoint = read(value).unwrap();
        assert_eq!((endpoint.url(), endpoint.is_local()), (url, true));
    }

    #[rstest]
    #[case("https://pubsub.example.com")]
    #[case("https://10.0.0.7:8443")]
    #[case("https://localhost:8443")]
    fn tls_goes_anywhere_and_asks_for_credentials(#[case] value: &str) {
        let endpoint = read(value).unwrap();
        assert_eq!((endpoint.url(), endpoint.is_local()), (value, false));
    }

    #[rstest]
    #[case("10.0.0.7:8085", "10.0.0.7")]
    #[case("http://pubsub:8085", "pubsub")]
    #[case("localhost.example.com:80", "localhost.example.com")]
    #[case("[::2]:80", "::2")]
    fn plain_text_elsewhere_is_refused(#[case] value: &str, #[case] host: &str) {
        let error = read(value).unwrap_err();
        assert_eq!(
            error,
            EndpointError::PlaintextElsewhere {
                variable: "PUBSUB_EMULATOR_HOST",
                value: value.into(),
                host: host.into()
            }
        );
        assert!(error.to_string().contains("unset PUBSUB_EMULATOR_HOST"), "{error}");
    }

    #[rstest]
    #[case("127.0.0.1")]
    #[case("127.0.0.1:http")]
    #[case("ftp://127.0.0.1:21")]
    #[case("127.0.0.1:80/path")]
    #[case("user@127.0.0.1:80")]
    #[case("[127.0.0.1]:80")]
    #[case(":80")]
    fn what_is_no_address_is_refused(#[case] value: &str) {
        assert!(matches!(read(value), Err(EndpointError::NotAnAddress { .. })), "{value}");
    }
}
