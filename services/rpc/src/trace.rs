//! Spans of calls, and how one process hands its trace to the next: W3C Trace Context in headers and in metadata.
//!
//! Spans are `tracing`'s, under the target [`TARGET`] at the level DEBUG: without an exporter nobody listens there, and a
//! span costs the load of one atomic. Which spans leave the process, and where to, the composition root decides.
//!
//! A span ends with the body of its call. Nothing is told for each chunk.

mod grpc;
mod http;
pub mod names;
mod notes;
pub(crate) mod w3c;

use ::http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub(crate) use grpc::code_name;
pub use grpc::{Side, TraceLayer, Traced, TracedBody};
pub use http::watch;
pub use names::CANCELLED;
pub use notes::{Noted, Notes};
pub use w3c::TRACEPARENT;
use w3c::TRACESTATE;

use crate::propagation::propagated;
use crate::semconv;

/// The target of spans that are for traces only.
pub const TARGET: &str = "w2a_trace";

/// The `traceparent` that names `span`, if it is part of a trace.
pub fn traceparent(span: &Span) -> Option<HeaderValue> {
    let context = span_context(span)?;
    w3c::written(context.trace_id(), context.span_id(), context.trace_flags())
}

/// The id of the trace that `span` is part of, 32 hexadecimal digits.
pub fn trace_id(span: &Span) -> Option<String> {
    span_context(span).map(|context| context.trace_id().to_string())
}

/// Whether what is told to the span that runs now leaves the process.
pub fn is_recorded() -> bool {
    span_context(&Span::current()).is_some_and(|context| context.is_sampled())
}

fn span_context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Has the next service take `span` for its parent. Without a trace of ours the headers stay as they came.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    let Some(context) = span_context(span).filter(|_| propagated().trace_context) else { return };
    if let Some(parent) = traceparent(span) {
        headers.insert(&TRACEPARENT, parent);
        match HeaderValue::try_from(context.trace_state().header()) {
            Ok(state) if !state.is_empty() => headers.insert(&TRACESTATE, state),
            _ => headers.remove(&TRACESTATE),
        };
    }
}

/// Makes `span` the child of what the headers name. Only before it was entered.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled()
        && propagated().trace_context
        && let Some(parent) = w3c::parent(headers)
    {
        // Refused where nothing listens, and then there is nothing to do.
        drop(span.set_parent(Context::new().with_remote_span_context(parent)));
    }
}

/// Says of what is traced that it failed.
pub fn failed(span: &Span, kind: &str) {
    span.set_attribute(semconv::ERROR_TYPE, kind.to_owned());
    span.set_status(Status::error(kind.to_owned()));
}

/// Ends `span` now, rather than when it was last entered.
pub fn end(span: &Span) {
    span.in_scope(|| {});
}
