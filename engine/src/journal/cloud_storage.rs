//! A journal in a bucket of Cloud Storage, which more than one worker can
//! reach.
//!
//! Nothing of the protocol is different from a local journal: a commit is one
//! create that must find the name free, and is read back unless its success is
//! plain. What is different is who else may be there: see
//! [`Standby`](super::Standby).
//!
//! Credentials are the application's default ones, as for every other Google
//! service; `STORAGE_EMULATOR_HOST` names a stand-in on this machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ClientOptions, CredentialProvider, Error as ObjectError, ObjectStore, ObjectStoreExt,
    RetryConfig,
};
use sinks::google::{
    CredentialsError, Endpoint, EndpointError, Service, credentials, install_crypto,
};

use super::name;
use super::store::Store;

/// The journal retries by itself, and only it can tell its own write from
/// another's: the client below it gives up soon.
const CLIENT_RETRIES: usize = 2;
const CLIENT_RETRIES_TIME: Duration = Duration::from_secs(5);

/// A place in Cloud Storage: `gs://bucket`, or `gs://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketUrl {
    bucket: String,
    prefix: Path,
}

impl BucketUrl {
    /// Reads `gs://bucket/prefix`; `None` if it is not that. A slash at the
    /// end is the same as none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let place = text.strip_prefix("gs://")?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_bucket = (3..=222).contains(&bucket.len())
            && bucket.chars().all(allowed)
            && bucket.starts_with(ends)
            && bucket.ends_with(ends);
        // A second slash would be dropped where the next is refused.
        let is_prefix = !prefix.starts_with('/');
        let prefix = Path::parse(prefix.strip_suffix('/').unwrap_or(prefix)).ok()?;
        (is_bucket && is_prefix).then(|| Self { bucket: bucket.to_owned(), prefix })
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gs://{}", self.bucket)?;
        if self.prefix.as_ref().is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// Why a bucket cannot hold the journal.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The environment names an address that is not spoken to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody to ask as.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The bucket is not there.
    #[error("journal.url = \"{url}\": there is no bucket {}: create it, or name another", url.bucket)]
    NoBucket {
        /// Where the journal was to be.
        url: BucketUrl,
    },
    /// It may not be used.
    #[error(
        "journal.url = \"{url}\": access is denied; the worker needs roles/storage.objectUser on \
         the bucket: {source}"
    )]
    Denied {
        /// Where the journal was to be.
        url: BucketUrl,
        /// What the service said.
        source: ObjectError,
    },
    /// No answer, or none that helps.
    #[error("journal.url = \"{url}\": {source}")]
    Unreachable {
        /// Where the journal was to be.
        url: BucketUrl,
        /// What the client said.
        source: ObjectError,
    },
}

impl BucketError {
    /// The process's exit code: 78 for what configuration or access mends, 1
    /// otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Credentials(error) if error.passes() => 1,
            Self::Endpoint(_)
            | Self::Credentials(_)
            | Self::NoBucket { .. }
            | Self::Denied { .. } => 78,
            Self::Unreachable { .. } => 1,
        }
    }

    fn of(url: &BucketUrl, source: ObjectError) -> Self {
        let url = url.clone();
        match source {
            ObjectError::NotFound { .. } => Self::NoBucket { url },
            ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
                Self::Denied { url, source }
            }
            _ => Self::Unreachable { url, source },
        }
    }
}

impl Store {
    /// The store at `url`, which is asked for once, so that a start fails
    /// rather than the first commit.
    ///
    /// # Errors
    /// There are no credentials, or the bucket cannot be used with them.
    pub async fn in_bucket(url: &BucketUrl) -> Result<Self, BucketError> {
        Self::in_bucket_at(url, &Endpoint::of(Service::Storage)?).await
    }

    /// As [`Store::in_bucket`], with Cloud Storage at `endpoint`.
    ///
    /// # Errors
    /// As [`Store::in_bucket`].
    pub async fn in_bucket_at(url: &BucketUrl, endpoint: &Endpoint) -> Result<Self, BucketError> {
        let credentials = Bearer(credentials(endpoint).await?);
        install_crypto();
        let bucket = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&url.bucket)
            .with_base_url(endpoint.url())
            .with_credentials(Arc::new(credentials))
            .with_skip_signature(endpoint.is_local())
            .with_client_options(ClientOptions::new().with_allow_http(endpoint.is_local()))
            .with_retry(RetryConfig {
                max_retries: CLIENT_RETRIES,
                retry_timeout: CLIENT_RETRIES_TIME,
                ..RetryConfig::default()
            })
            .build()
            .map_err(|source| BucketError::of(url, source))?;
        let objects: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(bucket, url.prefix.clone()));
        // A read tells more than a listing: that comes back without its status.
        match objects.get(&name::genesis(0)).await {
            Ok(_) => {}
            Err(missing @ ObjectError::NotFound { .. }) if !names_the_bucket(&missing) => {}
            Err(source) => return Err(BucketError::of(url, source)),
        }
        Ok(Self::shared(objects))
    }
}

/// Whether it is the bucket that is not there, and not the object in it: the
/// service's code for that is all that tells them apart.
fn names_the_bucket(missing: &ObjectError) -> bool {
    missing.to_string().contains("NoSuchBucket")
}

/// Google's credentials as `object_store` takes them: it knows fewer kinds by
/// itself, and workload identity federation is not among them.
#[derive(Debug)]
struct Bearer(Credentials);

#[async_trait]
impl CredentialProvider for Bearer {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let unauthenticated = |source: Box<dyn std::error::Error + Send + Sync>| {
            ObjectError::Unauthenticated { path: "Cloud Storage".to_owned(), source }
        };
        let headers = match self.0.headers(Default::default()).await {
            Ok(CacheableResource::New { data, .. }) => data,
            // Only told to whoever names the version that it has.
            Ok(CacheableResource::NotModified) => Default::default(),
            Err(error) => return Err(unauthenticated(error.into())),
        };
        let bearer = match headers.get("authorization").map(|value| value.to_str()) {
            // An endpoint on this machine asks for none.
            None => "",
            Some(Ok(text)) => text.trim_start_matches("Bearer "),
            Some(Err(error)) => return Err(unauthenticated(error.into())),
        };
        Ok(Arc::new(GcpCredential { bearer: bearer.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("gs://fleet-journal", "fleet-journal", "gs://fleet-journal")]
    #[case("gs://fleet-journal/", "fleet-journal", "gs://fleet-journal")]
    #[case("gs://a.b_c/journal", "a.b_c", "gs://a.b_c/journal")]
    #[case("gs://abc/eu/1/", "abc", "gs://abc/eu/1")]
    fn a_place_reads_back(#[case] text: &str, #[case] bucket: &str, #[case] written: &str) {
        let url = BucketUrl::parse(text).unwrap();
        assert_eq!((url.bucket(), url.to_string().as_str()), (bucket, written));
        assert_eq!(BucketUrl::parse(written), Some(url));
    }

    #[rstest]
    #[case("fleet-journal")]
    #[case("s3://fleet-journal")]
    #[case("gs://")]
    #[case("gs://ab")]
    #[case("gs:///prefix")]
    #[case("gs://Fleet")]
    #[case("gs://-fleet")]
    #[case("gs://fleet//double")]
    #[case("gs://fleet/../up")]
    fn what_is_no_place_is_not_read(#[case] text: &str) {
        assert_eq!(BucketUrl::parse(text), None);
    }
}
