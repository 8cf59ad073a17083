//! The line in the log of a gRPC call that came in over a listener: one for each, when its answer has ended or its caller has
//! left. Calls in process have none: whatever came in for them has its own.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::Code;
use tower::{Layer, Service};
use tracing::Level;

use super::ending::{Ending, EndingBody};
use super::grpc::code_name;
use super::{CANCELLED, w3c};
use crate::context::REQUEST_ID;
use crate::{policy, request_id};

/// Calls that follow from others all the time: what is told of those says enough.
const QUIET: [&str; 3] = [
    "warp2api.token_pool.v1.TokenPool/AcquireCredential",
    "warp2api.token_pool.v1.TokenPool/ReportCredentialOutcome",
    "warp2api.token_pool.v1.TokenPool/RenewLeases",
];

/// The `traceparent` of a call, told by whoever settles it further in.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled(Arc<OnceLock<HeaderValue>>);

impl Settled {
    pub(super) fn settle(&self, parent: HeaderValue) {
        // The first is the one of this call.
        drop(self.0.set(parent));
    }
}

/// The layer that writes the lines, outermost at a listener. It gives calls of ours a request id, too.
#[derive(Debug, Clone, Copy)]
pub struct CallLines;

impl<S> Layer<S> for CallLines {
    type Service = LinedCalls<S>;

    fn layer(&self, inner: S) -> LinedCalls<S> {
        LinedCalls(inner)
    }
}

/// A service behind [`CallLines`].
#[derive(Debug, Clone)]
pub struct LinedCalls<S>(S);

impl<S, A> Service<Request<A>> for LinedCalls<S>
where
    S: Service<Request<A>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let path = request.uri().path();
        let ours = path.starts_with("/warp2api.");
        // Health and reflection are known by their services, and what callers make up is too.
        let method = policy::method(path).map_or_else(|| service_of(path).to_owned().into(), Cow::from);
        let quiet = !ours || QUIET.contains(&&*method);
        let request_id = ours.then(|| request_id::settled(request.headers_mut()));
        let heard = !quiet || tracing::enabled!(target: "warp2api::request", Level::DEBUG);
        let settled = Settled::default();
        if heard {
            request.extensions_mut().insert(settled.clone());
        }
        let trace = w3c::traceparent(request.headers()).cloned();
        let mut line =
            Line { method, quiet, began: Instant::now(), settled, trace, request_id, ended: !heard };
        let call = self.0.call(request);
        Box::pin(async move {
            let mut response = call.await?;
            if let Some(id) = &line.request_id {
                response.headers_mut().insert(&REQUEST_ID, id.clone());
            }
            if line.ended || line.told(response.headers()) {
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(EndingBody::new(body, line))))
        })
    }
}

fn service_of(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// What is told of a call at its end. Dropped before, its caller has left.
#[derive(Debug)]
struct Line {
    method: Cow<'static, str>,
    quiet: bool,
    began: Instant,
    settled: Settled,
    /// The caller's own, for what is answered before a trace is settled.
    trace: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    ended: bool,
}

impl Ending for Line {
    fn end(&mut self, code: Code, reason: Option<&'static str>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (method, status) = (&*self.method, code_name(code));
        let total_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let trace_id = self.settled.0.get().or(self.trace.as_ref()).and_then(w3c::trace_id);
        let request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok());
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "warp2api::request",
                    $level,
                    method,
                    status,
                    total_ms,
                    reason,
                    trace_id,
                    request_id,
                    "call"
                )
            };
        }
        if self.quiet { line!(Level::DEBUG) } else { line!(Level::INFO) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end(Code::Cancelled, Some(CANCELLED));
    }
}
