//! What OpenAI calls our failures: one table from [`ErrorReason`] to HTTP status, `type`, `code` and what a client
//! is told about trying again. Knows nothing of gRPC.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use warp2api_proto::error::v1::ErrorReason;

use crate::rejection::Rejection;

/// A failure on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub reason: ErrorReason,
    /// The same in words, for people. Not shown where the fault is our own.
    pub message: String,
    /// The path of the field at fault in the caller's request.
    pub param: Option<String>,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without a field and without a wait.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), param: None, retry_after: None }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        words(self.reason).status
    }

    /// The JSON of the error, as the body of an answer that failed.
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Error<'a>,
        }
        #[derive(Serialize)]
        struct Error<'a> {
            message: &'a str,
            #[serde(rename = "type")]
            kind: &'a str,
            param: Option<&'a str>,
            code: &'a str,
        }
        let words = words(self.reason);
        let message = self.shown_message();
        let error = Error {
            message: &message,
            kind: words.kind,
            param: self.param.as_deref().or(words.param),
            code: words.code,
        };
        serde_json::to_vec(&Body { error }).expect("writing to memory does not fail")
    }

    /// Appends the frame that ends a stream that failed.
    pub fn write_frame(&self, out: &mut BytesMut) {
        out.put_slice(b"data: ");
        out.put_slice(&self.body());
        out.put_slice(b"\n\n");
    }

    /// The headers that say whether and when to try again, and how to sign in.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.reason == ErrorReason::ApiKeyInvalid {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        let (wait, usual, again) = match words(self.reason).retry {
            Retry::AsUsual => (self.retry_after, None, None),
            Retry::Never => (None, None, Some(false)),
            Retry::After(usual) => (self.retry_after, Some(usual), Some(true)),
            Retry::WhenKnown(usual) => (self.retry_after, Some(usual), Some(self.retry_after.is_some())),
        };
        if let Some(wait) = wait.or(usual) {
            let milliseconds = wait.as_nanos().div_ceil(1_000_000);
            headers.push(("retry-after", whole_seconds(wait).to_string()));
            headers.push(("retry-after-ms", milliseconds.to_string()));
        }
        if let Some(again) = again {
            let again = again && wait.is_none_or(|wait| wait <= LONGEST_WAIT);
            headers.push(("x-should-retry", again.to_string()));
        }
        headers
    }

    fn shown_message(&self) -> String {
        match (self.reason, self.retry_after) {
            // Its details are ours to know.
            (ErrorReason::Bug | ErrorReason::Unspecified, _) => "internal error".to_owned(),
            // Some agents read the wait off these words.
            (ErrorReason::UpstreamRateLimited, Some(wait)) => {
                format!("{}; try again in {}s", self.message, whole_seconds(wait))
            }
            _ => self.message.clone(),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        Self { reason: rejection.reason, message, param: rejection.param, retry_after: None }
    }
}

/// The caller's name for a field of the contract, as a service that refuses one says it. Fields that the caller
/// cannot have meant keep their name.
pub fn param_of_field(field: &str) -> String {
    match field {
        "limits.max_output_tokens" => return "max_completion_tokens".to_owned(),
        _ if field.starts_with("limits.stop_sequences") => return "stop".to_owned(),
        // Tools that are not functions are left out, so the numbers may differ.
        _ if field.starts_with("tools") => return "tools".to_owned(),
        _ if field.starts_with("tool_choice") => return "tool_choice".to_owned(),
        _ => {}
    }
    // Messages are one to one; their insides are not.
    match field.find(']') {
        Some(end) if field.starts_with("messages[") => field[..=end].to_owned(),
        _ => field.to_owned(),
    }
}

/// SDKs wait no longer than this; beyond it they are told not to.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// What OpenAI's dialect says of a reason.
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

/// The row of a reason.
pub fn words(reason: ErrorReason) -> Words {
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
        R::ContextTooLong => {
            Words { param: Some("messages"), ..row(400, INVALID, "context_length_exceeded", AsUsual) }
        }
        R::RouteNotFound => row(404, INVALID, "unknown_url", AsUsual),
        R::MethodNotAllowed => row(405, INVALID, "method_not_allowed", AsUsual),
        R::ApiKeyInvalid => row(401, "authentication_error", "invalid_api_key", AsUsual),
        R::ConversationBusy => row(409, INVALID, "conversation_busy", SOON),

        R::CredentialNotFound => row(404, INVALID, "credential_not_found", AsUsual),
        R::NoCredentialAvailable => row(503, SERVER, "no_credential_available", A_MINUTE),
        R::LeaseNotFound => row(404, INVALID, "lease_not_found", AsUsual),
        R::CredentialRefreshFailed => row(503, SERVER, "credential_refresh_failed", A_LITTLE_LATER),
        R::CredentialExists => row(409, INVALID, "credential_exists", Never),
        R::StoreUnavailable => row(503, SERVER, "store_unavailable", A_LITTLE_LATER),

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
        R::Bug | R::Unspecified => row(500, SERVER, "internal_error", AsUsual),
    }
}

/// Every reason of the contract, in its order.
pub fn reasons() -> impl Iterator<Item = ErrorReason> {
    // The numbers have gaps; they end well below this.
    (1..1000).filter_map(|number| ErrorReason::try_from(number).ok())
}

/// The rows of the table in docs/errors.md: reason, HTTP status, `type`, `code`, whether a client tries again.
pub fn errors_markdown_rows() -> Vec<[String; 5]> {
    let rows = reasons().map(|reason| {
        let Words { status, kind, code, retry, .. } = words(reason);
        let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
        let retry = match retry {
            Retry::AsUsual if status < 500 => "no".to_owned(),
            Retry::AsUsual => "as the client does with this status".to_owned(),
            Retry::Never => "told not to".to_owned(),
            Retry::After(usual) => format!("after the known wait, else {} s", usual.as_secs()),
            Retry::WhenKnown(_) => "after the known wait, else told not to".to_owned(),
        };
        [format!("`{name}`"), status.to_string(), format!("`{kind}`"), format!("`{code}`"), retry]
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn headers(problem: &Problem) -> Vec<String> {
        problem.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn every_reason_has_a_row_and_a_code_of_its_own() {
        let mut codes = HashSet::new();
        for reason in reasons() {
            let words = words(reason);
            assert!((400..600).contains(&words.status), "{reason:?}");
            assert_ne!(words.status, 408, "proxies repeat it at once: {reason:?}");
            assert_eq!(words.kind == SERVER, words.status >= 500, "{reason:?}");
            assert!(codes.insert(words.code), "{reason:?} shares its code");
        }
        assert_eq!(codes.len(), errors_markdown_rows().len());
        assert!(codes.len() > 25);
    }

    #[test]
    fn the_words_clients_act_on_are_openais() {
        let cases = [
            (ErrorReason::InvalidField, 400, "invalid_value"),
            (ErrorReason::UnsupportedField, 400, "unsupported_parameter"),
            (ErrorReason::ModelNotFound, 404, "model_not_found"),
            (ErrorReason::ContextTooLong, 400, "context_length_exceeded"),
            (ErrorReason::ApiKeyInvalid, 401, "invalid_api_key"),
            (ErrorReason::UpstreamQuotaExhausted, 429, "insufficient_quota"),
            (ErrorReason::UpstreamRateLimited, 429, "rate_limit_exceeded"),
        ];
        for (reason, status, code) in cases {
            assert_eq!((words(reason).status, words(reason).code), (status, code));
        }
    }

    #[test]
    fn a_body_has_all_four_keys() {
        let problem = Problem::new(ErrorReason::UnsupportedField, "no \"n\"").with_param("n");
        let plain = Problem::new(ErrorReason::Overloaded, "busy");

        assert_eq!(
            String::from_utf8(problem.body()).unwrap(),
            r#"{"error":{"message":"no \"n\"","type":"invalid_request_error","param":"n","code":"unsupported_parameter"}}"#
        );
        assert_eq!(
            String::from_utf8(plain.body()).unwrap(),
            r#"{"error":{"message":"busy","type":"server_error","param":null,"code":"overloaded"}}"#
        );
    }

    #[test]
    fn a_fault_of_our_own_is_shown_without_detail() {
        for reason in [ErrorReason::Bug, ErrorReason::Unspecified] {
            let body = String::from_utf8(Problem::new(reason, "secret in src/main.rs").body()).unwrap();
            assert!(body.contains(r#""message":"internal error""#) && !body.contains("secret"), "{body}");
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        let problem = Problem::new(ErrorReason::UpstreamRateLimited, "slow down")
            .with_retry_after(Duration::from_micros(1_200_300));

        assert_eq!(headers(&problem), ["retry-after: 2", "retry-after-ms: 1201", "x-should-retry: true"]);
        assert!(String::from_utf8(problem.body()).unwrap().contains("slow down; try again in 2s"));
        let forever = problem.with_retry_after(Duration::MAX);
        assert_eq!(headers(&forever).last().unwrap(), "x-should-retry: false");
    }

    #[test]
    fn every_429_and_503_says_when_to_come_back() {
        for reason in reasons().filter(|reason| [429, 503].contains(&words(*reason).status)) {
            let headers = headers(&Problem::new(reason, ""));
            assert!(headers[0].starts_with("retry-after: "), "{reason:?}: {headers:?}");
        }
    }

    #[test]
    fn clients_are_not_sent_round_again_when_nothing_will_have_changed() {
        let exhausted = Problem::new(ErrorReason::UpstreamQuotaExhausted, "no credits");
        let soon = exhausted.clone().with_retry_after(Duration::from_secs(60));
        let late = exhausted.clone().with_retry_after(Duration::from_secs(61));

        assert_eq!(headers(&exhausted)[2], "x-should-retry: false");
        assert_eq!(headers(&soon), ["retry-after: 60", "retry-after-ms: 60000", "x-should-retry: true"]);
        assert_eq!(headers(&late), ["retry-after: 61", "retry-after-ms: 61000", "x-should-retry: false"]);
        assert_eq!(headers(&Problem::new(ErrorReason::MethodNotFound, "")), ["x-should-retry: false"]);
        assert!(headers(&Problem::new(ErrorReason::UpstreamFailed, "")).is_empty());
    }

    #[test]
    fn fields_of_the_contract_get_the_callers_names() {
        let cases = [
            ("messages[2].parts[0].image", "messages[2]"),
            ("messages", "messages"),
            ("tools[1].parameters_json", "tools"),
            ("tool_choice.mode", "tool_choice"),
            ("limits.max_output_tokens", "max_completion_tokens"),
            ("limits.stop_sequences[0]", "stop"),
            ("model", "model"),
        ];
        for (field, param) in cases {
            assert_eq!(param_of_field(field), param);
        }
    }
}
