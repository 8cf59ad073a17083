//! Reads the body of an HTTP request within its bounds. Knows nothing of what is in it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use warp2api_proto::error::v1::ErrorReason;

use crate::inflate::{Coding, too_large};
use crate::reason::Failure;

/// How much of a body that is too large is thrown away so that its sender gets to read the answer.
const MAX_DISCARDED_BYTES: usize = 128 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// The whole body, if it is at most `limit` bytes and arrives within `time`. One that is compressed is undone, and then
/// is at most so large as well.
///
/// # Errors
/// REQUEST_TOO_LARGE when it is larger, INVALID_FIELD when it cannot be read or does not arrive in time,
/// UNSUPPORTED_MEDIA_TYPE when it is compressed in a way that is not known.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, time: Duration) -> Result<Bytes, Failure> {
    let coding = Coding::of(headers)?;
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(body).await;
        return Err(too_large(limit));
    }
    if let Some(coding) = coding {
        let undone = tokio::time::timeout(time, coding.undo(body, limit)).await;
        return undone.unwrap_or_else(|_| Err(late()));
    }
    let mut body = Limited::new(body, limit);
    match tokio::time::timeout(time, (&mut body).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(error)) => Err(told(&*error).unwrap_or_else(|| {
            Failure::new(ErrorReason::InvalidField, "the request body could not be read")
        })),
        Err(_) => Err(late()),
    }
}

pub(crate) fn late() -> Failure {
    Failure::new(ErrorReason::InvalidField, "the request body did not arrive in time")
}

/// Why a body could not be read, if it says so in our words. The layers between wrap an error once more each.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    errors.find_map(|error| error.downcast_ref::<tonic::Status>()).map(Failure::from)
}

/// Refuses a body that does not say it is JSON. A page of a browser may send anything to anywhere, but JSON only where
/// it is allowed to.
///
/// # Errors
/// UNSUPPORTED_MEDIA_TYPE.
pub fn expect_json(headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
        return Ok(());
    }
    let words = "expected application/json";
    Err(Failure::new(ErrorReason::UnsupportedMediaType, format!("content-type: {words}"))
        .with_field("content-type", words))
}

/// A client that is still sending does not read; throwing its words away lets it come to the answer.
async fn discard(mut body: Body) {
    let reading = async {
        let mut left = MAX_DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    if tokio::time::timeout(DISCARD_TIME, reading).await.is_err() {
        tracing::debug!("a client kept sending a body that is too large");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_it_is_json_passes() {
        for (kind, passes) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("text/json+json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(expect_json(&headers).is_ok(), passes, "{kind}");
        }
        assert!(expect_json(&HeaderMap::new()).is_err());
    }

    async fn read_of(announced: Option<&str>, body: Body) -> Result<Bytes, ErrorReason> {
        let headers = announced.map(|length| (CONTENT_LENGTH, length.parse().unwrap())).into_iter().collect();
        read(&headers, body, 4, Duration::from_secs(1)).await.map_err(|failure| failure.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_within_its_bounds() {
        assert_eq!(read_of(None, Body::from("four")).await, Ok(Bytes::from("four")));
        assert_eq!(read_of(None, Body::from("fives")).await, Err(ErrorReason::RequestTooLarge));
        assert_eq!(read_of(Some("5"), Body::from("fives")).await, Err(ErrorReason::RequestTooLarge));
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_of(None, never).await, Err(ErrorReason::InvalidField));
    }
}
