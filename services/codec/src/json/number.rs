//! Numbers as text: which texts are JSON numbers, which of them are whole, and how floats are written.

use std::fmt::Write as _;

/// The length of the JSON number that `text` begins with.
pub(crate) fn length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match digits(at) {
        0 => return None,
        // A leading zero stands alone.
        1 => at += 1,
        _ if bytes[at] == b'0' => return None,
        count => at += count,
    }
    if bytes.get(at) == Some(&b'.') {
        let count = digits(at + 1);
        if count == 0 {
            return None;
        }
        at += 1 + count;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let count = digits(at);
        if count == 0 {
            return None;
        }
        at += count;
    }
    Some(at)
}

/// Whether all of `text` is a JSON number.
pub(crate) fn is_number(text: &str) -> bool {
    length(text) == Some(text.len())
}

/// The value of a JSON number, if it is whole and has at most twenty digits. `1.5e1` is whole. Exact.
pub(crate) fn whole(text: &str) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [before, behind].concat();
    let digits = all.trim_end_matches('0');
    let zeros = exponent
        .checked_sub(i64::try_from(behind.len()).ok()?)?
        .checked_add(i64::try_from(all.len() - digits.len()).ok()?)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = u32::try_from(zeros).ok()?;
    if digits.len().checked_add(zeros as usize)? > 20 {
        return None;
    }
    Some(sign * digits.parse::<i128>().ok()? * 10_i128.pow(zeros))
}

/// Appends a whole number, between quotes or nothing.
pub(crate) fn print_whole(quote: &str, number: impl itoa::Integer, out: &mut String) {
    out.push_str(quote);
    out.push_str(itoa::Buffer::new().format(number));
    out.push_str(quote);
}

/// Appends a finite number in the fewest digits that read back as the same; whole ones without a fraction.
pub(crate) fn print(number: impl std::fmt::Debug, out: &mut String) {
    let start = out.len();
    // Writing to a string cannot fail.
    write!(out, "{number:?}").unwrap_or_default();
    if out[start..].ends_with(".0") {
        out.truncate(out.len() - 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_are_told_from_other_text() {
        for text in ["0", "-0", "10", "1.5", "0.5", "1e5", "1E+5", "-1.25e-5", "9007199254740993"] {
            assert!(is_number(text), "{text}");
        }
        for text in
            ["", "-", "01", "00", ".5", "1.", "1e", "1e+", "+1", "1 ", "0x1", "NaN", "--1", "-.5", "1.e5"]
        {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_exact_however_they_are_written() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("0e9", 0),
            ("1.0", 1),
            ("1.50e1", 15),
            ("100e-2", 1),
            ("-12", -12),
            ("1e5", 100_000),
            ("9.007199254740993e15", 9_007_199_254_740_993),
            ("18446744073709551615", i128::from(u64::MAX)),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["0.5", "1e-1", "15e-2", "1e20", "1e999999999999999999999", "100000000000000000000000"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn floats_read_back_as_they_were() {
        for (number, text) in [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e300, "1e300"),
            (1.5e-7, "1.5e-7"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            let mut out = String::new();
            print(number, &mut out);
            assert_eq!(out, text);
            assert!(is_number(&out));
            assert_eq!(out.parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }
}
