//! What our failures are called: one table a style from [`ErrorReason`] to HTTP status, `type`, `code` and what a client
//! is told about trying again.

use std::time::Duration;

use warp2api_proto::error::v1::ErrorReason;

/// How errors are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// As OpenAI says them: `{"error": {"message", "type", "param", "code"}}`.
    OpenAi,
    /// As Anthropic says them: `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
}

/// What a style says of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The HTTP status.
    pub status: u16,
    /// The `type`.
    pub kind: &'static str,
    /// The `code`.
    pub code: &'static str,
    /// The `param` where the problem does not name one.
    pub param: Option<&'static str>,
    /// What clients are told about trying again.
    pub retry: Retry,
}

/// What clients are told about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing, unless a wait is known: they do as they do with the status.
    AsUsual,
    /// Not to.
    Never,
    /// To, after the known wait or else this one, unless it is longer than they wait.
    After(Duration),
    /// To, after the known wait. If none is known, not to; who asks anyway may after this.
    WhenKnown(Duration),
}

const INVALID: &str = "invalid_request_error";
const RATE: &str = "rate_limit_error";
const SERVER: &str = "server_error";

const SOON: Retry = Retry::After(Duration::from_secs(1));
const A_LITTLE_LATER: Retry = Retry::After(Duration::from_secs(5));
const A_MINUTE: Retry = Retry::WhenKnown(Duration::from_secs(60));

impl ErrorStyle {
    /// What the style says of a reason.
    pub fn words(self, reason: ErrorReason) -> Words {
        match self {
            Self::OpenAi => openai(reason),
            Self::Anthropic => super::anthropic::words(reason),
        }
    }
}

pub(super) fn openai(reason: ErrorReason) -> Words {
    use ErrorReason as R;
    use Retry::{AsUsual, Never};
    let row = |status, kind, code, retry| Words { status, kind, code, param: None, retry };
    match reason {
        R::InvalidField => row(400, INVALID, "invalid_value", AsUsual),
        R::UnsupportedField => row(400, INVALID, "unsupported_parameter", AsUsual),
        R::RequestTooLarge => row(413, INVALID, "request_too_large", AsUsual),
        R::MessageTypeNotFound => row(404, INVALID, "message_type_not_found", AsUsual),
        R::MalformedMessage => row(400, INVALID, "malformed_message", AsUsual),
        R::ModelNotFound => Words { param: Some("model"), ..row(404, INVALID, "model_not_found", AsUsual) },
        R::ContextTooLong => row(400, INVALID, "context_length_exceeded", AsUsual),
        R::RouteNotFound => row(404, INVALID, "unknown_url", AsUsual),
        R::MethodNotAllowed => row(405, INVALID, "method_not_allowed", AsUsual),
        // Some agents would try again for minutes.
        R::ApiKeyInvalid => row(401, "authentication_error", "invalid_api_key", Never),
        R::ApiKeyNotAllowed => row(403, "permission_error", "api_key_not_allowed", Never),
        R::ApiKeyRateLimited => row(429, RATE, "api_key_rate_limit_exceeded", SOON),
        R::AdminKeyInvalid => row(401, "authentication_error", "invalid_admin_key", AsUsual),
        R::AdminNotAllowed => row(403, "permission_error", "admin_not_allowed", AsUsual),
        R::ResponseNotFound => row(404, INVALID, "response_not_found", AsUsual),
        R::PreviousResponseNotFound => row(400, INVALID, "previous_response_not_found", AsUsual),
        R::UnsupportedMediaType => row(415, INVALID, "unsupported_media_type", AsUsual),
        R::ConversationBusy => row(409, INVALID, "conversation_busy", SOON),
        R::ExchangeNotFound => row(404, INVALID, "exchange_not_found", AsUsual),

        R::CredentialNotFound => row(404, INVALID, "credential_not_found", AsUsual),
        R::NoCredentialAvailable => row(503, SERVER, "no_credential_available", A_MINUTE),
        R::LeaseNotFound => row(404, INVALID, "lease_not_found", AsUsual),
        R::CredentialRefreshFailed => row(503, SERVER, "credential_refresh_failed", A_LITTLE_LATER),
        R::CredentialExists => row(409, INVALID, "credential_exists", Never),
        R::StoreUnavailable => row(503, SERVER, "store_unavailable", A_LITTLE_LATER),
        R::CredentialChanged => row(409, INVALID, "credential_changed", AsUsual),
        R::CredentialUnsuitable => row(400, INVALID, "credential_unsuitable", AsUsual),
        R::StoreKeyMissing => row(400, INVALID, "store_key_missing", AsUsual),

        R::UpstreamQuotaExhausted => row(429, "insufficient_quota", "insufficient_quota", A_MINUTE),
        R::UpstreamRateLimited => row(429, RATE, "rate_limit_exceeded", A_LITTLE_LATER),
        R::UpstreamUnavailable => row(503, SERVER, "upstream_unavailable", SOON),
        R::UpstreamRejected => row(400, INVALID, "upstream_rejected", AsUsual),
        R::UpstreamFailed => row(502, SERVER, "upstream_failed", AsUsual),
        R::UpstreamInterrupted => row(502, SERVER, "upstream_interrupted", AsUsual),
        R::UpstreamMalformed => row(502, SERVER, "upstream_malformed", AsUsual),
        R::UpstreamTimeout => row(504, SERVER, "upstream_timeout", AsUsual),
        R::ProviderKeyRejected => row(400, INVALID, "provider_key_rejected", AsUsual),

        R::DeadlinePassed => row(504, SERVER, "deadline_passed", AsUsual),
        R::Cancelled => row(499, INVALID, "cancelled", AsUsual),
        R::Overloaded => row(503, SERVER, "overloaded", SOON),
        R::ShuttingDown => row(503, SERVER, "shutting_down", SOON),
        R::ServiceUnreachable => row(503, SERVER, "service_unreachable", SOON),
        R::MethodNotFound => row(501, SERVER, "method_not_found", Never),
        R::ServiceTokenInvalid => row(401, "authentication_error", "invalid_service_token", AsUsual),
        R::ServiceNotAllowed => row(403, "permission_error", "service_not_allowed", AsUsual),
        R::Bug | R::Unspecified => row(500, SERVER, "internal_error", AsUsual),
    }
}

/// Every reason of the contract, in its order.
pub fn reasons() -> impl Iterator<Item = ErrorReason> {
    // The numbers have gaps; they end well below this.
    (1..1000).filter_map(|number| ErrorReason::try_from(number).ok())
}

/// The rows of the table in docs/errors.md: reason, HTTP status, `type`, `code`, Anthropic's `type`, whether a client
/// tries again.
pub fn errors_markdown_rows() -> Vec<[String; 6]> {
    let rows = reasons().map(|reason| {
        let Words { status, kind, code, retry, .. } = openai(reason);
        let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
        let retry = match retry {
            Retry::AsUsual if status < 500 => "no".to_owned(),
            Retry::AsUsual => "as the client does with this status".to_owned(),
            Retry::Never => "told not to".to_owned(),
            Retry::After(usual) => format!("after the known wait, else {} s", usual.as_secs()),
            Retry::WhenKnown(_) => "after the known wait, else told not to".to_owned(),
        };
        let anthropics = ErrorStyle::Anthropic.words(reason).kind;
        let [name, kind, code, anthropics] = [name, kind, code, anthropics].map(|word| format!("`{word}`"));
        [name, status.to_string(), kind, code, anthropics, retry]
    });
    rows.collect()
}
