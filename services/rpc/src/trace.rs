//! Spans of calls, and how one process hands its trace to the next: W3C Trace Context in headers and in metadata.
//!
//! Spans are `tracing`'s, under the target [`TARGET`] at the level DEBUG: without an exporter nobody listens there, and a
//! span costs the load of one atomic. Which spans leave the process, and where to, the composition root decides.
//!
//! A span ends with the body of its call. Nothing is told for each chunk.

mod ending;
mod grpc;
mod http;
mod line;
pub mod names;
mod notes;
mod repeated;
pub(crate) mod w3c;

use ::http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use ending::{Ending, EndingBody};
pub(crate) use grpc::code_name;
pub use grpc::{Open, Side, TraceLayer, Traced, TracedBody};
pub use http::watch;
pub use line::{CallLines, LinedCalls};
pub use names::CANCELLED;
pub use notes::{Noted, Notes};
pub use repeated::Repeated;
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

/// Settles the trace of a request, and what its headers tell of it: that of `span`, or the caller's own, or where neither is
/// known one that is made up, so that there is something to find the lines of a log by. It is as if not sampled.
fn name_trace(span: &Span, headers: &mut HeaderMap) -> Option<HeaderValue> {
    if let Some(own) = traceparent(span) {
        inject(span, headers);
        return Some(own);
    }
    if let Some(callers) = w3c::traceparent(headers) {
        return Some(callers.clone());
    }
    let made = made_up()?;
    headers.insert(&TRACEPARENT, made.clone());
    headers.remove(&TRACESTATE);
    Some(made)
}

/// The `traceparent` of a span that nobody records.
fn made_up() -> Option<HeaderValue> {
    let (trace, span) = (uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes());
    let mut id = trace;
    // Two bytes say of which version a UUID is. Samplers elsewhere want all of them to be random.
    (id[6], id[8]) = (span[9], span[10]);
    let span = [span[0], span[1], span[2], span[3], span[4], span[5], span[7], span[11]];
    w3c::written(TraceId::from_bytes(id), SpanId::from_bytes(span), TraceFlags::NOT_SAMPLED)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_nobody_traces_has_a_trace_all_the_same() {
        let named = |headers: &mut HeaderMap| {
            let named = name_trace(&Span::none(), headers).unwrap();
            assert_eq!(headers.get_all(&TRACEPARENT).iter().collect::<Vec<_>>(), [&named]);
            named
        };
        let callers = HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let state = HeaderValue::from_static("vendor=1");
        let mut headers = HeaderMap::new();

        headers.insert(&TRACEPARENT, callers.clone());
        headers.insert(&TRACESTATE, state.clone());
        assert_eq!((named(&mut headers), headers.get(&TRACESTATE)), (callers, Some(&state)));

        headers.insert(&TRACEPARENT, HeaderValue::from_static("rubbish"));
        let made = named(&mut headers);
        assert!(w3c::parent(&headers).is_some_and(|parent| !parent.is_sampled()), "{made:?}");
        assert_eq!(headers.get(&TRACESTATE), None, "it was of another trace");
        assert_ne!(named(&mut HeaderMap::new()), made);
    }
}
