//! One span for a call that is made again until it is taken: a pool that is away for a while costs a trace one span that says
//! how often it was tried, not a span for each try.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tonic::{Code, Status};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use warp2api_proto::error::v1::ErrorReason;

use super::ending::Ending as _;
use super::grpc::{Open, Side, lone_span_of};
use super::{names, span_context};
use crate::reason::reason_name;

/// The span that an attempt is told of in.
#[derive(Debug, Clone)]
pub(super) struct Shared(pub(super) Span);

/// A call that may be made several times. Dropped before its end, it says that it was cancelled.
#[derive(Debug)]
pub struct Repeated {
    open: Open,
    attempt: u32,
}

impl Repeated {
    /// Calls of `method`, `package.Service/Method`, for what `cause` tells of. That one is the parent only by name: it is
    /// neither entered nor kept, so that it ends when it ends, and is sent then.
    pub fn below(cause: &Span, method: &'static str) -> Self {
        let span = lone_span_of(method);
        if let Some(parent) = span_context(cause).filter(|_| !span.is_disabled()) {
            // Refused where nothing listens, and then there is nothing to do.
            drop(span.set_parent(Context::new().with_remote_span_context(parent)));
        }
        Self { open: Open::new(span, Side::Client), attempt: 1 }
    }

    /// The request is one of them.
    pub fn attempt<T>(&self, request: &mut tonic::Request<T>) {
        if !self.open.span().is_disabled() {
            request.extensions_mut().insert(Shared(self.open.span().clone()));
        }
    }

    /// It failed and is made again after a pause.
    pub fn retried(&mut self, reason: ErrorReason, pause: Duration) {
        tracing::event!(
            target: super::TARGET,
            parent: self.open.span(),
            Level::DEBUG,
            { names::ATTEMPT } = self.attempt,
            { names::ERROR_REASON } = reason_name(reason),
            { names::WAIT_MS } = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            message = names::RETRIED
        );
        self.attempt += 1;
    }

    /// It is made no more.
    pub fn end(mut self, failed: Option<&Status>) {
        match failed {
            None => self.open.end(Code::Ok, None),
            Some(status) => self.open.of(status),
        }
    }
}
