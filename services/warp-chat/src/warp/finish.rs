//! How a stream ends: the reason the upstream gives, as a normal end or a failure.

use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;
use warp2api_proto::warp::multi_agent::v1::response_event::stream_finished::Reason;
use warp2api_proto::warp_chat::v1::FinishReason;

use crate::error::{Retry, TurnError};

/// What a turn had brought forth when it ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Brought {
    /// Any text or reasoning.
    pub(crate) text: bool,
    /// Any tool call.
    pub(crate) calls: bool,
}

/// The end of a turn for the caller.
///
/// # Errors
/// When the reason is none of a turn that ended well. No reason at all counts as done, as with official clients.
pub(crate) fn end(reason: Option<&Reason>, brought: Brought) -> Result<FinishReason, TurnError> {
    match reason {
        None | Some(Reason::Done(_)) if brought.calls => Ok(FinishReason::ToolCalls),
        None | Some(Reason::Done(_)) => Ok(FinishReason::Stop),
        Some(Reason::MaxTokenLimit(_)) if brought.text || brought.calls => Ok(FinishReason::Length),
        Some(Reason::MaxTokenLimit(_) | Reason::ContextWindowExceeded(_)) => Err(TurnError::new(
            ErrorReason::ContextTooLong,
            "the conversation does not fit the model's context window",
            CredentialOutcome::RequestFault,
        )),
        Some(Reason::QuotaLimit(_)) => Err(quota_exhausted()),
        Some(Reason::LlmUnavailable(_)) => Err(TurnError::new(
            ErrorReason::UpstreamUnavailable,
            "the upstream cannot reach the model now",
            CredentialOutcome::UpstreamFault,
        )),
        // Its message is the upstream's own text; it may quote the prompt.
        Some(Reason::InternalError(_)) => Err(TurnError::new(
            ErrorReason::UpstreamFailed,
            "the upstream ended the turn with an internal error",
            CredentialOutcome::UpstreamFault,
        )),
        Some(Reason::InvalidApiKey(key)) => Err(TurnError::new(
            ErrorReason::ProviderKeyRejected,
            format!(
                "the model provider {} refused the provider key of the upstream account",
                key.provider().as_str_name()
            ),
            CredentialOutcome::RequestFault,
        )),
        Some(Reason::Other(_)) => Err(TurnError::new(
            ErrorReason::UpstreamFailed,
            "the upstream ended the turn without giving a reason",
            CredentialOutcome::UpstreamFault,
        )),
    }
}

/// The credential's quota is used up; another one may have some left.
pub(crate) fn quota_exhausted() -> TurnError {
    TurnError::new(
        ErrorReason::UpstreamQuotaExhausted,
        "the upstream's quota is used up",
        CredentialOutcome::QuotaExhausted,
    )
    .with_retry(Retry::NextCredential)
}
