//! Credentials that do as a test wants.

use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError as TokenError;
use tonic::codegen::http::{Extensions, HeaderMap};

/// What whoever asks for a token is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tokens {
    /// One that says nothing.
    Given,
    /// An error that passes.
    Passing,
    /// One that does not.
    Permanent,
    /// Nothing, ever.
    Never,
}

impl CredentialsProvider for Tokens {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, TokenError> {
        match self {
            Self::Given => {
                let (entity_tag, data) = (EntityTag::new(), HeaderMap::new());
                Ok(CacheableResource::New { entity_tag, data })
            }
            Self::Passing => Err(TokenError::from_msg(true, "starting up")),
            Self::Permanent => Err(TokenError::from_msg(false, "revoked")),
            Self::Never => std::future::pending().await,
        }
    }

    async fn universe_domain(&self) -> Option<String> {
        match self {
            Self::Never => std::future::pending().await,
            _ => Some("googleapis.com".to_owned()),
        }
    }
}
