//! Pure decoder of server-sent events: bytes in, `data` out, however the bytes are split.
//!
//! Reads what the standard allows and what senders do: LF, CRLF and CR line ends, comments, several `data` lines,
//! no space after the colon, a last event without its blank line. `event`, `id` and `retry` are of no use here and
//! are passed over. What it holds back between two calls is bounded.

use memchr::memchr2;

/// An event is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// The state between two reads.
#[derive(Debug)]
pub struct SseDecoder {
    /// The unfinished line.
    line: Vec<u8>,
    /// The `data` lines of the unfinished event, joined by line feeds.
    data: Vec<u8>,
    /// Whether the unfinished event has a `data` line, be it empty.
    has_data: bool,
    /// Whether the last line ended with a CR at the end of a read: an LF that follows belongs to it.
    skip_line_feed: bool,
    max_event_bytes: usize,
}

impl SseDecoder {
    /// A decoder that holds back at most `max_event_bytes`.
    pub fn new(max_event_bytes: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), has_data: false, skip_line_feed: false, max_event_bytes }
    }

    /// Takes the next bytes and hands every event that is now complete to `on_data`, in order.
    ///
    /// # Errors
    /// When an event is too large, or what `on_data` says; the decoder is of no more use then.
    pub fn push<E: From<TooLarge>>(
        &mut self,
        mut bytes: &[u8],
        mut on_data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.skip_line_feed && !bytes.is_empty() {
            self.skip_line_feed = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let line = &bytes[..end];
            if self.line.is_empty() {
                self.take_line(line, &mut on_data)?;
            } else {
                self.line.extend_from_slice(line);
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, &mut on_data)?;
                self.line = line;
                self.line.clear();
            }
            let after = &bytes[end + 1..];
            bytes = match (bytes[end], after.first()) {
                (b'\r', Some(b'\n')) => &after[1..],
                (b'\r', None) => {
                    self.skip_line_feed = true;
                    after
                }
                _ => after,
            };
        }
        if self.line.len() + self.data.len() + bytes.len() > self.max_event_bytes {
            return Err(TooLarge(self.max_event_bytes).into());
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes have ended: hands over a last event that lacks its blank line.
    ///
    /// # Errors
    /// What `on_data` says.
    pub fn finish<E: From<TooLarge>>(
        &mut self,
        mut on_data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, &mut on_data)?;
        }
        self.take_line(b"", &mut on_data)
    }

    fn take_line<E: From<TooLarge>>(
        &mut self,
        line: &[u8],
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if line.is_empty() {
            if !std::mem::take(&mut self.has_data) {
                return Ok(());
            }
            let result = on_data(&self.data);
            self.data.clear();
            return result;
        }
        let Some(value) = line.strip_prefix(b"data") else { return Ok(()) };
        let value = match value.strip_prefix(b":") {
            Some(value) => value.strip_prefix(b" ").unwrap_or(value),
            None if value.is_empty() => value,
            // A field whose name only begins with `data`.
            None => return Ok(()),
        };
        if self.data.len() + value.len() > self.max_event_bytes {
            return Err(TooLarge(self.max_event_bytes).into());
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, TooLarge> {
        let mut events = Vec::new();
        let mut take = |data: &[u8]| {
            events.push(String::from_utf8(data.to_vec()).unwrap());
            Ok::<_, TooLarge>(())
        };
        let mut decoder = SseDecoder::new(100);
        for piece in pieces {
            decoder.push(piece, &mut take)?;
        }
        decoder.finish(&mut take)?;
        Ok(events)
    }

    #[test]
    fn every_legal_form_is_read() {
        for (bytes, expected) in [
            ("event:data\ndata:abc\n\n", vec!["abc"]),
            ("data: abc\r\n\r\ndata:  d\r\n\r\n", vec!["abc", " d"]),
            ("data:abc\r\rdata:d\r\r", vec!["abc", "d"]),
            (": a comment\n\ndata:a\ndata:b\n\n", vec!["a\nb"]),
            ("id: 7\nretry: 5\ndatabase:x\n\n", vec![]),
            ("data\n\n", vec![""]),
            ("data:last", vec!["last"]),
            ("data:last\n", vec!["last"]),
            ("", vec![]),
            ("\n\n\n", vec![]),
        ] {
            assert_eq!(decode([bytes.as_bytes()]).unwrap(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_it_holds_back_is_bounded() {
        let long = "data:".to_owned() + &"x".repeat(200);
        assert_eq!(decode([long.as_bytes()]), Err(TooLarge(100)));
        let many = "data:xxxxxxxxxxxxxxxxxxxx\n".repeat(9);
        assert_eq!(decode([many.as_bytes()]), Err(TooLarge(100)));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            text in "(data:[a-z]{0,5}|: c|event:data|id:1)(\n|\r\n|\r)((data: [a-z]{0,5})?(\n|\r\n|\r)){0,12}",
            cuts in prop::collection::vec(0usize..100, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|c| c % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();

            prop_assert_eq!(decode(pieces).unwrap(), decode([bytes]).unwrap());
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = SseDecoder::new(100);
            let read = decoder.push(&bytes, |_| Ok::<_, TooLarge>(()));
            prop_assert!(read.is_ok() || bytes.len() > 100);
        }
    }
}
