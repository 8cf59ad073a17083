//! Reads frames that are messages with their length before them. Pure.

use super::Piece;
use super::frame::{Content, FaultKind};

/// A varint has at most this many bytes.
const MAX_VARINT: usize = 10;
/// How much room a frame gets before its bytes are there: a length is easily said.
const FIRST_ROOM: u64 = 64 * 1024;

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Delimited {
    max_frame_bytes: usize,
    /// How many bytes were taken.
    at: u64,
    /// Where the frame that is read begins.
    start: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In the length: its value so far, and its bytes.
    Length(u64, usize),
    /// In a message that is to have that many bytes.
    Message(Vec<u8>, usize),
    /// In a frame that is too large: how many bytes are left of it.
    Skipping(u64),
    Lost,
}

impl Delimited {
    pub(super) fn new(max_frame_bytes: usize) -> Self {
        Self { max_frame_bytes, at: 0, start: 0, state: State::Length(0, 0) }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Piece> {
        loop {
            match &mut self.state {
                State::Length(value, bytes) => {
                    let (&byte, rest) = input.split_first()?;
                    if *bytes + 1 == MAX_VARINT && byte > 1 {
                        self.state = State::Lost;
                        return Some(self.piece(self.at, Content::Fault(FaultKind::FramingLost)));
                    }
                    *input = rest;
                    self.at += 1;
                    *value |= u64::from(byte & 0x7f) << (7 * *bytes);
                    *bytes += 1;
                    if byte >= 0x80 {
                        continue;
                    }
                    let length = *value;
                    match usize::try_from(length).ok().filter(|&length| length <= self.max_frame_bytes) {
                        Some(whole) => {
                            let room = usize::try_from(length.min(FIRST_ROOM)).unwrap_or_default();
                            self.state = State::Message(Vec::with_capacity(room), whole);
                        }
                        None => {
                            self.state = State::Skipping(length);
                            let end = self.at.saturating_add(length).min(i64::MAX as u64);
                            return Some(self.piece(end, Content::Fault(FaultKind::TooLarge)));
                        }
                    }
                }
                State::Message(message, whole) => {
                    let take = input.len().min(*whole - message.len());
                    message.extend_from_slice(&input[..take]);
                    *input = &input[take..];
                    self.at += take as u64;
                    if message.len() < *whole {
                        return None;
                    }
                    let message = std::mem::take(message);
                    let piece = self.piece(self.at, Content::Message(message));
                    (self.start, self.state) = (self.at, State::Length(0, 0));
                    return Some(piece);
                }
                State::Skipping(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *input = &input[take..];
                    *left -= take as u64;
                    self.at += take as u64;
                    if *left > 0 {
                        return None;
                    }
                    (self.start, self.state) = (self.at, State::Length(0, 0));
                }
                State::Lost => return None,
            }
        }
    }

    /// What is left is the beginning of a frame.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Length(_, 0) | State::Skipping(_) | State::Lost => None,
            State::Length(..) | State::Message(..) => {
                Some(self.piece(self.at, Content::Fault(FaultKind::Incomplete)))
            }
        }
    }

    /// How much room there is for the frame that is read.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        match &self.state {
            State::Message(message, _) => message.capacity(),
            State::Length(..) | State::Skipping(_) | State::Lost => 0,
        }
    }

    fn piece(&self, end: u64, content: Content) -> Piece {
        Piece { start: self.start, end, content, unterminated: false }
    }
}
