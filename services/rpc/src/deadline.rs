//! Deadlines that hold everywhere: tonic enforces `grpc-timeout` in its own transport only, so calls in process, and
//! calls served by our own accept loop, would run on.
//!
//! The deadline covers the call until the response head, as tonic's does. A stream after that is guarded by the
//! clocks of the turn, not by this layer.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};
use warp2api_proto::error::v1::ErrorReason;

use crate::context::{GRPC_TIMEOUT, parse_timeout};
use crate::reason::Failure;

/// Answers DEADLINE_EXCEEDED when a call's `grpc-timeout` passes before the response head, and drops the call.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// A service behind a [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for Deadline<S>
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
        let timeout = request.headers().get(GRPC_TIMEOUT).and_then(|v| parse_timeout(v.to_str().ok()?));
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let response = self.inner.call(request);
        Box::pin(async move {
            let Some(deadline) = deadline else { return response.await };
            tokio::select! {
                // First: tonic's transport watches the same deadline and calls its passing CANCELLED.
                biased;
                () = tokio::time::sleep_until(deadline) => Ok(deadline_passed().into_http()),
                response = response => response,
            }
        })
    }
}

fn deadline_passed() -> Status {
    Failure::new(ErrorReason::DeadlinePassed, "the deadline of the call passed").into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// The status of a call with `grpc-timeout: 100m` that is answered after so many milliseconds.
    async fn answered_after(milliseconds: u64) -> Option<String> {
        let service = service_fn(move |_request: Request<()>| async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, Infallible>(Response::new(()))
        });
        let request = Request::builder().header(GRPC_TIMEOUT, "100m").body(()).unwrap();
        let response = DeadlineLayer.layer(service).oneshot(request).await;
        let status = response.unwrap().headers().get("grpc-status")?.to_str().unwrap().to_owned();
        Some(status)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_else_notices_at_the_same_moment_comes_second() {
        assert_eq!(answered_after(99).await, None);
        for late in [100, 101, 5000] {
            assert_eq!(answered_after(late).await.as_deref(), Some("4"), "{late}");
        }
    }
}
