//! `google.protobuf.Timestamp` as JSON has it: RFC 3339, in UTC when written, with any offset when read.

use super::{date, fraction};

const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

/// The text of a point in time, or none if it is out of range.
pub(crate) fn print(seconds: i64, nanos: i64) -> Option<String> {
    let nanos = u32::try_from(nanos).ok().filter(|&nanos| nanos < 1_000_000_000)?;
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (year, month, day) = date::from_days(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction::print(nanos);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// The seconds since 1970 and the nanoseconds of a text. Leap seconds are refused: Unix time has none.
pub(crate) fn parse(text: &str) -> Option<(i64, i64)> {
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let numbers = numbers(date_and_time, "dddd-dd-ddTdd:dd:dd")?;
    let &[year, month, day, hour, minute, second] = numbers.as_slice() else { return None };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let nanos = fraction::parse(fraction)?;
    let days = date::to_days(year, month, day)?;
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    (FIRST..=LAST).contains(&seconds).then_some((seconds, i64::from(nanos)))
}

/// The seconds by which a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    match numbers(clock, "dd:dd")?.as_slice() {
        &[hours @ 0..=23, minutes @ 0..=59] => Some(sign * (hours * 3600 + minutes * 60)),
        _ => None,
    }
}

/// The numbers in a text of the given shape, in which `d` is a digit and all else stands for itself.
fn numbers(text: &str, shape: &str) -> Option<Vec<i64>> {
    if text.len() != shape.len() {
        return None;
    }
    let mut numbers = Vec::new();
    let mut in_number = false;
    for (given, wanted) in text.bytes().zip(shape.bytes()) {
        match wanted {
            b'd' if given.is_ascii_digit() => {
                if !in_number {
                    numbers.push(0);
                }
                let last = numbers.last_mut()?;
                *last = *last * 10 + i64::from(given - b'0');
                in_number = true;
            }
            _ if wanted != b'd' && given == wanted => in_number = false,
            _ => return None,
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_utc_and_read_back() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 999_000_000, "1969-12-31T23:59:59.999Z"),
            (951_827_696, 1_000, "2000-02-29T12:34:56.000001Z"),
            (1_767_225_599, 1, "2025-12-31T23:59:59.000000001Z"),
            (FIRST, 0, "0001-01-01T00:00:00Z"),
            (LAST, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(print(seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse(text), Some((seconds, nanos)));
        }
    }

    #[test]
    fn any_offset_is_read() {
        for text in
            ["1970-01-01T01:00:00.5+01:00", "1969-12-31T18:30:00.5-05:30", "1970-01-01T00:00:00.500000Z"]
        {
            assert_eq!(parse(text), Some((0, 500_000_000)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01t00:00:00z",
            "1970-1-01T00:00:00Z",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.0000000001Z",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00ZZ",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00Z",
            "1970-01-01T00:00:0\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for (seconds, nanos) in [(FIRST - 1, 0), (LAST + 1, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, 0)] {
            assert_eq!(print(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
