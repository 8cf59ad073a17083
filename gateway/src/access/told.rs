//! What a limited key is told with every answer: its limits, what is left, and when all of it is back. OpenAI says the
//! last as a span, Anthropic as a time.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use warp2api_dialects::ErrorStyle;

use super::window::Window;

/// How a key stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) requests: Option<Rate>,
    pub(crate) tokens: Option<Rate>,
}

/// A limit and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) remaining: u64,
    /// Until all of it is back.
    pub(crate) reset: Duration,
}

impl Window {
    /// How much of a limit is left.
    pub(crate) fn rate(&mut self, now: u64, limit: u32) -> Rate {
        let remaining = u64::from(limit).saturating_sub(self.used(now));
        Rate { limit, remaining, reset: self.empty_after(now) }
    }
}

impl Rates {
    /// Writes them as the caller's API names them.
    pub(crate) fn write(&self, style: ErrorStyle, now: SystemTime, headers: &mut HeaderMap) {
        for (rate, what) in [(self.requests, "requests"), (self.tokens, "tokens")] {
            let Some(rate) = rate else { continue };
            let (names, reset) = match style {
                ErrorStyle::OpenAi => {
                    let name = |field: &str| format!("x-ratelimit-{field}-{what}");
                    (["limit", "remaining", "reset"].map(name), span(rate.reset))
                }
                ErrorStyle::Anthropic => {
                    let name = |field: &str| format!("anthropic-ratelimit-{what}-{field}");
                    (["limit", "remaining", "reset"].map(name), time(now, rate.reset))
                }
            };
            for (name, value) in
                names.into_iter().zip([rate.limit.to_string(), rate.remaining.to_string(), reset])
            {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// A span as OpenAI writes one: `0s`, `120ms`, `12.3s`, `1m1s`.
fn span(span: Duration) -> String {
    let (minutes, milliseconds) = (span.as_secs() / 60, span.as_millis() % 60_000);
    let seconds = match milliseconds {
        0 if minutes > 0 => String::new(),
        1..1000 if minutes == 0 => return format!("{milliseconds}ms"),
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        part => format!("{}s", format!("{}.{:03}", part / 1000, part % 1000).trim_end_matches('0')),
    };
    if minutes > 0 { format!("{minutes}m{seconds}") } else { seconds }
}

/// A time as Anthropic writes one: RFC 3339, whole seconds.
fn time(now: SystemTime, span: Duration) -> String {
    let then = jiff::Timestamp::try_from(now + span).unwrap_or(jiff::Timestamp::MAX);
    // Rounded up: whoever comes then is not early.
    let seconds = then.as_second() + i64::from(then.subsec_nanosecond() > 0);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_openai_does() {
        for (milliseconds, written) in [
            (0, "0s"),
            (120, "120ms"),
            (1000, "1s"),
            (12_300, "12.3s"),
            (59_007, "59.007s"),
            (60_000, "1m"),
            (61_000, "1m1s"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), written);
        }
    }

    #[test]
    fn each_api_has_names_of_its_own() {
        let requests = Some(Rate { limit: 5, remaining: 3, reset: Duration::from_millis(60_500) });
        let rates = Rates { requests, tokens: None };
        let written = |style| {
            let mut headers = HeaderMap::new();
            rates.write(style, SystemTime::UNIX_EPOCH, &mut headers);
            let mut lines: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            lines.sort();
            lines
        };

        assert_eq!(
            written(ErrorStyle::OpenAi),
            [
                "x-ratelimit-limit-requests: 5",
                "x-ratelimit-remaining-requests: 3",
                "x-ratelimit-reset-requests: 1m0.5s"
            ]
        );
        assert_eq!(
            written(ErrorStyle::Anthropic),
            [
                "anthropic-ratelimit-requests-limit: 5",
                "anthropic-ratelimit-requests-remaining: 3",
                "anthropic-ratelimit-requests-reset: 1970-01-01T00:01:01Z"
            ]
        );
    }
}
