//! Converts messages: bytes to JSON and JSON to bytes. Pure, bounded, without a panic for any input.
//!
//! The JSON is proto3's, with two additions. Fields that the schema does not have stand under the key `@unknown` of
//! their message, as base64 of their wire bytes. And a `Timestamp`, `Duration` or `FieldMask` that proto3 JSON has no
//! string for (out of range, or with such fields) is written as an object with its fields, and read from one.
//!
//! Not kept are differences without a meaning: the order of fields, defaults that are spelled out, numbers longer
//! than they need be, which of two values came first where the last one wins, and a `Value` that is not even null.

use crate::error::{Error, Malformed, Position, Problem};
use crate::schema::MessageType;
use crate::{json, wire};

/// How deeply messages may be nested in the one that is converted. Entries of maps count as messages, as they do for
/// other readers of protobuf, whose bound is the same.
pub const MAX_DEPTH: usize = 100;

/// How many values (fields, items, entries) a message may have: what its tree takes in memory is bounded by that.
pub const MAX_VALUES: usize = 1 << 20;

/// How long JSON may become, in bytes: what one call can carry.
pub const MAX_JSON_BYTES: usize = warp2api_rpc::MAX_MESSAGE_BYTES;

/// How field names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// As in the schema, `task_context`.
    #[default]
    Snake,
    /// As in canonical proto3 JSON, `taskContext`.
    Camel,
}

/// What happens to fields that the schema does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They go through the key `@unknown`. In JSON, any other key that the schema does not have is an error.
    Keep,
    /// They are an error.
    Refuse,
    /// They are left out.
    Ignore,
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How field names are written.
    pub naming: Naming,
    /// What happens to fields that the schema does not have.
    pub unknown: Unknown,
}

impl Default for Options {
    /// Names as in the schema, and nothing is lost.
    fn default() -> Self {
        Self { naming: Naming::Snake, unknown: Unknown::Keep }
    }
}

/// The JSON of the bytes of a message.
///
/// # Errors
/// When the bytes are no message of the type, or the message is nested too deeply or too large.
pub fn to_json(message_type: &MessageType, data: &[u8], options: Options) -> Result<String, Error> {
    let descriptor = message_type.descriptor();
    let message = wire::read(descriptor, data, options.unknown, MAX_DEPTH, &mut { MAX_VALUES })
        .map_err(|fault| fault.in_bytes())?;
    json::write(&message, descriptor, options.naming, MAX_JSON_BYTES).map_err(|json::TooLong| {
        let (path, position) = (String::new(), Position::Byte(data.len()));
        Malformed { path, position, problem: Problem::TooLong }.into()
    })
}

/// The bytes of the JSON of a message. Names in snake_case and camelCase are both understood.
///
/// # Errors
/// When the text is no JSON of the type, or the message is nested too deeply or too large.
pub fn to_bytes(message_type: &MessageType, json: &str, unknown: Unknown) -> Result<Vec<u8>, Error> {
    let message =
        json::read(message_type.descriptor(), json, unknown).map_err(|fault| fault.in_text(json))?;
    let mut data = Vec::new();
    wire::write(&message, &mut data);
    Ok(data)
}
