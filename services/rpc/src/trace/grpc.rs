//! Spans of gRPC calls, on the side that calls and on the side that answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{CANCELLED, adopt, end, failed, inject};
use crate::reason::{Failure, reason_name};
use crate::semconv;

/// The heartbeat of those who hold leases.
const RENEWAL: &str = "warp2api.token_pool.v1.TokenPool/RenewLeases";

/// Which side of a call a span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that calls: its span is the child of what runs, and goes along.
    Client,
    /// The one that answers: its span is the child of what came along.
    Server,
}

/// Gives every call a span that ends with the body of its answer. `boxed` makes a body of the answer of one that is
/// watched; calls that nobody traces keep theirs.
#[derive(Debug)]
pub struct TraceLayer<B> {
    side: Side,
    boxed: fn(TracedBody<B>) -> B,
}

impl<B> Clone for TraceLayer<B> {
    fn clone(&self) -> Self {
        Self { side: self.side, boxed: self.boxed }
    }
}

impl<B> TraceLayer<B> {
    /// Spans of that side.
    pub fn new(side: Side, boxed: fn(TracedBody<B>) -> B) -> Self {
        Self { side, boxed }
    }
}

impl<S, B> Layer<S> for TraceLayer<B> {
    type Service = Traced<S, B>;

    fn layer(&self, inner: S) -> Traced<S, B> {
        Traced { inner, layer: self.clone() }
    }
}

/// A service behind a [`TraceLayer`].
#[derive(Debug)]
pub struct Traced<S, B> {
    inner: S,
    layer: TraceLayer<B>,
}

impl<S: Clone, B> Clone for Traced<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, A, B> Service<Request<A>> for Traced<S, B>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: HttpBody<Data = Bytes> + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let method = request.uri().path().trim_start_matches('/');
        // Health and reflection are asked all the time, and leases are renewed for no call in particular.
        if !method.starts_with("warp2api.") || method == RENEWAL {
            return Box::pin(self.inner.call(request));
        }
        let span = match self.layer.side {
            Side::Client => {
                tracing::span!(target: super::TARGET, Level::DEBUG, "rpc", otel.name = method, otel.kind = "client")
            }
            Side::Server => {
                tracing::span!(target: super::TARGET, Level::DEBUG, "rpc", otel.name = method, otel.kind = "server")
            }
        };
        if span.is_disabled() {
            return Box::pin(self.inner.call(request));
        }
        if self.layer.side == Side::Server {
            adopt(&span, request.headers());
        }
        span.set_attribute(semconv::RPC_SYSTEM_NAME, "grpc");
        span.set_attribute(semconv::RPC_METHOD, method.to_owned());
        if self.layer.side == Side::Client {
            inject(&span, request.headers_mut());
        }
        let (side, boxed) = (self.layer.side, self.layer.boxed);
        let call = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let mut open = Open { span: span.clone(), side, ended: false };
            let response = call.instrument(span).await.inspect_err(|_| open.end(Code::Unavailable, None))?;
            if open.told(response.headers()) {
                return Ok(response);
            }
            Ok(response.map(|body| boxed(TracedBody { inner: Box::pin(body), open })))
        })
    }
}

/// The span of a call that goes on. Dropped before the call has ended, it says that the caller left.
#[derive(Debug)]
struct Open {
    span: Span,
    side: Side,
    ended: bool,
}

impl Open {
    /// Ends the span if the headers, or trailers, have the status of the call.
    fn told(&mut self, headers: &HeaderMap) -> bool {
        let Some(status) = Status::from_header_map(headers) else { return false };
        let reason = (status.code() != Code::Ok).then(|| reason_name(Failure::from(&status).reason));
        self.end(status.code(), reason);
        true
    }

    fn end(&mut self, code: Code, reason: Option<&str>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let name = code_name(code);
        self.span.set_attribute(semconv::RPC_RESPONSE_STATUS_CODE, name);
        let fault = match self.side {
            Side::Client => code != Code::Ok,
            // What the caller did wrong, or did not want any more, is no failure of the server.
            Side::Server => matches!(
                code,
                Code::Unknown
                    | Code::DeadlineExceeded
                    | Code::Unimplemented
                    | Code::Internal
                    | Code::Unavailable
                    | Code::DataLoss
            ),
        };
        if fault {
            failed(&self.span, reason.unwrap_or(name));
        } else if let Some(reason) = reason {
            self.span.set_attribute(semconv::ERROR_TYPE, reason.to_owned());
        }
        end(&self.span);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            tracing::event!(target: super::TARGET, parent: &self.span, Level::DEBUG, message = CANCELLED);
            self.end(Code::Cancelled, None);
        }
    }
}

/// The body of an answer whose span ends with it.
#[derive(Debug)]
pub struct TracedBody<B> {
    inner: Pin<Box<B>>,
    open: Open,
}

impl<B: HttpBody<Data = Bytes>> HttpBody for TracedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.open.told(trailers);
                }
            }
            Some(Err(_)) => this.open.end(Code::Unavailable, None),
            None => this.open.end(Code::Unknown, None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The name of a status.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
