//! What the endpoints share of HTTP: reading a body, the bearer, an answer that the record follows.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::body::AnswerBody;
use crate::fingerprint::Fingerprint;
use crate::record::Running;
use crate::scenario::Refusal;

/// The header that tells the simulator's answers from real ones.
pub const UPSTREAM_HEADER: HeaderName = HeaderName::from_static("x-warp2api-upstream");
/// Its value.
pub const UPSTREAM_NAME: HeaderValue = HeaderValue::from_static("embedded");

/// The whole body.
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(413, "Request Entity Too Large")),
        Err(_) => Err(Refusal::new(400, "the request body ended early")),
    }
}

/// Takes the bearer out of `headers` and leaves its fingerprint there.
pub(crate) fn take_bearer(headers: &mut HeaderMap) -> Option<Fingerprint> {
    let value = headers.remove(AUTHORIZATION)?;
    let bearer = value.to_str().ok()?.strip_prefix("Bearer ").filter(|bearer| !bearer.is_empty())?;
    let fingerprint = Fingerprint::of(bearer);
    if let Ok(redacted) = HeaderValue::from_str(&format!("Bearer {fingerprint}")) {
        headers.insert(AUTHORIZATION, redacted);
    }
    Some(fingerprint)
}

/// Whether the content type is `expected`, parameters aside.
pub(crate) fn has_content_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

/// An answer that is complete. The record follows it to its end.
pub(crate) fn respond(answer: &Refusal, running: Running) -> Response {
    let mut response = Response::new(Body::new(AnswerBody::whole(answer.body.clone(), running)));
    *response.status_mut() = answer.status;
    for (name, value) in &answer.headers {
        // A header that HTTP cannot carry is a mistake of the test that asked for it; it is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
