//! What can go wrong in a turn, and the three questions others ask about it: what to tell the caller, how the
//! credential fared, and whether trying again makes sense.

use std::time::Duration;

use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;
use warp2api_rpc::Failure;

/// Why a turn, or one attempt at it, failed. Messages are for the caller: no secret, no prompt, no upstream body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TurnError {
    /// What to call it.
    pub reason: ErrorReason,
    /// The same in words.
    pub message: String,
    /// How the credential fared.
    pub outcome: CredentialOutcome,
    /// Whether to try again, as long as nothing was sent to the caller.
    pub retry: Retry,
    /// How long the upstream asked to wait.
    pub retry_after: Option<Duration>,
}

/// What may help after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the same would happen again.
    Never,
    /// The same credential once more, after a pause.
    SameCredential,
    /// Another credential, at once.
    NextCredential,
}

impl TurnError {
    /// A failure that no repetition mends.
    pub fn new(reason: ErrorReason, message: impl Into<String>, outcome: CredentialOutcome) -> Self {
        Self { reason, message: message.into(), outcome, retry: Retry::Never, retry_after: None }
    }

    /// The upstream is at fault, perhaps only for a moment.
    pub fn upstream_fault(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(reason, message, CredentialOutcome::UpstreamFault).with_retry(Retry::SameCredential)
    }

    /// The upstream is not there, perhaps only for a moment.
    pub fn upstream_unavailable(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(reason, message, CredentialOutcome::UpstreamUnavailable).with_retry(Retry::SameCredential)
    }

    /// The upstream sent what its protocol does not allow.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::UpstreamMalformed, message, CredentialOutcome::UpstreamFault)
    }

    /// Says what may help.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl From<TurnError> for Failure {
    fn from(error: TurnError) -> Self {
        Self::new(error.reason, error.message).with_retry_after(error.retry_after)
    }
}
