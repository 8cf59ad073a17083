//! What an answer of the upstream that is no stream means, by its status, two headers and the words of its body.
//!
//! The body itself goes nowhere: it may quote the prompt.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;

use crate::error::{Retry, TurnError};
use crate::warp::finish::quota_exhausted;

/// How much of a body is read to find out what it means.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024;

/// The failure that an HTTP error stands for.
pub(crate) fn classify(status: StatusCode, headers: &HeaderMap, body: &str) -> TurnError {
    let retry_after = retry_after(headers);
    let says = |words: &str| contains_ignoring_case(body, words);
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let out_of_credits =
                headers.get("x-warp-error-code").is_some_and(|code| code == "OUT_OF_CREDITS");
            if out_of_credits || says("no remaining quota") || says("no ai requests remaining") {
                return quota_exhausted().with_retry_after(retry_after);
            }
            TurnError::new(
                ErrorReason::UpstreamRateLimited,
                "the upstream asks to slow down",
                CredentialOutcome::RateLimited,
            )
            .with_retry(Retry::NextCredential)
            .with_retry_after(retry_after)
        }
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED => TurnError::new(
            ErrorReason::NoCredentialAvailable,
            "the upstream refused the credential",
            CredentialOutcome::Rejected,
        )
        .with_retry(Retry::NextCredential),
        StatusCode::FORBIDDEN => {
            let blocked = says("has been blocked") || says("blocked from using");
            let outcome = if blocked { CredentialOutcome::Blocked } else { CredentialOutcome::Rejected };
            let message = if blocked {
                "the upstream has blocked the account"
            } else {
                "the upstream refused the credential"
            };
            TurnError::new(ErrorReason::NoCredentialAvailable, message, outcome)
                .with_retry(Retry::NextCredential)
        }
        StatusCode::BAD_REQUEST if says("not allowed for your account") || says("requested base model") => {
            // Another account's plan may have it.
            TurnError::new(
                ErrorReason::ModelNotFound,
                "the model does not exist, or the upstream account may not use it",
                CredentialOutcome::RequestFault,
            )
            .with_retry(Retry::NextCredential)
        }
        StatusCode::PAYLOAD_TOO_LARGE => TurnError::new(
            ErrorReason::RequestTooLarge,
            "the conversation is larger than the upstream takes",
            CredentialOutcome::RequestFault,
        ),
        StatusCode::REQUEST_TIMEOUT => unavailable(status, retry_after),
        status if status.is_server_error() => unavailable(status, retry_after),
        status if status.is_client_error() => TurnError::new(
            ErrorReason::UpstreamRejected,
            format!("the upstream refused the request with status {}", status.as_u16()),
            CredentialOutcome::RequestFault,
        ),
        status => TurnError::malformed(format!(
            "the upstream answered with status {} where a stream was due",
            status.as_u16()
        )),
    }
}

fn unavailable(status: StatusCode, retry_after: Option<Duration>) -> TurnError {
    TurnError::upstream_unavailable(
        ErrorReason::UpstreamUnavailable,
        format!("the upstream failed with status {}", status.as_u16()),
    )
    .with_retry_after(retry_after)
}

/// `Retry-After` in seconds; its other form, a date, is not used by the upstream.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(24 * 3600)))
}

fn contains_ignoring_case(text: &str, words: &str) -> bool {
    text.as_bytes().windows(words.len()).any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_means_what_the_upstream_means_by_it() {
        use CredentialOutcome as O;
        use ErrorReason as R;
        use Retry::{Never, NextCredential, SameCredential};
        let quota = r#"{"error":"No remaining quota: No AI requests remaining"}"#;
        for (status, code, body, reason, outcome, retry) in [
            (429, "OUT_OF_CREDITS", "", R::UpstreamQuotaExhausted, O::QuotaExhausted, NextCredential),
            (429, "", quota, R::UpstreamQuotaExhausted, O::QuotaExhausted, NextCredential),
            (429, "", "<html>429</html>", R::UpstreamRateLimited, O::RateLimited, NextCredential),
            (403, "", "Your account has been blocked", R::NoCredentialAvailable, O::Blocked, NextCredential),
            (403, "", "blocked from using AI features", R::NoCredentialAvailable, O::Blocked, NextCredential),
            (403, "", "<html>", R::NoCredentialAvailable, O::Rejected, NextCredential),
            (401, "", "", R::NoCredentialAvailable, O::Rejected, NextCredential),
            (
                400,
                "",
                "requested base model x is not allowed for your account",
                R::ModelNotFound,
                O::RequestFault,
                NextCredential,
            ),
            (400, "", "bad", R::UpstreamRejected, O::RequestFault, Never),
            (413, "", "", R::RequestTooLarge, O::RequestFault, Never),
            (408, "", "", R::UpstreamUnavailable, O::UpstreamUnavailable, SameCredential),
            (500, "", "", R::UpstreamUnavailable, O::UpstreamUnavailable, SameCredential),
            (503, "", "", R::UpstreamUnavailable, O::UpstreamUnavailable, SameCredential),
            (302, "", "", R::UpstreamMalformed, O::UpstreamFault, Never),
        ] {
            let mut headers = HeaderMap::new();
            if !code.is_empty() {
                headers.insert("x-warp-error-code", code.parse().unwrap());
            }
            let error = classify(StatusCode::from_u16(status).unwrap(), &headers, body);
            assert_eq!(
                (error.reason, error.outcome, error.retry),
                (reason, outcome, retry),
                "{status} {body}"
            );
            assert!(body.is_empty() || !error.message.contains(body), "bodies go nowhere");
        }
    }

    #[test]
    fn a_wait_that_the_upstream_asks_for_is_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "30".parse().unwrap());

        let error = classify(StatusCode::TOO_MANY_REQUESTS, &headers, "");

        assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
    }
}
