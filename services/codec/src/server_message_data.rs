//! What stands in `server_message_data`, made readable and back. Pure.
//!
//! The upstream keeps a small message of its own in that field, as base64: a UUID and a point in time, as far as is
//! known. Everyone else sends it back unchanged, and so does this: the text itself is always part of what is shown,
//! and comes back to the byte as long as nobody changes what it says. What is unknown in it is kept even then.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::tz::{Offset, TimeZone};
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::fault::Fault;
use crate::well_known::timestamp;
use crate::wire::cursor::Cursor;

/// The name of the field.
pub const FIELD: &str = "server_message_data";

const UUID: u32 = 1;
const TIMESTAMP: u32 = 3;
const SECONDS: u32 = 1;
const NANOS: u32 = 2;
/// How deeply groups may be nested in what is unknown.
const DEPTH: usize = 100;

const NEW_YORK: TimeZone = jiff::tz::get!("America/New_York");

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

/// What the field says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The UUID, as text, if there is one.
    pub uuid: Option<String>,
    /// The seconds since 1970 of the point in time, if there is one.
    pub seconds: Option<i64>,
    /// Its nanoseconds.
    pub nanos: Option<i32>,
    /// Fields beside these, as on the wire.
    unknown: Vec<u8>,
    /// The same of the point in time.
    unknown_in_time: Vec<u8>,
}

/// A member of an object that is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Member<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is null.
    Null,
    /// It has a value.
    Is(T),
}

/// What an object that is read says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// The UUID.
    pub uuid: Member<String>,
    /// The seconds since 1970.
    pub seconds: Member<i64>,
    /// The nanoseconds.
    pub nanos: Member<i32>,
    /// The text as it was. Members that are absent are as it says.
    pub raw: Option<String>,
}

/// The text of `raw` is none that could be shown, and other members would change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the raw text holds nothing that can be changed")]
pub struct Opaque;

/// What the text of the field says, or none if it is not of the known form. Then it is to be left as it is.
pub fn show(text: &str) -> Option<Content> {
    let engine = if text.contains(['+', '/']) { STANDARD_BASE64 } else { URL_SAFE_BASE64 };
    let bytes = engine.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    read(&bytes).ok().flatten()
}

/// The text of the field for what was given: `raw` itself if that says the same, and else base64 with the alphabet
/// for URLs, without padding, as the upstream writes it.
///
/// # Errors
/// [`Opaque`].
pub fn hide(given: Given) -> Result<String, Opaque> {
    let unchanged =
        given.uuid == Member::Absent && given.seconds == Member::Absent && given.nanos == Member::Absent;
    let before = match &given.raw {
        Some(raw) if unchanged => return Ok(raw.clone()),
        Some(raw) => show(raw).ok_or(Opaque)?,
        None => Content::default(),
    };
    let after = Content {
        uuid: given.uuid.or(&before.uuid),
        seconds: given.seconds.or(&before.seconds),
        nanos: given.nanos.or(&before.nanos),
        ..before.clone()
    };
    match given.raw {
        Some(raw) if after == before => Ok(raw),
        _ => Ok(URL_SAFE_NO_PAD.encode(after.bytes())),
    }
}

impl Content {
    /// Which of the two it has, in the words that clients of this form know.
    pub fn kind(&self) -> &'static str {
        match (self.uuid.is_some(), self.seconds.is_some()) {
            (true, true) => "UUID_AND_TIMESTAMP",
            (true, false) => "UUID_ONLY",
            (false, true) => "TIMESTAMP_ONLY",
            (false, false) => "UNKNOWN",
        }
    }

    /// The point in time in UTC, if there is one and a calendar has it.
    pub fn iso_utc(&self) -> Option<String> {
        timestamp::print(self.seconds?, self.nanos.unwrap_or_default().into())
    }

    /// The same by the clocks of New York.
    pub fn iso_ny(&self) -> Option<String> {
        let seconds = self.seconds?;
        let offset = NEW_YORK.to_offset(jiff::Timestamp::from_second(seconds).ok()?);
        let local = seconds.checked_add(offset.seconds().into())?;
        let local = timestamp::print(local, self.nanos.unwrap_or_default().into())?;
        Some(format!("{}{}", local.strip_suffix('Z')?, zone(offset)))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(uuid) = &self.uuid {
            delimited(UUID, uuid.as_bytes(), &mut out);
        }
        if self.seconds.is_some() || self.nanos.is_some() {
            let mut time = Vec::new();
            let (seconds, nanos) = (self.seconds.unwrap_or_default(), self.nanos.unwrap_or_default());
            for (number, value) in [(SECONDS, seconds), (NANOS, nanos.into())] {
                if value != 0 {
                    encode_key(number, WireType::Varint, &mut time);
                    encode_varint(value as u64, &mut time);
                }
            }
            time.extend_from_slice(&self.unknown_in_time);
            delimited(TIMESTAMP, &time, &mut out);
        }
        out.extend_from_slice(&self.unknown);
        out
    }
}

impl<T> Member<T> {
    fn or(self, before: &Option<T>) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Absent => before.clone(),
            Self::Null => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// The content of a message; none if a field of it is not what it should be.
fn read(bytes: &[u8]) -> Result<Option<Content>, Fault> {
    let mut content = Content::default();
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_at_end() {
        let start = cursor.at();
        match cursor.key()? {
            (UUID, WireType::LengthDelimited) => {
                let Ok(uuid) = std::str::from_utf8(cursor.delimited()?.rest()) else { return Ok(None) };
                content.uuid = Some(uuid.to_owned());
            }
            (TIMESTAMP, WireType::LengthDelimited) => {
                let inner = cursor.delimited()?;
                if !read_time(inner, &mut content)? {
                    return Ok(None);
                }
            }
            (UUID | TIMESTAMP, _) => return Ok(None),
            (number, wire_type) => {
                cursor.skip(number, wire_type, DEPTH)?;
                content.unknown.extend_from_slice(cursor.since(start));
            }
        }
    }
    Ok(Some(content))
}

/// Reads a point in time; false if a field of it is not what it should be.
fn read_time(mut cursor: Cursor<'_>, content: &mut Content) -> Result<bool, Fault> {
    // A point in time without a field is the first one.
    content.seconds.get_or_insert(0);
    content.nanos.get_or_insert(0);
    while !cursor.is_at_end() {
        let start = cursor.at();
        match cursor.key()? {
            (SECONDS, WireType::Varint) => content.seconds = Some(cursor.varint()? as i64),
            (NANOS, WireType::Varint) => content.nanos = Some(cursor.varint()? as i32),
            (SECONDS | NANOS, _) => return Ok(false),
            (number, wire_type) => {
                cursor.skip(number, wire_type, DEPTH)?;
                content.unknown_in_time.extend_from_slice(cursor.since(start));
            }
        }
    }
    Ok(true)
}

/// An offset as RFC 3339 has it; with seconds where the clocks of old had some.
fn zone(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    match rest {
        0 => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}

fn delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
