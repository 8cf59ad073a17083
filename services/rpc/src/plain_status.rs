//! Statuses that tonic makes before a service of ours is asked get a reason like all others: an unknown method, a
//! message that is too large, bytes that are no message.
//!
//! A status of ours always has details, so one without was made by the framework. Only calls of our own services are
//! looked at; health and reflection speak as everywhere.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use warp2api_proto::error::v1::ErrorReason;

use crate::reason::Failure;

/// Gives plain statuses of our own services a reason.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainStatusLayer;

impl<S> Layer<S> for PlainStatusLayer {
    type Service = PlainStatus<S>;

    fn layer(&self, inner: S) -> PlainStatus<S> {
        PlainStatus { inner }
    }
}

/// A service behind a [`PlainStatusLayer`].
#[derive(Debug, Clone)]
pub struct PlainStatus<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for PlainStatus<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let path = request.uri().path();
        let ours = path.starts_with("/warp2api.").then(|| path.to_owned());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            // A stream that began well has its status at its end, from the service itself.
            let plain = ours.zip(Status::from_header_map(response.headers()));
            Ok(match plain.and_then(|(path, status)| explain(&path, &status)) {
                Some(failure) => Status::from(failure).into_http(),
                None => response,
            })
        })
    }
}

/// What a status without details means. `None` for any other.
fn explain(path: &str, status: &Status) -> Option<Failure> {
    if status.code() == Code::Ok || !status.details().is_empty() {
        return None;
    }
    let said = status.message();
    Some(match status.code() {
        Code::Unimplemented if said.is_empty() => {
            Failure::new(ErrorReason::MethodNotFound, format!("{path} is not served here"))
        }
        // The framework could not read the request: no service of ours says this without a reason.
        Code::Internal | Code::Unknown => Failure::new(ErrorReason::MalformedMessage, said),
        _ => Failure { message: said.to_owned(), ..Failure::from(status) },
    })
}

#[cfg(test)]
mod tests {
    use warp2api_proto::error::v1::ErrorReason as R;

    use super::*;

    #[test]
    fn what_the_framework_says_gets_a_reason() {
        for (status, reason, code) in [
            (Status::unimplemented(""), R::MethodNotFound, Code::Unimplemented),
            (Status::out_of_range("found 9 bytes"), R::RequestTooLarge, Code::ResourceExhausted),
            (Status::internal("failed to decode"), R::MalformedMessage, Code::InvalidArgument),
            (Status::cancelled("gone"), R::Cancelled, Code::Cancelled),
        ] {
            let failure = explain("/warp2api.a.v1.A/Do", &status).unwrap();

            assert_eq!((failure.reason, failure.code()), (reason, code));
            assert!(failure.message.contains(status.message()) && !failure.message.is_empty());
        }
    }

    #[test]
    fn what_a_service_says_stays_as_it_is() {
        let ours = Status::from(Failure::bug("internal error"));

        assert_eq!(explain("/warp2api.a.v1.A/Do", &ours), None);
        assert_eq!(explain("/warp2api.a.v1.A/Do", &Status::ok("")), None);
    }
}
