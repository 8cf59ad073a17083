//! Spans of gRPC calls, on the side that calls and on the side that answers.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::Code;
use tower::{Layer, Service};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::ending::{Ending, EndingBody};
use super::line::Settled;
use super::repeated::Shared;
use super::{CANCELLED, adopt, end, failed, inject, name_trace};
use crate::endpoint::Place;
use crate::{policy, semconv};

/// The heartbeat of those who hold leases.
const RENEWAL: &str = "warp2api.token_pool.v1.TokenPool/RenewLeases";

/// What every call is made over.
const SYSTEM: &str = "grpc";

/// Which side of a call a span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that calls: its span is the child of what runs, and goes along.
    Client,
    /// The one that answers: its span is the child of what came along.
    Server,
}

/// The body of an answer whose span ends with it.
pub type TracedBody<B> = EndingBody<B, Open>;

/// Gives every call a span that ends with the body of its answer. `boxed` makes a body of the answer of one that is
/// watched; calls that nobody traces keep theirs.
#[derive(Debug)]
pub struct TraceLayer<B> {
    side: Side,
    boxed: fn(TracedBody<B>) -> B,
    peer: Option<Arc<Peer>>,
}

impl<B> Clone for TraceLayer<B> {
    fn clone(&self) -> Self {
        Self { side: self.side, boxed: self.boxed, peer: self.peer.clone() }
    }
}

impl<B> TraceLayer<B> {
    /// Spans of that side.
    pub fn new(side: Side, boxed: fn(TracedBody<B>) -> B) -> Self {
        Self { side, boxed, peer: None }
    }

    /// Spans of the side that calls what is at `place`.
    pub fn calling(place: &Place, boxed: fn(TracedBody<B>) -> B) -> Self {
        Self { side: Side::Client, boxed, peer: Peer::at(place).map(Arc::new) }
    }
}

/// Who is called over a socket.
#[derive(Debug, PartialEq, Eq)]
struct Peer {
    address: String,
    port: Option<u16>,
}

impl Peer {
    fn at(place: &Place) -> Option<Self> {
        match place {
            Place::Local => None,
            Place::Unix(path) => Some(Self { address: path.clone(), port: None }),
            Place::Tcp(uri) => {
                let uri: http::Uri = uri.parse().ok()?;
                let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                let port = uri.port_u16().unwrap_or(usual);
                Some(Self { address: uri.host()?.trim_matches(['[', ']']).to_owned(), port: Some(port) })
            }
        }
    }

    fn tell(&self, span: &Span) {
        span.set_attribute(semconv::SERVER_ADDRESS, self.address.clone());
        if let Some(port) = self.port {
            span.set_attribute(semconv::SERVER_PORT, i64::from(port));
        }
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
        let path = request.uri().path();
        // Health and reflection are asked all the time, and leases are renewed for no call in particular.
        if !path.starts_with("/warp2api.") || path.trim_start_matches('/') == RENEWAL {
            return Box::pin(self.inner.call(request));
        }
        // What callers make up is no name of a span.
        let method = policy::method(path);
        if self.layer.side == Side::Client
            && let Some(Shared(span)) = request.extensions_mut().remove()
        {
            // Whoever calls tells of several calls at once.
            self.layer.peer.iter().for_each(|peer| peer.tell(&span));
            inject(&span, request.headers_mut());
            return Box::pin(self.inner.call(request));
        }
        let span = span_of(self.layer.side, method);
        if self.layer.side == Side::Server {
            adopt(&span, request.headers());
            let parent = name_trace(&span, request.headers_mut());
            if let (Some(settled), Some(parent)) = (request.extensions().get::<Settled>(), parent) {
                settled.settle(parent);
            }
        }
        if span.is_disabled() {
            return Box::pin(self.inner.call(request));
        }
        if self.layer.side == Side::Client {
            self.layer.peer.iter().for_each(|peer| peer.tell(&span));
            inject(&span, request.headers_mut());
        }
        let (side, boxed) = (self.layer.side, self.layer.boxed);
        let call = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let mut open = Open::new(span.clone(), side);
            let response = call.instrument(span).await.inspect_err(|_| open.end(Code::Unavailable, None))?;
            if open.told(response.headers()) {
                return Ok(response);
            }
            Ok(response.map(|body| boxed(EndingBody::new(body, open))))
        })
    }
}

/// The span of a call of `method`, `package.Service/Method`, below what runs; of one that is not in the contract if there is
/// none.
fn span_of(side: Side, method: Option<&'static str>) -> Span {
    let name = method.unwrap_or(SYSTEM);
    let span = match side {
        Side::Client => {
            tracing::span!(target: super::TARGET, Level::DEBUG, "rpc", otel.name = name, otel.kind = "client")
        }
        Side::Server => {
            tracing::span!(target: super::TARGET, Level::DEBUG, "rpc", otel.name = name, otel.kind = "server")
        }
    };
    describe(&span, method);
    span
}

/// The span of calls of `method` that are below nothing of this process.
pub(super) fn lone_span_of(method: &'static str) -> Span {
    let span = tracing::span!(
        target: super::TARGET, parent: None, Level::DEBUG, "rpc", otel.name = method, otel.kind = "client"
    );
    describe(&span, Some(method));
    span
}

fn describe(span: &Span, method: Option<&'static str>) {
    if !span.is_disabled() {
        span.set_attribute(semconv::RPC_SYSTEM_NAME, SYSTEM);
        span.set_attribute(semconv::RPC_METHOD, method.unwrap_or("_OTHER"));
    }
}

/// The span of a call that goes on. Dropped before the call has ended, it says that the caller left.
#[derive(Debug)]
pub struct Open {
    span: Span,
    side: Side,
    ended: bool,
}

impl Open {
    pub(super) fn new(span: Span, side: Side) -> Self {
        Self { span, side, ended: false }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }
}

impl Ending for Open {
    fn end(&mut self, code: Code, reason: Option<&'static str>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let name = code_name(code);
        self.span.set_attribute(semconv::RPC_RESPONSE_STATUS_CODE, name);
        let fault = match self.side {
            Side::Client => code != Code::Ok,
            // What the caller did wrong is no failure of the server.
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
        }
        if let Some(reason) = reason {
            self.span.set_attribute(semconv::ERROR_REASON, reason);
        }
        end(&self.span);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            // Told in the same words on both sides, and on every other span of the request.
            tracing::event!(target: super::TARGET, parent: &self.span, Level::DEBUG, message = CANCELLED);
            failed(&self.span, CANCELLED);
            self.span.set_attribute(semconv::RPC_RESPONSE_STATUS_CODE, code_name(Code::Cancelled));
            end(&self.span);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_called_over_a_socket_has_an_address() {
        let tcp = |address: &str, port| Some(Peer { address: address.to_owned(), port: Some(port) });
        for (place, expected) in [
            ("local", None),
            ("unix:/run/pool.sock", Some(Peer { address: "/run/pool.sock".to_owned(), port: None })),
            ("http://10.0.0.5:28888", tcp("10.0.0.5", 28888)),
            ("https://pool.example", tcp("pool.example", 443)),
            ("http://[::1]", tcp("::1", 80)),
        ] {
            assert_eq!(Peer::at(&place.parse().unwrap()), expected, "{place}");
        }
    }
}
