//! Questions about an upstream account, by GraphQL: what it may still use, and the guest sign-in. Never a model call.
//!
//! Only the IO is here; what is asked and what an answer means is in `graphql`. Nothing is decided about a credential.

pub(crate) mod graphql;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tower::ServiceExt as _;
use warp2api_rpc::HttpEndpoint;

use crate::credential::Secret;
use crate::exchange::form_encoded;
use crate::facts::Quota;

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Where accounts are asked about.
#[derive(Clone)]
pub struct AccountApi {
    /// The way there.
    pub endpoint: HttpEndpoint,
    /// The GraphQL endpoint, an absolute URL without a query.
    pub graphql_url: String,
    /// Where a custom token is exchanged at sign-in, an absolute URL. May hold a key in its query: never shown.
    pub sign_in_url: String,
    /// Headers of each request, besides the content type and the bearer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What GraphQL is told of the client.
    pub client: Client,
    /// How long one request may take.
    pub timeout: Duration,
}

/// What the upstream is told of the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Its version.
    pub version: String,
    /// The operating system.
    pub os_category: String,
    /// Its name or distribution.
    pub os_name: String,
    /// Its version.
    pub os_version: String,
}

/// Why a question about an account has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The bearer is not taken, or its account is gone.
    #[error("the upstream does not take the credential")]
    Rejected,
    /// The upstream asks to slow down.
    #[error("the upstream answers too many requests (429); try again later")]
    RateLimited,
    /// The upstream says why not, in words for people.
    #[error("the upstream says: {0}")]
    Refused(String),
    /// Any other status.
    #[error("the upstream answered {0}")]
    Status(u16),
    /// The answer is none.
    #[error("the answer of the upstream was not understood")]
    Malformed,
    /// There was none in time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The upstream cannot be reached. The cause may name the URL and is not kept.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// The address is no URL.
    #[error("the address of the upstream is not a URL")]
    InvalidUrl,
}

impl AccountApi {
    /// Reads what the account of this bearer may still use. `received` tells the time when the answer is there.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn quota(
        &self,
        bearer: &Secret,
        received: impl Fn() -> SystemTime,
    ) -> Result<Quota, AccountError> {
        let data = self.query(&graphql::request_limit(&self.client), Some(bearer)).await?;
        graphql::read_request_limit(&data, received())
    }

    /// Makes a guest of the upstream and signs in as it. The refresh token of its account.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sign_in_as_guest(&self) -> Result<Secret, AccountError> {
        let data = self.query(&graphql::create_guest(&self.client), None).await?;
        let custom_token = graphql::read_guest(&data)?;
        let form = format!("returnSecureToken=true&token={}", form_encoded(custom_token.expose()));
        let body = self.post(&self.sign_in_url, "application/x-www-form-urlencoded", form, None).await?;
        graphql::read_sign_in(&body)
    }

    async fn query(&self, query: &graphql::Query, bearer: Option<&Secret>) -> Result<Value, AccountError> {
        let url = format!("{}?op={}", self.graphql_url, query.operation);
        let answer = self.post(&url, "application/json", query.body.to_string(), bearer).await?;
        graphql::data(&answer)
    }

    async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: String,
        bearer: Option<&Secret>,
    ) -> Result<Bytes, AccountError> {
        let mut request = Request::post(url).body(Bytes::from(body)).map_err(|_| AccountError::InvalidUrl)?;
        request.headers_mut().extend(self.headers.iter().cloned());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(bearer) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()));
            let mut value = value.map_err(|_| AccountError::Rejected)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let answer = async {
            let response =
                self.endpoint.clone().oneshot(request).await.map_err(|_| AccountError::Unreachable)?;
            match response.status() {
                StatusCode::UNAUTHORIZED => return Err(AccountError::Rejected),
                StatusCode::TOO_MANY_REQUESTS => return Err(AccountError::RateLimited),
                status if !status.is_success() => return Err(AccountError::Status(status.as_u16())),
                _ => {}
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            Ok(body.map_err(|_| AccountError::Malformed)?.to_bytes())
        };
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(Err(AccountError::TimedOut))
    }
}

impl fmt::Debug for AccountApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountApi")
            .field("graphql_url", &self.graphql_url)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
