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

use ::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub(crate) use grpc::code_name;
pub use grpc::{Side, TraceLayer, Traced, TracedBody};
pub use http::watch;
pub use names::CANCELLED;
pub use notes::{Noted, Notes};

use crate::propagation::propagated;
use crate::semconv;

/// The target of spans that are for traces only.
pub const TARGET: &str = "w2a_trace";

/// The header of W3C Trace Context that names a span.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span that the headers name, if they name one as the standard wants it.
pub fn parent_of(headers: &HeaderMap) -> Option<Context> {
    let text = headers.get(&TRACEPARENT)?.to_str().ok()?;
    let state = headers.get(&TRACESTATE).and_then(|state| state.to_str().ok()?.parse::<TraceState>().ok());
    Some(Context::new().with_remote_span_context(parse(text, state.unwrap_or_default())?))
}

fn parse(text: &str, state: TraceState) -> Option<SpanContext> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more parts; this one has not.
    let fits = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    if !fits || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let context =
        SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, state);
    context.is_valid().then_some(context)
}

/// The `traceparent` that names `span`, if it is part of a trace.
pub fn traceparent(span: &Span) -> Option<HeaderValue> {
    let context = span_context(span)?;
    let text =
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    HeaderValue::try_from(text).ok()
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
        && let Some(parent) = parent_of(headers)
    {
        // Refused where nothing listens, and then there is nothing to do.
        drop(span.set_parent(parent));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_names_a_parent() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for (text, expected) in [
            (format!("00-{trace}-{span}-01"), Some(true)),
            (format!("00-{trace}-{span}-00"), Some(false)),
            (format!("01-{trace}-{span}-01-more"), Some(true)),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{trace}-{span}"), None),
            ("00-1-2-01".to_owned(), None),
            (String::new(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&TRACEPARENT, HeaderValue::try_from(&text).unwrap());
            let parent = parent_of(&headers).map(|context| context.span().span_context().is_sampled());
            assert_eq!(parent, expected, "{text}");
        }
    }
}
