//! Messages out of a stream of bytes, as these arrive. Pure: bytes in, frames out, however the bytes are cut.
//!
//! [`Splitter`] finds the frames and says where they are; [`Frame::decode`] converts one. They are apart because the
//! first is cheap and keeps state, and the second is neither. What the splitter holds back is bounded by the largest
//! frame it accepts.

mod delimited;
mod detect;
mod frame;
mod sse;

pub use frame::{Decoded, Fault, FaultKind, Frame};

use delimited::Delimited;
use sse::Sse;

/// How large a frame may be, in bytes: the lines of a server-sent event, or a message with its length before it.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// How messages follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events, the data of each a message in base64.
    Sse,
    /// Each message has its length before it, as a varint.
    LengthDelimited,
}

/// Finds the frames in a stream of bytes.
#[derive(Debug)]
pub struct Splitter {
    max_frame_bytes: usize,
    /// Unknown until the first bytes tell.
    reader: Option<Reader>,
    /// The first bytes, until they have told and are read again, and how far that has come.
    first: Vec<u8>,
    again: usize,
    /// The index of the next frame.
    next: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Reader {
    Sse(Sse),
    Delimited(Delimited),
}

/// A frame as its reader knows it, without its index.
#[derive(Debug)]
struct Piece {
    start: u64,
    end: u64,
    content: frame::Content,
    unterminated: bool,
}

/// The framing of a stream that begins with these bytes, or none if they do not tell yet.
pub fn framing_of(bytes: &[u8]) -> Option<Framing> {
    detect::framing(bytes)
}

impl Splitter {
    /// A splitter at the beginning of a stream. Without a framing, the first bytes tell.
    pub fn new(framing: Option<Framing>) -> Self {
        Self::with_limit(framing, MAX_FRAME_BYTES)
    }

    /// The same with another bound on the size of a frame.
    pub fn with_limit(framing: Option<Framing>, max_frame_bytes: usize) -> Self {
        let reader = framing.map(|framing| Reader::new(framing, max_frame_bytes));
        Self { max_frame_bytes, reader, first: Vec::new(), again: 0, next: 0, bytes: 0 }
    }

    /// The next frame that is whole, or none once all of `input` is taken. Takes from `input` what it has read.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let given = input.len();
        let piece = self.piece(input);
        self.bytes += (given - input.len()) as u64;
        piece.map(|piece| self.count(piece))
    }

    /// The bytes have ended: the next frame that is left, whole or not. Then none.
    pub fn finish(&mut self) -> Option<Frame> {
        if self.reader.is_none() {
            self.reader = Some(Reader::new(detect::at_end(&self.first)?, self.max_frame_bytes));
        }
        let piece = self.piece(&mut &[][..]).or_else(|| self.reader.as_mut()?.finish());
        piece.map(|piece| self.count(piece))
    }

    /// How many frames there were so far.
    pub fn frames(&self) -> u64 {
        self.next
    }

    /// How many bytes were read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The framing, as soon as it is known.
    pub fn framing(&self) -> Option<Framing> {
        Some(match self.reader.as_ref()? {
            Reader::Sse(_) => Framing::Sse,
            Reader::Delimited(_) => Framing::LengthDelimited,
        })
    }

    /// Whether a server-sent event `[DONE]` came.
    pub fn saw_done_marker(&self) -> bool {
        matches!(self.reader, Some(Reader::Sse(ref sse)) if sse.saw_done_marker())
    }

    /// Whether frames cannot be told apart any more. What comes now is not read.
    pub fn is_lost(&self) -> bool {
        matches!(self.reader, Some(Reader::Delimited(ref delimited)) if delimited.is_lost())
    }

    fn piece(&mut self, input: &mut &[u8]) -> Option<Piece> {
        while self.reader.is_none() {
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            self.first.push(byte);
            let framing = detect::framing(&self.first);
            self.reader = framing.map(|framing| Reader::new(framing, self.max_frame_bytes));
        }
        let reader = self.reader.as_mut()?;
        if !self.first.is_empty() {
            let mut again = &self.first[self.again..];
            let piece = reader.next(&mut again);
            self.again = self.first.len() - again.len();
            if piece.is_some() {
                return piece;
            }
            self.first = Vec::new();
        }
        reader.next(input)
    }

    fn count(&mut self, piece: Piece) -> Frame {
        let index = self.next;
        self.next += 1;
        let Piece { start, end, content, unterminated } = piece;
        Frame { index, range: start..end, content, unterminated }
    }
}

impl Reader {
    fn new(framing: Framing, max_frame_bytes: usize) -> Self {
        match framing {
            Framing::Sse => Self::Sse(Sse::new(max_frame_bytes)),
            Framing::LengthDelimited => Self::Delimited(Delimited::new(max_frame_bytes)),
        }
    }

    fn next(&mut self, input: &mut &[u8]) -> Option<Piece> {
        match self {
            Self::Sse(sse) => sse.next(input),
            Self::Delimited(delimited) => delimited.next(input),
        }
    }

    fn finish(&mut self) -> Option<Piece> {
        match self {
            Self::Sse(sse) => sse.finish(),
            Self::Delimited(delimited) => delimited.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
