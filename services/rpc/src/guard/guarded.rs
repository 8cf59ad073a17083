//! gRPC services behind a guard. What does not speak gRPC goes no further either: a browser lets any page send a request
//! of some plain type to anywhere, and none of gRPC's.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode};
use tonic::Status;
use tower::{Layer, Service};
use warp2api_proto::error::v1::ErrorReason;

use super::Guard;
use crate::reason::Failure;

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// gRPC services behind a [`Guard`]. The [`Caller`](super::Caller) is an extension of the requests that get through.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, A, B> Service<Request<A>> for Guarded<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<B>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        if !speaks_grpc(request.headers()) {
            return Either::Right(ready(Ok(not_grpc())));
        }
        match self.guard.check(request.uri().path(), request.uri(), request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(failure) => Either::Right(ready(Ok(Status::from(failure).into_http()))),
        }
    }
}

fn speaks_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// What gRPC has servers answer then, with words for those who read them.
fn not_grpc<B: Default>() -> Response<B> {
    let words = "this path speaks gRPC: its content-type begins with application/grpc; over plain HTTP the same \
                 methods are where /openapi.json says";
    let mut response = Status::from(Failure::new(ErrorReason::UnsupportedMediaType, words)).into_http();
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}
