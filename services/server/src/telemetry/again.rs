//! Whether what a collector did not take is sent once more, and when: by the rules of OTLP. Pure.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// How often it is tried in all.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt. It doubles each time.
const FIRST: Duration = Duration::from_millis(100);

/// Whether another attempt may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would end in the same way.
    Never,
    /// It may.
    Soon,
    /// It may, and not before so long.
    After(Duration),
}

/// How long to wait after so many attempts; `None` for no more. `chance` is any number, so that many who failed at the
/// same time do not come back at the same time.
pub(super) fn pause(attempts: u32, again: Again, chance: u8) -> Option<Duration> {
    if attempts >= ATTEMPTS {
        return None;
    }
    let usual = FIRST * 2_u32.pow(attempts.saturating_sub(1));
    let usual = usual + usual * u32::from(chance) / 512;
    match again {
        Again::Never => None,
        Again::Soon => Some(usual),
        Again::After(least) => Some(usual.max(least)),
    }
}

/// After an answer over HTTP.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Again {
    if !matches!(status.as_u16(), 429 | 502 | 503 | 504) {
        return Again::Never;
    }
    let told = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = |text: &str| text.trim().parse().ok().map(Duration::from_secs);
    let date = |text: &str| httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
    told.and_then(|text| seconds(text).or_else(|| date(text))).map_or(Again::Soon, Again::After)
}

/// After an answer over gRPC.
pub(super) fn of_code(status: &Status) -> Again {
    let told = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match (status.code(), told) {
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss,
            told,
        ) => told.map_or(Again::Soon, Again::After),
        // Too much at once stays too much, unless the collector says that it will not.
        (Code::ResourceExhausted, Some(least)) => Again::After(least),
        _ => Again::Never,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn pauses_grow_within_bounds_and_end() {
        let millis = |attempts, again, chance| {
            pause(attempts, again, chance).map(|pause| u64::try_from(pause.as_millis()).unwrap())
        };
        let all: Vec<_> = (1..=4).map(|attempts| millis(attempts, Again::Soon, 0)).collect();
        assert_eq!(all, [Some(100), Some(200), Some(400), None]);
        assert_eq!(millis(2, Again::Soon, 255), Some(299));
        assert_eq!(millis(1, Again::After(Duration::from_secs(7)), 0), Some(7000));
        assert_eq!(millis(3, Again::After(Duration::ZERO), 0), Some(400));
        assert_eq!(millis(1, Again::Never, 0), None);
    }

    #[test]
    fn statuses_are_tried_again_as_the_protocol_says() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(9));
        for (status, told, expected) in [
            (400, None, Again::Never),
            (401, Some("3"), Again::Never),
            (413, None, Again::Never),
            (500, None, Again::Never),
            (429, Some("3"), Again::After(Duration::from_secs(3))),
            (503, Some(date.as_str()), Again::After(Duration::from_secs(9))),
            (503, Some("whenever"), Again::Soon),
            (502, None, Again::Soon),
            (504, None, Again::Soon),
        ] {
            let headers = told.map(|told| (RETRY_AFTER, told.parse().unwrap())).into_iter().collect();
            assert_eq!(of_status(StatusCode::from_u16(status).unwrap(), &headers, now), expected, "{status}");
        }
    }

    #[test]
    fn codes_are_tried_again_as_the_protocol_says() {
        let told = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
        for (code, plain, with_pause) in [
            (Code::Unavailable, Again::Soon, Again::After(Duration::from_secs(2))),
            (Code::DeadlineExceeded, Again::Soon, Again::After(Duration::from_secs(2))),
            (Code::ResourceExhausted, Again::Never, Again::After(Duration::from_secs(2))),
            (Code::InvalidArgument, Again::Never, Again::Never),
            (Code::Unauthenticated, Again::Never, Again::Never),
            (Code::Internal, Again::Never, Again::Never),
        ] {
            assert_eq!(of_code(&Status::new(code, "")), plain, "{code:?}");
            let status = Status::with_error_details(code, "", told.clone());
            assert_eq!(of_code(&status), with_pause, "{code:?}");
        }
    }
}
