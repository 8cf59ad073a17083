//! One server-sent event: `event:data`, `data:` with the payload, an empty line. Also the other spellings that the
//! standard allows and a reader must cope with.

use bytes::Bytes;

use super::base64;

/// How an event is spelled. The default is what Warp sends, to the byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Framing {
    /// Lines end with CR LF instead of LF.
    pub crlf: bool,
    /// The payload stands in double quotes.
    pub quoted: bool,
    /// A space follows each colon.
    pub spaced: bool,
    /// A comment, an `id:` and a `retry:` line come with every event.
    pub decorated: bool,
    /// The payload is spread over `data:` lines of at most this many characters.
    pub data_line: Option<usize>,
}

impl Framing {
    /// The frame of an encoded event.
    pub(crate) fn frame(&self, event: &[u8]) -> Bytes {
        if *self == Self::default() {
            let mut frame = Vec::with_capacity(HEAD.len() + base64::padded_len(event.len()) + 2);
            frame.extend_from_slice(HEAD);
            base64::encode_padded(event, &mut frame);
            frame.extend_from_slice(b"\n\n");
            return frame.into();
        }
        let mut payload = Vec::with_capacity(base64::padded_len(event.len()));
        base64::encode_padded(event, &mut payload);
        self.frame_text(&payload)
    }

    /// The frame of a payload as it is, which need not be base64.
    pub(crate) fn frame_text(&self, payload: &[u8]) -> Bytes {
        let mut frame = Vec::with_capacity(payload.len() + 64);
        let quote: &[u8] = if self.quoted { b"\"" } else { b"" };
        let payload = [quote, payload, quote].concat();
        if self.decorated {
            self.line(&mut frame, "", b"keep-alive");
            self.line(&mut frame, "id", b"1");
            self.line(&mut frame, "retry", b"1000");
        }
        self.line(&mut frame, "event", b"data");
        let width = self.data_line.unwrap_or(payload.len()).max(1);
        for part in payload.chunks(width) {
            self.line(&mut frame, "data", part);
        }
        if payload.is_empty() {
            self.line(&mut frame, "data", b"");
        }
        frame.extend_from_slice(self.line_end());
        frame.into()
    }

    fn line(&self, frame: &mut Vec<u8>, name: &str, value: &[u8]) {
        frame.extend_from_slice(name.as_bytes());
        frame.push(b':');
        if self.spaced {
            frame.push(b' ');
        }
        frame.extend_from_slice(value);
        frame.extend_from_slice(self.line_end());
    }

    const fn line_end(&self) -> &'static [u8] {
        if self.crlf { b"\r\n" } else { b"\n" }
    }
}

const HEAD: &[u8] = b"event:data\ndata:";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(framing: Framing) -> String {
        String::from_utf8(framing.frame(b"\x12\x04\x0a\x02J\0").to_vec()).unwrap()
    }

    #[test]
    fn the_usual_frame_is_two_lines_and_an_empty_one() {
        assert_eq!(text(Framing::default()), "event:data\ndata:EgQKAkoA\n\n");
    }

    #[test]
    fn other_spellings_say_the_same() {
        let usual = Framing::default();
        for (framing, expected) in [
            (Framing { crlf: true, ..usual }, "event:data\r\ndata:EgQKAkoA\r\n\r\n"),
            (Framing { quoted: true, ..usual }, "event:data\ndata:\"EgQKAkoA\"\n\n"),
            (Framing { spaced: true, ..usual }, "event: data\ndata: EgQKAkoA\n\n"),
            (Framing { data_line: Some(5), ..usual }, "event:data\ndata:EgQKA\ndata:koA\n\n"),
            (
                Framing { decorated: true, ..usual },
                ":keep-alive\nid:1\nretry:1000\nevent:data\ndata:EgQKAkoA\n\n",
            ),
        ] {
            assert_eq!(text(framing), expected);
        }
    }

    #[test]
    fn both_ways_to_the_usual_frame_agree() {
        assert_eq!(
            Framing::default().frame_text(b"EgQKAkoA"),
            Framing::default().frame(b"\x12\x04\x0a\x02J\0")
        );
    }
}
