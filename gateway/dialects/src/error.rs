//! A failure on its way to a client: status, headers and body before the first byte, a frame after it. What each
//! dialect calls it is in `words`(mod@words). Knows nothing of gRPC.

mod anthropic;
mod words;

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use warp2api_proto::error::v1::ErrorReason;

use crate::rejection::Rejection;

pub use words::{ErrorStyle, Retry, Words, errors_markdown_rows, reasons};

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
    pub fn status(&self, style: ErrorStyle) -> u16 {
        style.words(self.reason).status
    }

    /// The JSON of the error, as the body of an answer that failed.
    pub fn body(&self, style: ErrorStyle) -> Vec<u8> {
        match style {
            ErrorStyle::OpenAi => self.openai_body(),
            ErrorStyle::Anthropic => anthropic::body(self),
        }
    }

    fn openai_body(&self) -> Vec<u8> {
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
        let words = ErrorStyle::OpenAi.words(self.reason);
        let message = self.shown_message();
        let error = Error {
            message: &message,
            kind: words.kind,
            param: self.param.as_deref().or(words.param),
            code: words.code,
        };
        serde_json::to_vec(&Body { error }).expect("writing to memory does not fail")
    }

    /// Appends the frame that ends a stream of OpenAI's chunks that failed.
    pub(crate) fn write_frame(&self, out: &mut BytesMut) {
        out.put_slice(b"data: ");
        out.put_slice(&self.openai_body());
        out.put_slice(b"\n\n");
    }

    /// The headers that say whether and when to try again, and how to sign in.
    pub fn headers(&self, style: ErrorStyle) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.reason == ErrorReason::ApiKeyInvalid {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        let (wait, usual, again) = match style.words(self.reason).retry {
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

    /// The message as a client may see it.
    pub(crate) fn shown_message(&self) -> String {
        match (self.reason, self.retry_after) {
            // Its details are ours to know.
            (ErrorReason::Bug | ErrorReason::Unspecified, _) => "internal error".to_owned(),
            // Some agents read the wait off these words.
            (ErrorReason::UpstreamRateLimited | ErrorReason::ApiKeyRateLimited, Some(wait)) => {
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

/// SDKs wait no longer than this; beyond it they are told not to.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const STYLE: ErrorStyle = ErrorStyle::OpenAi;

    fn headers(problem: &Problem) -> Vec<String> {
        problem.headers(STYLE).iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn every_reason_has_a_row_and_a_code_of_its_own() {
        let mut codes = HashSet::new();
        for reason in reasons() {
            let words = STYLE.words(reason);
            assert!((400..600).contains(&words.status), "{reason:?}");
            assert_ne!(words.status, 408, "proxies repeat it at once: {reason:?}");
            assert_eq!(words.kind == "server_error", words.status >= 500, "{reason:?}");
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
            assert_eq!((STYLE.words(reason).status, STYLE.words(reason).code), (status, code));
        }
    }

    #[test]
    fn a_body_has_all_four_keys() {
        let problem = Problem::new(ErrorReason::UnsupportedField, "no \"n\"").with_param("n");
        let plain = Problem::new(ErrorReason::Overloaded, "busy");

        assert_eq!(
            String::from_utf8(problem.body(STYLE)).unwrap(),
            r#"{"error":{"message":"no \"n\"","type":"invalid_request_error","param":"n","code":"unsupported_parameter"}}"#
        );
        assert_eq!(
            String::from_utf8(plain.body(STYLE)).unwrap(),
            r#"{"error":{"message":"busy","type":"server_error","param":null,"code":"overloaded"}}"#
        );
    }

    #[test]
    fn a_fault_of_our_own_is_shown_without_detail() {
        for reason in [ErrorReason::Bug, ErrorReason::Unspecified] {
            let body = String::from_utf8(Problem::new(reason, "secret in src/main.rs").body(STYLE)).unwrap();
            assert!(body.contains(r#""message":"internal error""#) && !body.contains("secret"), "{body}");
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        let problem = Problem::new(ErrorReason::UpstreamRateLimited, "slow down")
            .with_retry_after(Duration::from_micros(1_200_300));

        assert_eq!(headers(&problem), ["retry-after: 2", "retry-after-ms: 1201", "x-should-retry: true"]);
        assert!(String::from_utf8(problem.body(STYLE)).unwrap().contains("slow down; try again in 2s"));
        let forever = problem.with_retry_after(Duration::MAX);
        assert_eq!(headers(&forever).last().unwrap(), "x-should-retry: false");
    }

    #[test]
    fn every_429_and_503_says_when_to_come_back() {
        for reason in reasons().filter(|reason| [429, 503].contains(&STYLE.words(*reason).status)) {
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
}
