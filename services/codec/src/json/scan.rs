//! Strings of JSON: finds what has to be escaped, eight bytes at a time, since most text has little of it.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes come before the first quote, backslash or control character; all of them if there is none.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let found = special(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}

/// Appends a text as a string of JSON.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    loop {
        let length = plain(rest.as_bytes());
        out.push_str(&rest[..length]);
        let Some(special) = rest.as_bytes().get(length) else { break };
        match special {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 0xf)]);
                out.push_str("\\u00");
                out.extend([digit(control >> 4), digit(*control)]);
            }
        }
        rest = &rest[length + 1..];
    }
    out.push('"');
}

/// Eight bytes, the first the lowest, to a number whose lowest bit that is set is in the first that is special. Bits
/// above that one say nothing.
fn special(bytes: u64) -> u64 {
    let quote = bytes ^ (ONES * u64::from(b'"'));
    let backslash = bytes ^ (ONES * u64::from(b'\\'));
    let is_control = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (is_control | is_quote | is_backslash) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_for_what_it_is_wherever_it_stands() {
        for byte in 0..=255u8 {
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for length in 1..20 {
                for place in 0..length {
                    // With bytes around it that nearly are special, and one behind it that is.
                    for around in [b'a', b' ', b'!', b'#', b']', b'[', 0xff, 0x80, 0xa2] {
                        let mut text = vec![around; length];
                        text[place] = byte;
                        text.push(b'"');

                        let expected = if is_special { place } else { length };
                        assert_eq!(plain(&text), expected, "{byte} at {place} in {around}");
                        assert_eq!(plain(&text[..length]), expected);
                    }
                }
            }
        }
    }
}
