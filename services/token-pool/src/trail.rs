//! What the pool tells traces: why a lease had to wait, what became of a credential, what became of an endpoint. Each is
//! an event of the span of the call that brought it about; without a span nobody is told.
//!
//! Credentials are named by their ids, and causes are our own words.

use std::time::{Duration, SystemTime};

use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use warp2api_rpc::semconv;
use warp2api_rpc::trace::names::{self, CREDENTIAL_ID, ENDPOINT, WAIT_MS, WHY};
use warp2api_rpc::trace::{self, TARGET};

use crate::clock::until;
use crate::credential::CredentialId;
use crate::entry::Entry;
use crate::state::Phase;

/// A lease waited for a slot.
pub(crate) fn waited(time: Duration) {
    tracing::event!(target: TARGET, Level::DEBUG, { WAIT_MS } = millis(time), message = names::WAITED_FOR_SLOT);
}

/// A lease needs an access token first.
pub(crate) fn awaits_token(credential: &CredentialId) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        { CREDENTIAL_ID } = credential.as_str(),
        message = names::AWAITS_TOKEN
    );
}

/// A credential stands elsewhere than before, or for longer.
pub(crate) fn stands(entry: &Entry, before: Phase, now: SystemTime) {
    let phase = entry.state.phase_at(now);
    if phase == before {
        return;
    }
    let (event, end) = match phase {
        Phase::Active => (names::BACK, None),
        Phase::CoolingDown { until } => (names::COOLED_DOWN, Some(until)),
        Phase::Exhausted { until } => (names::EXHAUSTED, Some(until)),
        Phase::Tripped { probe_at } => (names::DISABLED, Some(probe_at)),
        Phase::Blocked | Phase::Expired | Phase::SwitchedOff => (names::PUT_ASIDE, None),
    };
    let why = entry.last_error.as_deref().filter(|_| phase != Phase::Active);
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        { CREDENTIAL_ID } = entry.id.as_str(),
        { WAIT_MS } = end.map(|end| millis(until(end, now))),
        { WHY } = why,
        message = event
    );
}

/// An endpoint is left alone.
pub(crate) fn breaker_opened(endpoint: &str, why: &str, wait_ms: u64) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        { ENDPOINT } = endpoint,
        { WHY } = why,
        { WAIT_MS } = wait_ms,
        message = names::BREAKER_OPENED
    );
}

/// An endpoint works again.
pub(crate) fn breaker_closed(endpoint: &str) {
    tracing::event!(target: TARGET, Level::DEBUG, { ENDPOINT } = endpoint, message = names::BREAKER_CLOSED);
}

/// The span of an exchange: the child of the lease that began it, or a trace of its own.
pub(crate) fn exchange(credential: &CredentialId) -> Span {
    let span = tracing::span!(
        target: TARGET,
        Level::DEBUG,
        "exchange",
        otel.name = "refresh",
        otel.kind = "client"
    );
    if !span.is_disabled() {
        span.set_attribute(semconv::CREDENTIAL_ID, credential.as_str().to_owned());
    }
    span
}

/// The exchange that is under way failed.
pub(crate) fn not_exchanged(refused: bool) {
    trace::failed(&Span::current(), if refused { "refused" } else { "not_answered" });
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
