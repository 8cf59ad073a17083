//! What a turn tells its trace: one span, and in it an event for each step, so that whoever looks at a slow or failed
//! turn sees which credentials it had, how each fared, and what it waited for. The names stand here and nowhere else.
//!
//! Nothing of it is secret: credentials are named by their ids, errors by their reasons.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{Level, Span};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::{CredentialOutcome, CredentialTier, Lease};
use warp2api_rpc::reason::reason_name;

use crate::error::TurnError;

/// The span of a turn, from the call to the end of its stream. Has [`REQUEST_ID`].
pub const TURN: &str = "turn";

/// A credential was leased. Has [`ATTEMPT`], [`CREDENTIAL_ID`], [`CREDENTIAL_TIER`], [`WAIT_MS`], [`PROBE`].
pub const LEASED: &str = "leased";
/// The pool had none. Has [`ATTEMPT`], [`ERROR_REASON`], [`WAIT_MS`].
pub const NOT_LEASED: &str = "not leased";
/// A lease was given back. Has [`CREDENTIAL_ID`], [`OUTCOME`].
pub const GIVEN_BACK: &str = "given back";
/// The same credential is tried again after a pause. Has [`ATTEMPT`], [`ERROR_REASON`], [`WAIT_MS`].
pub const RETRIED: &str = "retried";
/// The conversation is begun anew, as the upstream does not know it any more. Has [`ATTEMPT`], [`ERROR_REASON`].
pub const BEGUN_ANEW: &str = "begun anew";
/// The same credential is leased again with a new access token, as the old one was refused. Has [`ATTEMPT`],
/// [`ERROR_REASON`].
pub const REFRESHED: &str = "refreshed";
/// Another credential is to serve. Has [`ATTEMPT`], [`ERROR_REASON`].
pub const FAILED_OVER: &str = "failed over";
/// There is something to show to the caller: from here on nothing is repeated. Has [`ATTEMPT`], [`WAIT_MS`].
pub const FIRST_EVENT: &str = "first event";
/// The turn ended well.
pub const FINISHED: &str = "finished";
/// The turn ended with an error. Has [`ERROR_REASON`].
pub const FAILED: &str = "failed";
/// The caller left before the end.
pub const CANCELLED: &str = "cancelled";

/// The id by which the caller's request is known everywhere.
pub const REQUEST_ID: &str = "request.id";
/// Which sending of the turn it is about, from 1.
pub const ATTEMPT: &str = "attempt";
/// The id of the credential.
pub const CREDENTIAL_ID: &str = "credential.id";
/// Its tier: `personal`, `shared` or `anonymous`.
pub const CREDENTIAL_TIER: &str = "credential.tier";
/// Whether the lease tries a credential, or the upstream, that had failed.
pub const PROBE: &str = "probe";
/// How the credential fared, as the pool is told: a `CredentialOutcome` without its prefix.
pub const OUTCOME: &str = "outcome";
/// The reason of the error: an `ErrorReason` without its prefix.
pub const ERROR_REASON: &str = "error.reason";
/// How long it was waited for that, in milliseconds: for the lease, before the next attempt, since the turn began.
pub const WAIT_MS: &str = "wait_ms";

/// The trail of one turn. Dropped before the turn has ended, it says that the caller left.
#[derive(Debug)]
pub(crate) struct Trail {
    span: Span,
    began: Instant,
    attempt: u32,
    ended: bool,
}

impl Trail {
    pub(crate) fn begin(request_id: Option<&str>) -> Self {
        let span = tracing::span!(Level::INFO, TURN, { REQUEST_ID } = request_id);
        Self { span, began: Instant::now(), attempt: 1, ended: false }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn leased(&self, lease: &Lease, waited: Duration) {
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { CREDENTIAL_ID } = id_of(lease),
            { CREDENTIAL_TIER } = tier(lease.tier()),
            { WAIT_MS } = millis(waited),
            { PROBE } = lease.probe,
            message = LEASED
        );
    }

    pub(crate) fn not_leased(&self, reason: ErrorReason, waited: Duration) {
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(reason),
            { WAIT_MS } = millis(waited),
            message = NOT_LEASED
        );
    }

    pub(crate) fn retried(&mut self, error: &TurnError, pause: Duration) {
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(error.reason),
            { WAIT_MS } = millis(pause),
            message = RETRIED
        );
        self.attempt += 1;
    }

    /// Another attempt follows; `event` says of what kind.
    pub(crate) fn goes_on(&mut self, event: &'static str, error: &TurnError) {
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(error.reason),
            message = event
        );
        self.attempt += 1;
    }

    pub(crate) fn first_event(&self) {
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { WAIT_MS } = millis(self.began.elapsed()),
            message = FIRST_EVENT
        );
    }

    pub(crate) fn finished(&mut self) {
        self.ended = true;
        tracing::event!(parent: &self.span, Level::DEBUG, message = FINISHED);
    }

    pub(crate) fn failed(&mut self, reason: ErrorReason) {
        self.ended = true;
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ERROR_REASON } = reason_name(reason),
            message = FAILED
        );
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if !self.ended {
            tracing::event!(parent: &self.span, Level::DEBUG, message = CANCELLED);
        }
    }
}

/// Tells the span of a turn that a lease of it was given back.
pub(crate) fn given_back(span: &Span, lease: &Lease, outcome: CredentialOutcome) {
    let name = outcome.as_str_name();
    tracing::event!(
        parent: span,
        Level::DEBUG,
        { CREDENTIAL_ID } = id_of(lease),
        { OUTCOME } = name.strip_prefix("CREDENTIAL_OUTCOME_").unwrap_or(name),
        message = GIVEN_BACK
    );
}

fn id_of(lease: &Lease) -> &str {
    lease.credential.strip_prefix("credentials/").unwrap_or(&lease.credential)
}

fn tier(tier: CredentialTier) -> &'static str {
    match tier {
        CredentialTier::Unspecified => "unknown",
        CredentialTier::Personal => "personal",
        CredentialTier::Shared => "shared",
        CredentialTier::Anonymous => "anonymous",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
