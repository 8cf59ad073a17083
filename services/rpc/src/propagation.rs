//! What of a caller's context is taken over and handed to the next service: all of it, unless the operator wants less.

use std::sync::OnceLock;

/// The parts of the context that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagated {
    /// `traceparent` and `tracestate`: whose child a span is.
    pub trace_context: bool,
    /// `baggage`: what callers say to those behind us.
    pub baggage: bool,
}

impl Default for Propagated {
    fn default() -> Self {
        Self { trace_context: true, baggage: true }
    }
}

static CHOSEN: OnceLock<Propagated> = OnceLock::new();

/// Has no more than this passed on from now on. Said once, before the first call; what is said later has no effect.
pub fn propagate(chosen: Propagated) {
    CHOSEN.get_or_init(|| chosen);
}

/// What is passed on.
pub(crate) fn propagated() -> Propagated {
    CHOSEN.get().copied().unwrap_or_default()
}
