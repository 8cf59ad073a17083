//! What Anthropic's dialect calls our failures. Statuses and the advice about trying again are those of OpenAI's: one
//! failure has one status, whoever asks. Only the `type` differs, and follows from the status, but for what is busy.
//!
//! Anthropic's own status for that is 529, which proxies do not know. Its SDKs try 503 again as well, and read the waits
//! off the same headers, so 503 it is, with the `type` that belongs to 529.

use serde::Serialize;
use warp2api_proto::error::v1::ErrorReason;

use super::Problem;
use super::words::{Words, openai};

/// What the dialect says of a reason.
pub(super) fn words(reason: ErrorReason) -> Words {
    let words = openai(reason);
    let kind = match words.status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    Words { kind, ..words }
}

/// `{"type": "error", "error": {"type", "message"}}`. The field at fault has no key of its own, so the message names it.
pub(super) fn body(problem: &Problem) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        message: &'a str,
    }
    let shown = problem.shown_message();
    let message = match &problem.param {
        // Agents that can shorten a conversation do so at these words.
        _ if problem.reason == ErrorReason::ContextTooLong => format!("prompt is too long: {shown}"),
        Some(param) if !shown.starts_with(param.as_str()) => format!("{param}: {shown}"),
        _ => shown,
    };
    let error = Error { kind: words(problem.reason).kind, message: &message };
    serde_json::to_vec(&Body { kind: "error", error }).expect("writing to memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::super::words::reasons;
    use super::super::{ErrorStyle, Problem};
    use super::*;

    fn body(problem: &Problem) -> String {
        String::from_utf8(problem.body(ErrorStyle::Anthropic)).unwrap()
    }

    #[test]
    fn every_reason_has_a_type_that_fits_its_status() {
        for reason in reasons() {
            let words = ErrorStyle::Anthropic.words(reason);
            assert_eq!(words.status, ErrorStyle::OpenAi.words(reason).status, "{reason:?}");
            let ours = ["api_error", "overloaded_error", "timeout_error"].contains(&words.kind);
            assert_eq!(ours, words.status >= 500, "{reason:?}");
        }
    }

    #[test]
    fn the_types_clients_act_on_are_anthropics() {
        for (reason, status, kind) in [
            (ErrorReason::InvalidField, 400, "invalid_request_error"),
            (ErrorReason::ContextTooLong, 400, "invalid_request_error"),
            (ErrorReason::ApiKeyInvalid, 401, "authentication_error"),
            (ErrorReason::ModelNotFound, 404, "not_found_error"),
            (ErrorReason::ConversationBusy, 409, "invalid_request_error"),
            (ErrorReason::RequestTooLarge, 413, "request_too_large"),
            (ErrorReason::UpstreamQuotaExhausted, 429, "rate_limit_error"),
            (ErrorReason::UpstreamRateLimited, 429, "rate_limit_error"),
            (ErrorReason::Bug, 500, "api_error"),
            (ErrorReason::UpstreamFailed, 502, "api_error"),
            (ErrorReason::UpstreamUnavailable, 503, "overloaded_error"),
            (ErrorReason::UpstreamTimeout, 504, "timeout_error"),
        ] {
            let words = ErrorStyle::Anthropic.words(reason);
            assert_eq!((words.status, words.kind), (status, kind));
        }
    }

    #[test]
    fn a_body_names_the_field_once() {
        let field = Problem::new(ErrorReason::InvalidField, "must be set").with_param("model");
        let named = Problem::new(ErrorReason::InvalidField, "model: must be set").with_param("model");
        let expected =
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"model: must be set"}}"#;
        assert_eq!((body(&field).as_str(), body(&named).as_str()), (expected, expected));

        let long = Problem::new(ErrorReason::ContextTooLong, "no room").with_param("messages");
        assert!(body(&long).contains(r#""message":"prompt is too long: no room""#), "{}", body(&long));
        assert!(body(&Problem::new(ErrorReason::Bug, "secret")).contains(r#""message":"internal error""#));
    }
}
