//! A failure as the original's clients read it, `detail`, beside the object our other answers have, `error`.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use warp2api_dialects::{ErrorStyle, Problem};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;
use warp2api_rpc::reason::reason_name;

/// An answer that is a failure.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Failure);

/// An answer that is a failure, with keys that the original had there.
pub(crate) fn answer(failure: &Failure, more: Value) -> Response {
    let mut body = object(failure);
    if let (Value::Object(body), Value::Object(mut more)) = (&mut body, more) {
        body.append(&mut more);
    }
    let mut response = axum::Json(body).into_response();
    *response.status_mut() = status(failure);
    let problem = Problem::new(failure.reason, "").with_retry_after(failure.retry_after);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in problem.headers(ErrorStyle::OpenAi) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The object that stands in an answer or, once a stream has begun, in its last event.
pub(crate) fn object(failure: &Failure) -> Value {
    json!({
        "detail": failure.message,
        "error": { "code": status(failure).as_u16(), "message": failure.message, "status": reason_name(failure.reason) },
    })
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        if failure.reason == ErrorReason::Bug {
            tracing::error!(message = failure.message, "a request failed by a fault of our own");
        }
        answer(&failure, Value::Null)
    }
}

fn status(failure: &Failure) -> StatusCode {
    let problem = Problem::new(failure.reason, "");
    StatusCode::from_u16(problem.status(ErrorStyle::OpenAi)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
