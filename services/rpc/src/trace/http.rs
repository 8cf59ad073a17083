//! The span of an HTTP request, its line in the log and its place in the metrics: all three end with the body of the
//! answer, also when nobody reads it to its end.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Array, Value};
use tokio::time::Instant;
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::names::{FIRST_BYTE, WAIT_MS};
use super::{CANCELLED, Noted, Notes, TRACEPARENT, adopt, end, failed, name_trace, w3c};
use warp2api_proto::error::v1::ErrorReason;

use crate::context::REQUEST_ID;
use crate::meter::{Ongoing, Reader};
use crate::reason::reason_name;
use crate::serve::Secured;
use crate::{meter, semconv};

/// Where nobody wants a line for each request: what machines ask all the time.
const QUIET: [&str; 5] = ["/healthz", "/livez", "/readyz", "/metrics", "/"];
/// Asked as often by `warp2api status`; worth a span, and no line.
const POOL_STATUS: &str = "/v1/poolStatus";

/// Of a method that is none of the usual ones, and of a path, this much is told.
const MOST_METHOD_BYTES: usize = 32;
const MOST_PATH_BYTES: usize = 512;
/// The path of what is not served here: it may hold anything.
const NO_PATH: &str = "/REDACTED";

/// Watches a request from here to the last byte of its answer. Inside of what settles request ids.
///
/// An answer that has an [`ErrorReason`] for an extension failed for that reason. The answer has the `traceparent` of its span;
/// without an exporter the caller's own, or one that was made up for the log.
pub async fn watch(mut request: Request, next: Next) -> Response {
    let is_quiet = QUIET.contains(&request.uri().path());
    let span = if is_quiet {
        Span::none()
    } else {
        tracing::span!(
            target: super::TARGET, Level::DEBUG, "http", otel.kind = "server"
        )
    };
    adopt(&span, request.headers());
    let parent = if is_quiet {
        w3c::traceparent(request.headers()).cloned()
    } else {
        name_trace(&span, request.headers_mut())
    };
    let notes = Notes::default();
    let mut entry = Entry {
        method: request.method().clone(),
        path: None,
        is_secured: request.extensions().get::<Secured>().is_some(),
        route: None,
        request_id: text(request.headers(), &REQUEST_ID),
        parent: parent.clone(),
        began: Instant::now(),
        first_byte: None,
        bytes: 0,
        status: StatusCode::OK,
        notes: notes.clone(),
        span: span.clone(),
        ended: false,
        _counted: meter::get().request(),
    };
    if !span.is_disabled() {
        let path = request.uri().path();
        entry.path = Some(path[..path.floor_char_boundary(MOST_PATH_BYTES)].to_owned());
    }
    entry.route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(notes);
    // Further in there may be somebody who wants to know whether the caller reads.
    let reader = Reader::default();
    request.extensions_mut().insert(reader.clone());
    let mut response = next.run(request).instrument(span).await;
    entry.status = response.status();
    if let Some(reason) = response.extensions().get::<ErrorReason>() {
        entry.notes.note(|noted| noted.reason = Some(*reason));
    }
    if !entry.span.is_disabled()
        && let Some(wait) = text(response.headers(), &http::header::RETRY_AFTER)
    {
        let wait = Value::Array(Array::String(vec![wait.into()]));
        entry.span.set_attribute(semconv::HTTP_RESPONSE_HEADER_RETRY_AFTER, wait);
    }
    if let Some(parent) = parent {
        response.headers_mut().insert(&TRACEPARENT, parent);
    }
    response.map(|body| Body::new(WatchedBody { inner: body, entry, reader, handed: None }))
}

fn text(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// What is told of a request at its end. Dropped before, the client has left.
struct Entry {
    method: Method,
    /// Where it is traced.
    path: Option<String>,
    is_secured: bool,
    route: Option<String>,
    request_id: Option<String>,
    parent: Option<HeaderValue>,
    began: Instant,
    first_byte: Option<Instant>,
    bytes: u64,
    status: StatusCode,
    notes: Notes,
    span: Span,
    ended: bool,
    _counted: Ongoing,
}

impl Entry {
    fn first_byte(&mut self, now: Instant) {
        self.first_byte = Some(now);
        if !self.span.is_disabled() {
            tracing::event!(
                target: super::TARGET,
                parent: &self.span,
                Level::DEBUG,
                { WAIT_MS } = self.millis(now),
                message = FIRST_BYTE
            );
        }
    }

    fn millis(&self, to: Instant) -> u64 {
        u64::try_from((to - self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn end(&mut self, left: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let noted = self.notes.read();
        let route = self.route.take().or_else(|| noted.route.clone());
        let reason = noted.reason.map(reason_name);
        let error = if left { Some(CANCELLED) } else { reason };
        self.trace(&noted, route.as_deref(), reason, left);
        let route = route.as_deref().unwrap_or("none");
        let method = known_method(&self.method);
        meter::get().request_ended(
            method,
            route,
            self.status.as_u16(),
            noted.dialect,
            error,
            self.began.elapsed(),
        );
        self.log(&noted, route, error);
    }

    fn trace(&self, noted: &Noted, route: Option<&str>, reason: Option<&'static str>, left: bool) {
        let span = &self.span;
        if span.is_disabled() {
            return;
        }
        let method = known_method(&self.method);
        // Only now it is known, wherever the route was found.
        span.context().span().update_name(span_name(method, route));
        span.set_attribute(semconv::HTTP_REQUEST_METHOD, method);
        if method == OTHER {
            let method = self.method.as_str();
            let method = method[..method.floor_char_boundary(MOST_METHOD_BYTES)].to_owned();
            span.set_attribute(semconv::HTTP_REQUEST_METHOD_ORIGINAL, method);
        }
        // Who is not served may have written anything there, a key too.
        let path = self.path.as_deref().filter(|_| route.is_some()).unwrap_or(NO_PATH);
        span.set_attribute(semconv::URL_PATH, path.to_owned());
        span.set_attribute(semconv::URL_SCHEME, if self.is_secured { "https" } else { "http" });
        if let Some(route) = route {
            span.set_attribute(semconv::HTTP_ROUTE, route.to_owned());
        }
        span.set_attribute(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(self.status.as_u16()));
        if let Some(id) = &self.request_id {
            span.set_attribute(semconv::REQUEST_ID, id.clone());
        }
        if let Some(dialect) = noted.dialect {
            span.set_attribute(semconv::DIALECT, dialect);
        }
        if let Some(reason) = reason {
            span.set_attribute(semconv::ERROR_REASON, reason);
        }
        if left {
            tracing::event!(target: super::TARGET, parent: span, Level::DEBUG, message = CANCELLED);
        }
        if let Some(failure) = failure(self.status, reason, left) {
            failed(span, &failure);
        }
        end(span);
    }

    fn log(&self, noted: &Noted, route: &str, error: Option<&str>) {
        let (method, status) = (self.method.as_str(), self.status.as_u16());
        let (dialect, model, upstream) = (noted.dialect, noted.model.as_deref(), noted.upstream.as_deref());
        let (first_byte_ms, total_ms) =
            (self.first_byte.map(|at| self.millis(at)), self.millis(Instant::now()));
        let (credential, bytes) = (noted.credential.as_deref(), self.bytes);
        let (trace_id, request_id) =
            (self.parent.as_ref().and_then(w3c::trace_id), self.request_id.as_deref());
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "warp2api::request",
                    $level,
                    method,
                    route,
                    status,
                    dialect,
                    model,
                    upstream,
                    first_byte_ms,
                    total_ms,
                    bytes,
                    credential,
                    reason = error,
                    trace_id,
                    request_id,
                    "request"
                )
            };
        }
        let is_quiet = (QUIET.contains(&route) || route == POOL_STATUS) && error.is_none();
        if is_quiet { line!(Level::DEBUG) } else { line!(Level::INFO) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(true);
    }
}

/// What a span failed for, if it did: the server's fault, or an answer that was cut short. What the caller did wrong is no
/// failure of the server.
fn failure(status: StatusCode, reason: Option<&'static str>, left: bool) -> Option<Cow<'static, str>> {
    match reason {
        _ if left => Some(CANCELLED.into()),
        Some(reason) if status.is_server_error() || status.is_success() => Some(reason.into()),
        None if status.is_server_error() => Some(status.as_str().to_owned().into()),
        _ => None,
    }
}

/// What a request is called: nothing of it is the caller's own words.
fn span_name(method: &'static str, route: Option<&str>) -> String {
    let method = if method == OTHER { "HTTP" } else { method };
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

/// A method that is none of the usual ones.
const OTHER: &str = "_OTHER";

/// Methods have a few values, whatever clients send.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

/// The body of an answer that is watched to its end.
struct WatchedBody {
    inner: Body,
    entry: Entry,
    reader: Reader,
    /// When the caller was given something to read.
    handed: Option<Instant>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Some(handed) = this.handed.take() {
            this.reader.paused(handed.elapsed());
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let now = Instant::now();
                    this.handed = Some(now);
                    this.entry.bytes += data.len() as u64;
                    if this.entry.first_byte.is_none() {
                        this.entry.first_byte(now);
                    }
                }
            }
            Some(Err(_)) => {}
            None => this.entry.end(false),
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

impl Drop for WatchedBody {
    fn drop(&mut self) {
        // A body whose length is known is not asked for its end.
        if self.inner.is_end_stream() {
            self.entry.end(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_named_by_its_method_and_its_route_and_by_nothing_a_caller_made_up() {
        for (method, route, name) in [
            ("GET", Some("/v1/models"), "GET /v1/models"),
            ("TRACE", None, "TRACE"),
            ("PLANTED", Some("/v1/models"), "HTTP /v1/models"),
            ("get", None, "HTTP"),
        ] {
            let method = known_method(&Method::from_bytes(method.as_bytes()).unwrap());
            assert_eq!(span_name(method, route), name);
        }
    }

    #[test]
    fn what_the_caller_did_wrong_is_no_failure_of_the_server() {
        for (status, reason, left, expected) in [
            (200, None, false, None),
            (200, Some("UPSTREAM_TIMEOUT"), false, Some("UPSTREAM_TIMEOUT")),
            (200, None, true, Some(CANCELLED)),
            (404, Some("ROUTE_NOT_FOUND"), false, None),
            (429, Some("UPSTREAM_RATE_LIMITED"), true, Some(CANCELLED)),
            (500, None, false, Some("500")),
            (503, Some("OVERLOADED"), false, Some("OVERLOADED")),
        ] {
            let failure = failure(StatusCode::from_u16(status).unwrap(), reason, left);
            assert_eq!(failure.as_deref(), expected, "{status} {reason:?} {left}");
        }
    }
}
