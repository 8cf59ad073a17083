//! One frame of a stream, and what becomes of it.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Error, Malformed, Position, Problem};
use crate::schema::MessageType;
use crate::transcode::{self, Options};

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

/// A frame, found but not decoded.
#[derive(Debug)]
pub struct Frame {
    /// Which one, from 0.
    pub index: u64,
    /// Its bytes in the stream. Of a server-sent event, from the first line that is no comment to the end of the last.
    pub range: Range<u64>,
    pub(super) content: Content,
    pub(super) unterminated: bool,
}

/// What a frame holds.
#[derive(Debug)]
pub(super) enum Content {
    /// The data of a server-sent event.
    Base64(Vec<u8>),
    /// A message.
    Message(Vec<u8>),
    /// Nothing that could be decoded.
    Fault(FaultKind),
}

/// A message that was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// How many bytes it has on the wire.
    pub message_size: usize,
    /// Its JSON.
    pub json: String,
    /// Whether the stream ended before the blank line that ends a server-sent event.
    pub unterminated: bool,
}

/// Why a frame was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Words(self))]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What is wrong with the message, if that is it.
    pub malformed: Option<Malformed>,
}

/// What can be wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The data of a server-sent event is not base64.
    NotBase64,
    /// The bytes are no message of the type.
    MalformedMessage,
    /// The frame is larger than a frame may be, or its message is.
    TooLarge,
    /// The stream ended in the middle of the frame.
    Incomplete,
    /// The length of the frame is no varint; nothing behind it can be told apart.
    FramingLost,
}

impl FaultKind {
    /// The kind as a word for programs, as in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotBase64 => "NOT_BASE64",
            Self::MalformedMessage => "MALFORMED_MESSAGE",
            Self::TooLarge => "TOO_LARGE",
            Self::Incomplete => "INCOMPLETE",
            Self::FramingLost => "FRAMING_LOST",
        }
    }
}

impl Frame {
    /// How many bytes there are to decode.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Base64(bytes) | Content::Message(bytes) => bytes.len(),
            Content::Fault(_) => 0,
        }
    }

    /// The message in the frame.
    ///
    /// # Errors
    /// When there is none.
    pub fn decode(&self, message_type: &MessageType, options: Options) -> Result<Decoded, Fault> {
        let message = match &self.content {
            Content::Base64(text) => from_base64(text).map(Cow::Owned),
            Content::Message(bytes) => Ok(Cow::Borrowed(&bytes[..])),
            Content::Fault(kind) => Err(Fault { kind: *kind, malformed: None }),
        };
        let decoded = message.and_then(|message| decode(&message, message_type, options));
        match decoded {
            Ok((message_size, json)) => Ok(Decoded { message_size, json, unterminated: self.unterminated }),
            // What is missing is what is wrong with it.
            Err(fault) if self.unterminated && fault.kind != FaultKind::TooLarge => {
                Err(Fault { kind: FaultKind::Incomplete, ..fault })
            }
            Err(fault) => Err(fault),
        }
    }
}

fn decode(message: &[u8], message_type: &MessageType, options: Options) -> Result<(usize, String), Fault> {
    match transcode::to_json(message_type, message, options) {
        Ok(json) => Ok((message.len(), json)),
        Err(Error::Malformed(malformed)) => {
            let kind = match malformed.problem {
                Problem::TooManyValues | Problem::TooLong => FaultKind::TooLarge,
                _ => FaultKind::MalformedMessage,
            };
            Err(Fault { kind, malformed: Some(malformed) })
        }
        Err(Error::MessageTypeNotFound { .. }) => {
            unreachable!("a type that is given is there")
        }
    }
}

/// The bytes of base64 in either alphabet, padded or not, with quotes and white space passed over.
fn from_base64(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let tolerant = || {
        let text: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'"').collect();
        URL_SAFE_BASE64.decode(&text).or_else(|_| STANDARD_BASE64.decode(&text))
    };
    let decoded = URL_SAFE_BASE64.decode(text).or_else(|_| tolerant());
    decoded.map_err(|_| Fault { kind: FaultKind::NotBase64, malformed: None })
}

impl Fault {
    /// The field at fault, empty if it is not about one.
    pub fn path(&self) -> &str {
        self.malformed.as_ref().map_or("", |malformed| &malformed.path)
    }

    /// Where in the message, in bytes.
    pub fn message_position(&self) -> Option<usize> {
        match self.malformed.as_ref()?.position {
            Position::Byte(offset) => Some(offset),
            Position::Text { .. } => None,
        }
    }
}

/// A fault as a sentence.
struct Words<'a>(&'a Fault);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.kind, &self.0.malformed) {
            (FaultKind::Incomplete, _) => f.write_str("the stream ends in the middle of the frame"),
            (_, Some(malformed)) => write!(f, "{malformed}"),
            (FaultKind::NotBase64, None) => f.write_str("the data of the event is not base64"),
            (FaultKind::MalformedMessage, None) => f.write_str("the bytes are no message of the type"),
            (FaultKind::TooLarge, None) => f.write_str("the frame is larger than a frame may be"),
            (FaultKind::FramingLost, None) => f.write_str("the length of the frame is no varint"),
        }
    }
}
