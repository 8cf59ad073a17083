//! What is answered when there are as many connections as may be: that there is no room, at once, and probes as ever.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body;
use futures_util::future::{Either, Ready, ready};
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use serde_json::json;
use tonic::Status;
use tower::Service;
use warp2api_proto::error::v1::ErrorReason;

use crate::reason::Failure;

/// Who is answered all the same.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/healthz", "/grpc.health.v1.Health/Check"];

/// A service that answers probes only, if it is a spare one.
#[derive(Debug, Clone)]
pub(crate) struct Spare<S> {
    pub(crate) inner: S,
    pub(crate) is_spare: bool,
}

impl<S> Service<Request<Body>> for Spare<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.is_spare || PROBES.contains(&request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        Either::Right(ready(Ok(no_room(&request))))
    }
}

fn no_room(request: &Request<Body>) -> Response<Body> {
    let words = "there are as many connections as may be: try again";
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/grpc") {
        let failure = Failure::new(ErrorReason::Overloaded, words);
        return Status::from(failure.with_retry_after(std::time::Duration::from_secs(1))).into_http();
    }
    // Nobody knows yet which dialect it is; clients of all of them read this much.
    let error = json!({ "message": words, "type": "server_error", "param": null, "code": "overloaded" });
    let mut response = Response::new(Body::from(json!({ "error": error }).to_string()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    if request.version() < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
