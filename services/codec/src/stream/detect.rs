//! Tells from its first bytes how a stream is framed. Pure.
//!
//! Server-sent events are text and begin with the name of a field, a comment or a blank line. A message with its length
//! before it could begin with the same bytes only if it had fields that no message has.

use super::Framing;

/// The fields of server-sent events.
const FIELDS: [&[u8]; 4] = [b"data:", b"event:", b"id:", b"retry:"];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// By then it is decided.
const ENOUGH: usize = 64;

/// The framing of a stream that begins with these bytes, or none if they do not tell yet.
pub(super) fn framing(bytes: &[u8]) -> Option<Framing> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Some(Framing::Sse);
    }
    if BYTE_ORDER_MARK.starts_with(bytes) {
        return None;
    }
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let line = &bytes[bytes.iter().take_while(|byte| is_end(byte)).count()..];
    if line.is_empty() {
        return (bytes.len() >= ENOUGH).then_some(Framing::Sse);
    }
    if line[0] == b':' {
        let text = line.split(|byte| is_end(byte)).next().unwrap_or_default();
        let is_text = text.iter().all(|&byte| byte >= b' ' || byte == b'\t');
        return match is_text {
            false => Some(Framing::LengthDelimited),
            true if text.len() < line.len() || bytes.len() >= ENOUGH => Some(Framing::Sse),
            true => None,
        };
    }
    if FIELDS.iter().any(|field| line.starts_with(field)) {
        return Some(Framing::Sse);
    }
    let may_become = FIELDS.iter().any(|field| field.starts_with(line));
    (!may_become).then_some(Framing::LengthDelimited)
}

/// The framing of a stream that has no more than these bytes, which did not tell before, or none if it is empty.
pub(super) fn at_end(bytes: &[u8]) -> Option<Framing> {
    let last_line = bytes.iter().rev().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
    match bytes.last() {
        None => None,
        Some(b'\r' | b'\n') => Some(Framing::Sse),
        Some(_) if bytes[bytes.len() - last_line] == b':' => Some(Framing::Sse),
        Some(_) => Some(Framing::LengthDelimited),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Option<Framing> {
        (0..=bytes.len()).find_map(|length| framing(&bytes[..length])).or_else(|| at_end(bytes))
    }

    #[test]
    fn events_are_told_by_how_they_begin() {
        let long = [b": ", &[b'a'; 100][..]].concat();
        let blank = [b'\n'; 100];
        let texts: [&[u8]; 12] = [
            b"event:data\ndata:CggK\n\n",
            b"data: CggK",
            b"id: 7\n",
            b"retry: 5\n",
            b": ping\n\n",
            b":\r\n",
            b": caf\xc3\xa9\tand tea\n",
            b"\r\n\r\ndata:CggK",
            b"\n\n",
            b"\xef\xbb\xbfdata:CggK",
            &long,
            &blank,
        ];
        for text in texts {
            assert_eq!(told(text), Some(Framing::Sse), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn anything_else_has_lengths() {
        let bytes: [&[u8]; 9] = [
            &[10, 10, 8, 10, 2, b'c', b'1', 18, 2, b'r', b'1'],
            &[8, 10, 6],
            &[0],
            // Lengths that are letters.
            b"d\x0a\x62data",
            b"dat",
            b"i\x0a",
            &[b':', 0x0a, 0x38],
            &[0xef, 0xbb, 0x01, 0x0a],
            &[0xff; 20],
        ];
        for bytes in bytes {
            // A colon and a line end could be a comment as well.
            let expected = if bytes.starts_with(b":") { Framing::Sse } else { Framing::LengthDelimited };
            assert_eq!(told(bytes), Some(expected), "{}", bytes.escape_ascii());
        }
        assert_eq!(told(&[b':', 0x12, 0x38]), Some(Framing::LengthDelimited));
        assert_eq!(told(&[]), None);
    }
}
