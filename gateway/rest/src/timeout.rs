//! How long a caller waits: `grpc-timeout` as gRPC writes it, or `x-request-timeout` in seconds as people do.

use std::time::Duration;

use http::HeaderMap;
use warp2api_rpc::Failure;
use warp2api_rpc::context::{GRPC_TIMEOUT, parse_timeout};

/// The header for people.
pub(crate) const REQUEST_TIMEOUT: &str = "x-request-timeout";
/// Nobody waits for longer; and no clock is asked for a time it cannot reach.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The shortest wait that the headers of a request name.
///
/// # Errors
/// INVALID_FIELD with the header's name when one is no time.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let read = |name, parse: fn(&str) -> Option<Duration>, form| match headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str().ok().and_then(|text| parse(text.trim())) {
            Some(wait) => Ok(Some(wait.min(LONGEST))),
            None => Err(Failure::invalid(name, format!("expected {form}"))),
        },
    };
    let grpc = read(GRPC_TIMEOUT, parse_timeout, "digits and a unit such as 30S or 500m")?;
    let people = read(REQUEST_TIMEOUT, seconds, "seconds such as 30 or 2.5, or milliseconds such as 500ms")?;
    Ok(match (grpc, people) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let (digits, scale) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let plain = digits.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    let amount = digits.parse::<f64>().ok().filter(|_| plain && digits.len() <= 16)?;
    // Zero would be no time at all.
    Duration::try_from_secs_f64(amount * scale).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&'static str, &str)]) -> Result<Option<Duration>, String> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        of(&headers.collect()).map_err(|failure| failure.violations[0].field.clone())
    }

    #[test]
    fn waits_are_read_and_the_shortest_counts() {
        for (headers, expected) in [
            (&[][..], None),
            (&[("x-request-timeout", "30")], Some(Duration::from_secs(30))),
            (&[("x-request-timeout", "2.5s")], Some(Duration::from_millis(2500))),
            (&[("x-request-timeout", "500ms")], Some(Duration::from_millis(500))),
            (&[("x-request-timeout", "9999999999")], Some(LONGEST)),
            (&[("grpc-timeout", "1S")], Some(Duration::from_secs(1))),
            (&[("grpc-timeout", "1S"), ("x-request-timeout", "2")], Some(Duration::from_secs(1))),
        ] {
            assert_eq!(with(headers), Ok(expected), "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_by_name() {
        for value in ["", "soon", "-1", "0", "1e9", "inf", "NaN", "1.2.3", "5m"] {
            assert_eq!(with(&[("x-request-timeout", value)]), Err("x-request-timeout".to_owned()), "{value}");
        }
        assert_eq!(with(&[("grpc-timeout", "1")]), Err("grpc-timeout".to_owned()));
    }
}
