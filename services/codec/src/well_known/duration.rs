//! `google.protobuf.Duration` as JSON has it: `-1.500s`.

use super::fraction;

/// About ten thousand years, the specification's bound.
const MAX_SECONDS: u64 = 315_576_000_000;
const MAX_NANOS: u64 = 999_999_999;

/// The text of a span, or none if it is out of range or its parts disagree about the sign.
pub(crate) fn print(seconds: i64, nanos: i64) -> Option<String> {
    let (whole, rest) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    if whole > MAX_SECONDS || rest > MAX_NANOS || seconds.signum() * nanos.signum() < 0 {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = fraction::print(u32::try_from(rest).ok()?);
    Some(format!("{sign}{whole}{fraction}s"))
}

/// The seconds and nanoseconds of a text.
pub(crate) fn parse(text: &str) -> Option<(i64, i64)> {
    let text = text.strip_suffix('s')?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    if whole.is_empty() || !whole.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds = whole.parse::<i64>().ok().filter(|seconds| seconds.unsigned_abs() <= MAX_SECONDS)?;
    Some((sign * seconds, sign * i64::from(fraction::parse(fraction)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_printed_in_their_shortest_form_and_read_back() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (1, 0, "1s"),
            (1, 500_000_000, "1.500s"),
            (0, -500_000_000, "-0.500s"),
            (-3, -1_000, "-3.000001s"),
            (0, 1, "0.000000001s"),
            (315_576_000_000, 999_999_999, "315576000000.999999999s"),
        ] {
            assert_eq!(print(seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse(text), Some((seconds, nanos)));
        }
        assert_eq!(parse("1.5s"), Some((1, 500_000_000)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in
            ["", "s", "1", "1.s", ".5s", "+1s", "--1s", "1.0000000001s", "1 s", "1e3s", "315576000001s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for (seconds, nanos) in
            [(315_576_000_001, 0), (0, 1_000_000_000), (1, -1), (-1, 1), (i64::MAX, 0), (i64::MIN, 0)]
        {
            assert_eq!(print(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
