//! From a failure to an answer of the edge: the dialect's error object, with the headers that say when to try again.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use tonic::Status;
use warp2api_dialects::FieldNames;
use warp2api_dialects::error::{ErrorStyle, Problem};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

/// An answer that is an error object, in the caller's words.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem, pub(crate) ErrorStyle);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem, style) = self;
        if problem.reason == ErrorReason::Bug {
            tracing::error!(message = problem.message, "a request failed by a fault of our own");
        }
        let mut response = problem.body(style).into_response();
        *response.status_mut() =
            StatusCode::from_u16(problem.status(style)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(problem.reason);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in problem.headers(style) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// What a service said, in the caller's terms: the first field at fault becomes `param`.
pub(crate) fn problem_of(status: &Status, fields: &FieldNames) -> Problem {
    let failure = match Failure::from(status) {
        // That services of ours do not know each other is not for the caller to mend.
        Failure {
            reason: ErrorReason::ServiceTokenInvalid | ErrorReason::ServiceNotAllowed,
            message,
            ..
        } => {
            tracing::error!(message, "a service of the house refuses this one");
            let words = "a service this one needs cannot be reached";
            Failure::new(ErrorReason::ServiceUnreachable, words)
        }
        failure => failure,
    };
    let mut problem = Problem::new(failure.reason, failure.message).with_retry_after(failure.retry_after);
    if let Some(violation) = failure.violations.first() {
        problem = problem.with_param(fields.param(&violation.field));
    } else if failure.reason == ErrorReason::ContextTooLong {
        problem = problem.with_param(fields.messages);
    }
    problem
}
