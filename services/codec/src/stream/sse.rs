//! Reads frames that are server-sent events, and says where they are. Pure.
//!
//! Reads what the standard allows and what senders do: LF, CRLF and CR line ends, comments, several `data` lines, no
//! space after the colon. An event without data is none; neither is `[DONE]`, which is remembered.

use memchr::memchr2;

use super::Piece;
use super::frame::{Content, FaultKind};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DONE: &[u8] = b"[DONE]";

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Sse {
    max_frame_bytes: usize,
    /// How many bytes were taken.
    at: u64,
    /// The unfinished line, as far as it is wanted, and where it begins.
    line: Vec<u8>,
    line_start: u64,
    /// Whether the last byte was a CR: an LF that follows belongs to it.
    after_carriage_return: bool,
    event: Event,
    saw_done_marker: bool,
}

/// An event whose blank line has not come.
#[derive(Debug, Default)]
struct Event {
    /// From the beginning of the first line that is no comment to the end of the last.
    range: Option<(u64, u64)>,
    /// The `data` lines, joined by line feeds.
    data: Option<Vec<u8>>,
    is_too_large: bool,
}

impl Sse {
    pub(super) fn new(max_frame_bytes: usize) -> Self {
        Self {
            max_frame_bytes,
            at: 0,
            line: Vec::new(),
            line_start: 0,
            after_carriage_return: false,
            event: Event::default(),
            saw_done_marker: false,
        }
    }

    pub(super) fn saw_done_marker(&self) -> bool {
        self.saw_done_marker
    }

    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Piece> {
        while !input.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && input[0] == b'\n' {
                *input = &input[1..];
                self.at += 1;
                self.line_start = self.at;
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', input) else {
                let begins = self.at == self.line_start;
                self.at += input.len() as u64;
                self.keep(input, begins);
                *input = &[];
                return None;
            };
            let (line, rest) = input.split_at(length);
            let begins = self.at == self.line_start;
            self.at += length as u64;
            let piece = self.line(line, begins);
            self.after_carriage_return = rest[0] == b'\r';
            *input = &rest[1..];
            self.at += 1;
            self.line_start = self.at;
            if piece.is_some() {
                return piece;
            }
        }
        None
    }

    /// What is left is an event without its blank line, whole or not.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        if self.at > self.line_start {
            self.line(b"", false);
            self.line_start = self.at;
        }
        let is_incomplete = self.event.data.as_ref().is_none_or(Vec::is_empty) && !self.event.is_too_large;
        let range = self.event.range;
        match self.dispatch() {
            Some(piece) if !is_incomplete => Some(Piece { unterminated: true, ..piece }),
            _ if is_incomplete => {
                let (start, end) = range?;
                Some(Piece { start, end, content: Content::Fault(FaultKind::Incomplete), unterminated: true })
            }
            _ => None,
        }
    }

    /// Keeps a part of a line, the first one if it `begins`, unless the line or its event is too large.
    fn keep(&mut self, bytes: &[u8], begins: bool) {
        let is_comment = if begins { bytes.first() } else { self.line.first() } == Some(&b':');
        if is_comment {
            // Its first byte says all there is to know.
            self.line = vec![b':'];
        } else if self.event.is_too_large || !self.has_room_for(bytes.len()) {
            self.event.is_too_large = true;
            self.line = Vec::new();
            self.event.data = None;
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn has_room_for(&self, more: usize) -> bool {
        let held = self.line.len() + self.event.data.as_ref().map_or(0, Vec::len);
        held + more <= self.max_frame_bytes
    }

    /// Takes the rest of a line, which ends here, or all of it if it `begins`. Gives the event that it ends, if it does.
    fn line(&mut self, rest: &[u8], begins: bool) -> Option<Piece> {
        if self.at == self.line_start {
            return self.dispatch();
        }
        let kept;
        let line = if begins && !self.event.is_too_large && self.has_room_for(rest.len()) {
            rest
        } else {
            self.keep(rest, begins);
            kept = std::mem::take(&mut self.line);
            &kept
        };
        let line = match self.line_start {
            0 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            _ => line,
        };
        if line.first() != Some(&b':') {
            let range = self.event.range.get_or_insert((self.line_start, self.at));
            range.1 = self.at;
        }
        if let Some(value) = data_of(line) {
            match &mut self.event.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            }
        }
        None
    }

    /// The event has ended.
    fn dispatch(&mut self) -> Option<Piece> {
        let Event { range, data, is_too_large } = std::mem::take(&mut self.event);
        let (start, end) = range?;
        let content = match data {
            _ if is_too_large => Content::Fault(FaultKind::TooLarge),
            Some(data) if data.trim_ascii() == DONE => {
                self.saw_done_marker = true;
                return None;
            }
            Some(data) => Content::Base64(data),
            None => return None,
        };
        Some(Piece { start, end, content, unterminated: false })
    }
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
