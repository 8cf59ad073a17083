//! The only IO to the upstream's chat endpoint: one POST, and the body of its answer as it comes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower::ServiceExt as _;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::{HttpBody, HttpEndpoint, semconv, trace};

use crate::config::{ChatConfig, ClientHeaders, InvalidHeader};
use crate::error::TurnError;
use crate::warp::http_error;

/// How long the body of an error is waited for: it only tells which error it is.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// The header by which an embedded upstream says what it is, on a port of its own too.
const NAME_HEADER: &str = "x-warp2api-upstream";

/// An answer that has begun.
pub(crate) struct Answer {
    pub(crate) body: HttpBody,
    /// What the upstream calls itself, if it does.
    pub(crate) name: Option<String>,
}

/// The chat endpoint of the upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    endpoint: HttpEndpoint,
    url: http::Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A setting of the upstream cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamConfigError {
    /// The address is none.
    #[error("`{0}` is not the address of an upstream")]
    Url(String),
    /// A header cannot have that value.
    #[error(transparent)]
    Header(#[from] InvalidHeader),
}

impl Upstream {
    pub(crate) fn new(endpoint: HttpEndpoint, config: &ChatConfig) -> Result<Self, UpstreamConfigError> {
        let url = format!("{}/ai/multi-agent", config.upstream_url.trim_end_matches('/'));
        let url = url.parse().map_err(|_| UpstreamConfigError::Url(config.upstream_url.clone()))?;
        Ok(Self { endpoint, url, headers: request_headers(&config.client)? })
    }

    /// The span of a request, which is the `attempt`th of its turn. Nothing of it goes along.
    pub(crate) fn span(&self, turn: &Span, attempt: u32) -> Span {
        let name = format_args!("POST {}", self.url.path());
        let span = tracing::span!(
            target: trace::TARGET,
            parent: turn,
            Level::DEBUG,
            "upstream",
            otel.name = %name,
            otel.kind = "client"
        );
        if !span.is_disabled() {
            span.set_attribute(semconv::HTTP_REQUEST_METHOD, "POST");
            let Place { full, host, port } = Place::of(&self.url);
            span.set_attribute(semconv::URL_FULL, full);
            span.set_attribute(semconv::SERVER_ADDRESS, host);
            span.set_attribute(semconv::SERVER_PORT, i64::from(port));
            if attempt > 1 {
                span.set_attribute(semconv::HTTP_REQUEST_RESEND_COUNT, i64::from(attempt - 1));
            }
        }
        span
    }

    /// Sends one request and waits for the head of the answer. Borrows nothing, so that the future is `Send`.
    pub(crate) fn send(&self, message: Bytes, bearer: &str) -> BoxFuture<'static, Result<Answer, TurnError>> {
        let endpoint = self.endpoint.clone();
        let request = self.request(message, bearer);
        Box::pin(async move {
            let response = endpoint.oneshot(request?).await.map_err(|error| {
                tracing::debug!(error = %error, "the upstream cannot be reached");
                TurnError::upstream_unavailable(
                    ErrorReason::UpstreamUnavailable,
                    "the upstream cannot be reached",
                )
            })?;
            let status = i64::from(response.status().as_u16());
            Span::current().set_attribute(semconv::HTTP_RESPONSE_STATUS_CODE, status);
            if !response.status().is_success() {
                return Err(error_of(response).await);
            }
            let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if !content_type.is_some_and(|value| value.starts_with("text/event-stream")) {
                return Err(TurnError::malformed("the upstream did not answer with a stream of events"));
            }
            let name =
                response.headers().get(NAME_HEADER).and_then(|name| name.to_str().ok()).map(str::to_owned);
            Ok(Answer { body: response.into_body(), name })
        })
    }

    fn request(&self, message: Bytes, bearer: &str) -> Result<Request<Bytes>, TurnError> {
        let mut request = Request::new(message);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.extend(self.headers.iter().cloned());
        if !bearer.is_empty() {
            let mut value = HeaderValue::try_from(format!("Bearer {bearer}")).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

/// What is told of where the upstream is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    full: String,
    host: String,
    port: u16,
}

impl Place {
    fn of(url: &http::Uri) -> Self {
        let scheme = url.scheme_str().unwrap_or("http");
        let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        // There may be a password before it.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        Self {
            full: format!("{scheme}://{authority}{}", url.path()),
            host: url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 }),
        }
    }
}

/// A bearer that no header can hold was never one.
fn unusable() -> TurnError {
    TurnError::new(
        ErrorReason::NoCredentialAvailable,
        "the credential cannot be sent",
        warp2api_proto::token_pool::v1::CredentialOutcome::Rejected,
    )
    .with_retry(crate::error::Retry::NextCredential)
}

async fn error_of(response: Response<HttpBody>) -> TurnError {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, http_error::MAX_BODY_BYTES).collect();
    let text = match tokio::time::timeout(ERROR_BODY_TIME, body).await {
        Ok(Ok(collected)) => String::from_utf8_lossy(&collected.to_bytes()).into_owned(),
        Ok(Err(error)) => {
            tracing::debug!(too_long = error.is::<LengthLimitError>(), "the body of an error was not read");
            String::new()
        }
        Err(_) => String::new(),
    };
    tracing::debug!(upstream.status = head.status.as_u16(), "the upstream answered with an error");
    http_error::classify(head.status, &head.headers, &text)
}

fn request_headers(client: &ClientHeaders) -> Result<Vec<(HeaderName, HeaderValue)>, UpstreamConfigError> {
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
        (ACCEPT, HeaderValue::from_static("text/event-stream")),
        // No decoder between us and the stream that could hold it back.
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    headers.extend(client.headers()?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_upstream_is_is_told_with_its_port_and_without_a_password() {
        for (url, full, host, port) in [
            ("https://app.warp.dev/ai", "https://app.warp.dev/ai", "app.warp.dev", 443),
            ("http://127.0.0.1:4000/ai", "http://127.0.0.1:4000/ai", "127.0.0.1", 4000),
            ("http://[::1]/ai", "http://[::1]/ai", "::1", 80),
            (
                "https://me:planted@proxy.example/ai?key=planted",
                "https://proxy.example/ai",
                "proxy.example",
                443,
            ),
        ] {
            let place = Place::of(&url.parse().unwrap());
            assert_eq!(place, Place { full: full.to_owned(), host: host.to_owned(), port }, "{url}");
        }
    }
}
