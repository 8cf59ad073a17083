//! One exchange of a refresh token for an access token: the IO, and what the answer means.
//!
//! Decides nothing about the credential. It says whether the token endpoint refused the refresh token, which
//! counts against the credential, or failed in some other way, which does not.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;
use warp2api_rpc::HttpEndpoint;

use crate::clock::{after, until};
use crate::credential::Secret;
use crate::jwt;

const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The codes with which the token endpoint says that the refresh token, or its account, is at fault.
const REFUSALS: [&str; 6] = [
    "TOKEN_EXPIRED",
    "INVALID_REFRESH_TOKEN",
    "MISSING_REFRESH_TOKEN",
    "USER_DISABLED",
    "USER_NOT_FOUND",
    "invalid_grant",
];

/// Where refresh tokens are exchanged.
#[derive(Clone)]
pub struct TokenExchange {
    /// The way to the token endpoint.
    pub endpoint: HttpEndpoint,
    /// The token endpoint, an absolute URL. May hold a key in its query: never shown.
    pub url: String,
    /// Where to go if the first fails without refusing the token.
    pub fallback_url: Option<String>,
    /// Headers of each request, besides the content type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the token endpoint gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token for next time, if it is another.
    pub refresh_token: Option<Secret>,
    /// When the access token expires. `None` if nobody said.
    pub expires: Option<SystemTime>,
}

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The refresh token or its account is refused. The code is one of a known few.
    #[error("the token endpoint refused the refresh token: {0}")]
    Refused(&'static str),
    /// The token endpoint answered with an error that is not about the refresh token.
    #[error("the token endpoint answered {0}")]
    Status(u16),
    /// The answer is not one of a token endpoint.
    #[error("the answer of the token endpoint was not understood")]
    Malformed,
    /// The access token was of no use when it came.
    #[error("the token endpoint gave an access token that has expired")]
    Stale,
    /// The token endpoint did not answer in time.
    #[error("the token endpoint did not answer in time")]
    TimedOut,
    /// The token endpoint cannot be reached. The cause may name the URL and is not kept.
    #[error("the token endpoint cannot be reached")]
    Unreachable,
    /// The token endpoint's URL is no URL.
    #[error("the address of the token endpoint is not a URL")]
    InvalidUrl,
}

impl ExchangeError {
    /// Whether the refresh token is at fault.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl TokenExchange {
    /// Exchanges a refresh token. `clock` tells the time.
    ///
    /// # Errors
    /// See [`ExchangeError`]; the last one if there is a fallback.
    pub(crate) async fn run(
        &self,
        refresh_token: &Secret,
        timeout: Duration,
        clock: impl Fn() -> SystemTime,
    ) -> Result<Exchanged, ExchangeError> {
        let first = self.post(&self.url, refresh_token, timeout, &clock).await;
        match (&self.fallback_url, first) {
            (Some(fallback), Err(error)) if !error.is_refusal() => {
                tracing::debug!(error = %error, "token exchange failed, trying the fallback");
                self.post(fallback, refresh_token, timeout, &clock).await
            }
            (_, first) => first,
        }
    }

    async fn post(
        &self,
        url: &str,
        refresh_token: &Secret,
        timeout: Duration,
        clock: impl Fn() -> SystemTime,
    ) -> Result<Exchanged, ExchangeError> {
        let asked = clock();
        let request = self.request(url, refresh_token).ok_or(ExchangeError::InvalidUrl)?;
        let answer = async {
            let response =
                self.endpoint.clone().oneshot(request).await.map_err(|_| ExchangeError::Unreachable)?;
            let status = response.status();
            let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            match body {
                Ok(body) => Ok((status, date, body.to_bytes())),
                Err(_) if status.is_success() => Err(ExchangeError::Malformed),
                Err(_) => Err(ExchangeError::Status(status.as_u16())),
            }
        };
        let (status, date, body) =
            tokio::time::timeout(timeout, answer).await.unwrap_or(Err(ExchangeError::TimedOut))?;
        let times = Times { asked, received: clock(), date };
        read_answer(status, &body, refresh_token, &times)
    }

    fn request(&self, url: &str, refresh_token: &Secret) -> Option<Request<Bytes>> {
        let form = format!("grant_type=refresh_token&refresh_token={}", form_encoded(refresh_token.expose()));
        let mut request = Request::post(url).body(Bytes::from(form)).ok()?;
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().extend(self.headers.iter().cloned());
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        Some(request)
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("fallback", &self.fallback_url.is_some())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Value>,
}

/// When a token was asked for and came.
struct Times {
    /// By our clock.
    asked: SystemTime,
    /// By our clock.
    received: SystemTime,
    /// When the answer was written, by the clock of who wrote it.
    date: Option<SystemTime>,
}

/// What an answer means. Pure.
fn read_answer(
    status: StatusCode,
    body: &[u8],
    sent: &Secret,
    times: &Times,
) -> Result<Exchanged, ExchangeError> {
    if !status.is_success() {
        let refusal = status.is_client_error().then(|| refusal(body)).flatten();
        return Err(refusal.map_or(ExchangeError::Status(status.as_u16()), ExchangeError::Refused));
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| ExchangeError::Malformed)?;
    let tokens = [answer.id_token, answer.access_token];
    let token = tokens.into_iter().flatten().find(|token| is_token(token)).ok_or(ExchangeError::Malformed)?;
    let life = answer.expires_in.as_ref().and_then(seconds).map(Duration::from_secs);
    let expires = match life.or_else(|| life_of(&token, times)) {
        // Counted from when it was asked for: it was written some time after that, but nobody knows when.
        Some(life) => Some(after(times.asked, life)),
        None => jwt::expiry(&token),
    };
    if expires.is_some_and(|expires| expires <= times.received) {
        return Err(ExchangeError::Stale);
    }
    let rotated = answer.refresh_token.filter(|token| is_token(token) && token != sent.expose());
    Ok(Exchanged { access_token: Secret::new(token), refresh_token: rotated.map(Secret::new), expires })
}

/// How long a token lives by the clock of who wrote it, which may not be ours.
fn life_of(token: &str, times: &Times) -> Option<Duration> {
    Some(until(jwt::expiry(token)?, times.date?))
}

/// The code in an error answer, if it is one that speaks against the refresh token. Google's form has it in
/// `error.message`, perhaps with an explanation after a colon; OAuth's has it in `error`.
fn refusal(body: &[u8]) -> Option<&'static str> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let error = answer.get("error")?;
    let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
    let code = text.split([':', ' ']).next()?;
    REFUSALS.into_iter().find(|known| *known == code)
}

/// A number of seconds, as text or as a number.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Whether a header can carry the text.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A form's value, with everything escaped that has a meaning in a form.
pub(crate) fn form_encoded(text: &str) -> String {
    use fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
    }

    fn read(status: u16, body: &str) -> Result<Exchanged, ExchangeError> {
        let times = Times { asked: now(), received: now(), date: None };
        read_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &Secret::new("sent"), &times)
    }

    #[test]
    fn answers_are_read_as_the_table_says() {
        // A JWT that expires at 1,700,000,000.
        let jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
        for (body, token, rotated, life) in [
            (
                r#"{"id_token":"i","access_token":"a","refresh_token":"sent","expires_in":"3600"}"#,
                "i",
                None,
                Some(3600),
            ),
            (r#"{"access_token":"a","refresh_token":"new","expires_in":60}"#, "a", Some("new"), Some(60)),
            (r#"{"id_token":"","access_token":"a","refresh_token":""}"#, "a", None, None),
            (&format!(r#"{{"id_token":"{jwt}"}}"#), jwt, None, Some(100_000_000)),
            (&format!(r#"{{"id_token":"{jwt}","expires_in":"soon"}}"#), jwt, None, Some(100_000_000)),
        ] {
            let expected = Exchanged {
                access_token: Secret::new(token),
                refresh_token: rotated.map(Secret::new),
                expires: life.map(|s| now() + Duration::from_secs(s)),
            };
            assert!(read(200, body) == Ok(expected), "{body}");
        }
    }

    #[test]
    fn a_token_lives_by_the_clock_of_who_wrote_it_from_when_it_was_asked_for() {
        // A JWT that expires at 1,700,000,000.
        let jwt = r#"{"id_token":"eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}"#;
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let sent = Secret::new("sent");
        for (name, body, date, expected) in [
            ("a span", r#"{"id_token":"i","expires_in":"60"}"#, None, Some(60)),
            (
                "a span and a clock behind ours",
                r#"{"id_token":"i","expires_in":"60"}"#,
                Some(now()),
                Some(60),
            ),
            ("a time and a clock ahead of ours", jwt, Some(written - Duration::from_secs(60)), Some(60)),
            ("a time that is over there", jwt, Some(written), None),
            ("a time and no clock", jwt, None, Some(100_000_000)),
            ("a span shorter than the way", r#"{"id_token":"i","expires_in":"9"}"#, None, None),
        ] {
            let times = Times { asked: now(), received: now() + Duration::from_secs(9), date };

            let read = read_answer(StatusCode::OK, body.as_bytes(), &sent, &times);

            let expires = read.map(|exchanged| exchanged.expires);
            let expected = expected.map(|life| Some(now() + Duration::from_secs(life)));
            assert_eq!(expires, expected.ok_or(ExchangeError::Stale), "{name}");
        }
    }

    #[test]
    fn only_the_known_codes_speak_against_the_refresh_token() {
        use ExchangeError::{Malformed, Refused, Stale, Status};
        for (status, body, expected) in [
            (400, r#"{"error":{"code":400,"message":"TOKEN_EXPIRED"}}"#, Refused("TOKEN_EXPIRED")),
            (
                400,
                r#"{"error":{"message":"INVALID_REFRESH_TOKEN : planted"}}"#,
                Refused("INVALID_REFRESH_TOKEN"),
            ),
            (401, r#"{"error":{"message":"USER_DISABLED"}}"#, Refused("USER_DISABLED")),
            (400, r#"{"error":{"message":"USER_NOT_FOUND"}}"#, Refused("USER_NOT_FOUND")),
            (400, r#"{"error":"invalid_grant","error_description":"x"}"#, Refused("invalid_grant")),
            (400, r#"{"error":{"message":"API key not valid."}}"#, Status(400)),
            (400, r#"{"error":{"message":"INVALID_GRANT_TYPE"}}"#, Status(400)),
            (400, "TOKEN_EXPIRED", Status(400)),
            (403, "<html>", Status(403)),
            (429, r#"{"error":{"message":"QUOTA_EXCEEDED : x"}}"#, Status(429)),
            (503, r#"{"error":{"message":"TOKEN_EXPIRED"}}"#, Status(503)),
            (302, "", Status(302)),
            (200, "", Malformed),
            (200, "[]", Malformed),
            (200, r#"{"id_token":"a b"}"#, Malformed),
            (200, r#"{"id_token":"a","expires_in":"0"}"#, Stale),
        ] {
            assert_eq!(read(status, body), Err(expected), "{status} {body}");
        }
    }

    #[test]
    fn a_refresh_token_survives_the_form() {
        assert_eq!(form_encoded("AMf-a_b.c+d/e=f&g%h i"), "AMf-a_b.c%2Bd%2Fe%3Df%26g%25h%20i");
    }
}
