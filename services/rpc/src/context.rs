//! What a call hands on to the calls it makes: the deadline, the trace context and the request id.
//!
//! tonic passes none of these on by itself. A service reads its [`CallContext`] from the request it got and applies
//! it to every request it sends.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use crate::propagation::propagated;
use crate::trace::w3c::{self, BAGGAGE, TRACEPARENT, TRACESTATE};

/// The header with a call's timeout, as the gRPC protocol defines it.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";
/// The header that names a request in logs and answers.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The metadata with the id of the credential that a chat runs on: no secret, for logs.
pub const CREDENTIAL: &str = "x-warp2api-credential";
/// The deadline, the trace context and the request id of a call.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// When the caller stops waiting. `None` means never.
    pub deadline: Option<Instant>,
    /// `x-request-id`, and the trace headers as far as the standards allow them; each once.
    headers: HeaderMap,
}

impl CallContext {
    /// Reads the context of an HTTP request.
    pub fn from_headers(headers: &HeaderMap, now: Instant) -> Self {
        let timeout = headers.get(GRPC_TIMEOUT).and_then(|value| parse_timeout(value.to_str().ok()?));
        let passed = propagated();
        let parent = w3c::traceparent(headers).filter(|_| passed.trace_context);
        let kept = [
            (&TRACEPARENT, parent.cloned()),
            // It says something of a parent, and nothing without one.
            (&TRACESTATE, parent.and_then(|_| w3c::tracestate(headers))),
            (&BAGGAGE, w3c::baggage(headers).filter(|_| passed.baggage)),
            (&REQUEST_ID, headers.get(&REQUEST_ID).cloned()),
        ];
        Self {
            deadline: timeout.and_then(|timeout| now.checked_add(timeout)),
            headers: kept.into_iter().filter_map(|(name, value)| Some((name.clone(), value?))).collect(),
        }
    }

    /// Reads the context of a gRPC request.
    pub fn from_metadata(metadata: &MetadataMap, now: Instant) -> Self {
        Self::from_headers(metadata.as_ref(), now)
    }

    /// Sets the request id, unless the caller gave one.
    #[must_use]
    pub fn with_request_id(mut self, id: HeaderValue) -> Self {
        self.headers.entry(&REQUEST_ID).or_insert(id);
        self
    }

    /// Sets the deadline, unless there is an earlier one.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    /// The request id, if there is one.
    pub fn request_id(&self) -> Option<&str> {
        self.headers.get(&REQUEST_ID)?.to_str().ok()
    }

    /// The trace id of the call, 32 hexadecimal digits, if there is one.
    pub fn trace_id(&self) -> Option<&str> {
        w3c::trace_id(self.headers.get(&TRACEPARENT)?)
    }

    /// How long until the deadline; zero once it has passed.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// A request that carries this context on.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(remaining) = self.remaining(Instant::now()) {
            // The header has a resolution; zero would be no time at all even on a fast hop.
            request.set_timeout(remaining.max(Duration::from_millis(1)));
        }
        let metadata: &mut HeaderMap = request.metadata_mut().as_mut();
        metadata.extend(self.headers.clone());
        request
    }
}

/// Reads a `grpc-timeout` value: at most eight digits and a unit.
pub fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn timeouts_are_read_as_the_protocol_defines_them() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("-5S", None),
            ("5ü", None),
        ] {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_onward_call_gets_what_is_left_of_the_deadline() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("2S"));
        headers.insert(&TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.insert("authorization", HeaderValue::from_static("Bearer planted"));
        let context = CallContext::from_headers(&headers, Instant::now());

        tokio::time::advance(Duration::from_millis(500)).await;
        let request = context.request(());

        let metadata: &HeaderMap = request.metadata().as_ref();
        assert_eq!(
            parse_timeout(metadata.get(GRPC_TIMEOUT).unwrap().to_str().unwrap()),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(metadata.get(&TRACEPARENT).unwrap(), PARENT);
        assert!(metadata.get("authorization").is_none(), "only the context is handed on");
    }

    #[test]
    fn what_came_in_several_headers_is_handed_on_as_one() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (&TRACEPARENT, PARENT),
            (&TRACESTATE, "a=1"),
            (&TRACESTATE, "b=2"),
            (&BAGGAGE, "tenant=a"),
            (&BAGGAGE, "user=b"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let handed_on = |headers: &HeaderMap| {
            let request = CallContext::from_headers(headers, Instant::now()).request(());
            let metadata: HeaderMap = request.metadata().clone().into_headers();
            let text = |name| {
                assert!(metadata.get_all(name).iter().count() <= 1, "{metadata:?}");
                metadata.get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            [&TRACEPARENT, &TRACESTATE, &BAGGAGE].map(text)
        };

        let whole = [PARENT, "a=1,b=2", "tenant=a,user=b"].map(|text| Some(text.to_owned()));
        assert_eq!(handed_on(&headers), whole);

        // Two parents are none, and a state is of its parent.
        headers.append(&TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(handed_on(&headers), [None, None, Some("tenant=a,user=b".to_owned())]);
    }
}
