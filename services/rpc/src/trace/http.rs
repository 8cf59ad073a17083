//! The span of an HTTP request, its line in the log and its place in the metrics: all three end with the body of the
//! answer, also when nobody reads it to its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Array, Value};
use tokio::time::Instant;
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{CANCELLED, Noted, Notes, TRACEPARENT, adopt, end, failed, inject, trace_id, traceparent};
use warp2api_proto::error::v1::ErrorReason;

use crate::context::{CallContext, REQUEST_ID};
use crate::meter::{Ongoing, Reader};
use crate::reason::reason_name;
use crate::{meter, semconv};

/// Where nobody wants a line for each request: what machines ask all the time.
const QUIET: [&str; 5] = ["/healthz", "/livez", "/readyz", "/metrics", "/"];

/// Watches a request from here to the last byte of its answer. Inside of what settles request ids.
///
/// An answer that has an [`ErrorReason`] for an extension failed for that reason. The answer has the `traceparent` of its span; without an exporter the caller's own.
pub async fn watch(mut request: Request, next: Next) -> Response {
    let span = if QUIET.contains(&request.uri().path()) {
        Span::none()
    } else {
        tracing::span!(
            target: super::TARGET, Level::DEBUG, "http", otel.kind = "server"
        )
    };
    let headers = request.headers();
    adopt(&span, headers);
    let notes = Notes::default();
    let mut entry = Entry {
        method: request.method().clone(),
        route: None,
        request_id: text(headers, &REQUEST_ID),
        trace_id: trace_id(&span)
            .or_else(|| CallContext::from_headers(headers, Instant::now()).trace_id().map(str::to_owned)),
        began: Instant::now(),
        first_byte: None,
        bytes: 0,
        status: StatusCode::OK,
        notes: notes.clone(),
        span: span.clone(),
        ended: false,
        _counted: meter::get().request(),
    };
    let parent = traceparent(&span).or_else(|| {
        headers.get(&TRACEPARENT).filter(|_| super::w3c::traceparent(headers).is_some()).cloned()
    });
    entry.route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(notes);
    inject(&span, request.headers_mut());
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
    route: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
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
    fn end(&mut self, left: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let noted = self.notes.read();
        let route = self.route.take().or_else(|| noted.route.clone());
        let route = route.as_deref().unwrap_or("none");
        let reason = noted.reason.map(reason_name);
        let error = if left { Some(CANCELLED) } else { reason };
        self.trace(&noted, route, error, left);
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

    fn trace(&self, noted: &Noted, route: &str, error: Option<&str>, left: bool) {
        let span = &self.span;
        if span.is_disabled() {
            return;
        }
        let method = known_method(&self.method);
        // Only now it is known, wherever the route was found.
        let name = if route == "none" { method.to_owned() } else { format!("{method} {route}") };
        span.context().span().update_name(name);
        span.set_attribute(semconv::HTTP_REQUEST_METHOD, method);
        span.set_attribute(semconv::HTTP_ROUTE, route.to_owned());
        span.set_attribute(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(self.status.as_u16()));
        if let Some(id) = &self.request_id {
            span.set_attribute(semconv::REQUEST_ID, id.clone());
        }
        if let Some(dialect) = noted.dialect {
            span.set_attribute(semconv::DIALECT, dialect);
        }
        if left {
            tracing::event!(target: super::TARGET, parent: span, Level::DEBUG, message = CANCELLED);
        }
        match error {
            Some(error) if self.status.is_server_error() || left || self.status.is_success() => {
                failed(span, error);
            }
            Some(error) => span.set_attribute(semconv::ERROR_TYPE, error.to_owned()),
            None if self.status.is_server_error() => failed(span, self.status.as_str()),
            None => {}
        }
        end(span);
    }

    fn log(&self, noted: &Noted, route: &str, error: Option<&str>) {
        let (method, status) = (self.method.as_str(), self.status.as_u16());
        let millis = |to: Instant| u64::try_from((to - self.began).as_millis()).unwrap_or(u64::MAX);
        let (dialect, model, upstream) = (noted.dialect, noted.model.as_deref(), noted.upstream.as_deref());
        let (first_byte_ms, total_ms) = (self.first_byte.map(millis), millis(Instant::now()));
        let (credential, bytes) = (noted.credential.as_deref(), self.bytes);
        let (trace_id, request_id) = (self.trace_id.as_deref(), self.request_id.as_deref());
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
        if QUIET.contains(&route) && error.is_none() { line!(Level::DEBUG) } else { line!(Level::INFO) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(true);
    }
}

/// Methods have a few values in metrics, whatever clients send.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
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
                    this.entry.first_byte.get_or_insert(now);
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
