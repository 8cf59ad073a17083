//! From a failure to an answer: a `google.rpc.Status` in JSON, as Google's APIs put it, with the headers that say when
//! to try again.

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use warp2api_dialects::{ErrorStyle, Problem};
use warp2api_proto::ERROR_DOMAIN;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;
use warp2api_rpc::reason::reason_name;

/// The HTTP status of a failure.
pub fn status(failure: &Failure) -> StatusCode {
    let problem = Problem::new(failure.reason, "");
    StatusCode::from_u16(problem.status(ErrorStyle::OpenAi)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The JSON of a failure: `{"error": {"code", "message", "status", "details"}}`.
pub fn body(failure: &Failure) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: u16,
        message: &'a str,
        status: &'a str,
        details: Vec<Value>,
    }
    let error = Error {
        code: status(failure).as_u16(),
        message: &failure.message,
        status: code_name(failure.code()),
        details: details(failure),
    };
    serde_json::to_vec(&Body { error }).unwrap_or_default()
}

/// The answer to a request that failed.
pub fn response(failure: &Failure) -> Response<Body> {
    let mut response = Response::new(Body::from(body(failure)));
    *response.status_mut() = status(failure);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let problem = Problem::new(failure.reason, "").with_retry_after(failure.retry_after);
    for (name, value) in problem.headers(ErrorStyle::OpenAi) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The answer where nothing is.
pub fn not_found(method: &Method, path: &str) -> Response<Body> {
    response(&Failure::new(ErrorReason::RouteNotFound, format!("there is nothing at {method} {path}")))
}

/// The answer where something is, but not with this method.
pub fn not_allowed(method: &Method, path: &str, allowed: &[Method]) -> Response<Body> {
    let words = format!("{path} does not take {method}");
    let mut response = response(&Failure::new(ErrorReason::MethodNotAllowed, words));
    response.headers_mut().insert(ALLOW, allow(allowed));
    response
}

/// The answer to OPTIONS.
pub fn options(allowed: &[Method]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow(allowed));
    response
}

/// The value of `Allow`: HEAD goes with GET, and OPTIONS with everything.
fn allow(allowed: &[Method]) -> HeaderValue {
    let mut names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
}

fn details(failure: &Failure) -> Vec<Value> {
    let kind = |name: &str| format!("type.googleapis.com/google.rpc.{name}");
    let metadata: serde_json::Map<_, _> =
        failure.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    let mut details = vec![json!({
        "@type": kind("ErrorInfo"),
        "reason": reason_name(failure.reason),
        "domain": ERROR_DOMAIN,
        "metadata": metadata,
    })];
    if !failure.violations.is_empty() {
        let violations = failure.violations.iter();
        let violations: Vec<_> = violations
            .map(|violation| json!({ "field": violation.field, "description": violation.description }))
            .collect();
        details.push(json!({ "@type": kind("BadRequest"), "fieldViolations": violations }));
    }
    if let Some(wait) = failure.retry_after {
        // Of the fraction as much as there is, in threes, as proto3 JSON has it.
        let seconds = match (wait.subsec_nanos(), wait.as_secs()) {
            (0, seconds) => format!("{seconds}s"),
            (nanos, seconds) if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
            (nanos, seconds) if nanos % 1000 == 0 => format!("{seconds}.{:06}s", nanos / 1000),
            (nanos, seconds) => format!("{seconds}.{nanos:09}s"),
        };
        details.push(json!({ "@type": kind("RetryInfo"), "retryDelay": seconds }));
    }
    details
}

/// The code as `google.rpc.Code` names it.
fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code as C;
    match code {
        C::Ok => "OK",
        C::Cancelled => "CANCELLED",
        C::Unknown => "UNKNOWN",
        C::InvalidArgument => "INVALID_ARGUMENT",
        C::DeadlineExceeded => "DEADLINE_EXCEEDED",
        C::NotFound => "NOT_FOUND",
        C::AlreadyExists => "ALREADY_EXISTS",
        C::PermissionDenied => "PERMISSION_DENIED",
        C::ResourceExhausted => "RESOURCE_EXHAUSTED",
        C::FailedPrecondition => "FAILED_PRECONDITION",
        C::Aborted => "ABORTED",
        C::OutOfRange => "OUT_OF_RANGE",
        C::Unimplemented => "UNIMPLEMENTED",
        C::Internal => "INTERNAL",
        C::Unavailable => "UNAVAILABLE",
        C::DataLoss => "DATA_LOSS",
        C::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failure_is_googles_status_in_json() {
        let failure = Failure::invalid("pageSize", "must not be negative")
            .with_retry_after(Duration::from_millis(1500))
            .with_metadata("model", "m");

        let body: Value = serde_json::from_slice(&body(&failure)).unwrap();

        assert_eq!(
            body,
            json!({ "error": {
                "code": 400,
                "message": "pageSize: must not be negative",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "INVALID_FIELD",
                        "domain": "warp2api",
                        "metadata": { "model": "m" },
                    },
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{ "field": "pageSize", "description": "must not be negative" }],
                    },
                    { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" },
                ],
            } })
        );
    }

    #[test]
    fn waits_stand_in_the_headers_too() {
        let failure =
            Failure::new(ErrorReason::Overloaded, "busy").with_retry_after(Duration::from_millis(1500));

        let response = response(&failure);

        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
    }

    #[test]
    fn whoever_uses_the_wrong_method_is_told_the_right_ones() {
        let response = not_allowed(&Method::PUT, "/v1/a", &[Method::GET, Method::PATCH]);

        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, PATCH, HEAD, OPTIONS");
        assert_eq!(options(&[Method::POST]).headers()["allow"], "POST, OPTIONS");
    }
}
