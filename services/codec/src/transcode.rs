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

/// What a message may be made of at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How deeply messages may be nested in the one that is converted. Entries of maps count as messages, as they do
    /// for other readers of protobuf, whose bound is the same.
    pub(crate) depth: usize,
    /// How many values (fields, items, entries) there may be: that bounds what the tree takes in memory.
    pub(crate) values: usize,
    /// How long JSON may become, in bytes: what one call can carry.
    pub(crate) json_bytes: usize,
}

pub(crate) const LIMITS: Limits = Limits { depth: 100, values: 1 << 20, json_bytes: MAX_BYTES };

/// How long JSON may become, in bytes, and how long what is read should be at most: what one call can carry.
pub const MAX_BYTES: usize = warp2api_rpc::MAX_MESSAGE_BYTES;

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
    /// Whether what stands in `server_message_data` is shown, see [`crate::server_message_data`].
    pub server_message_data: bool,
}

/// How JSON is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What happens to fields that the schema does not have.
    pub unknown: Unknown,
    /// Whether `server_message_data` may be an object as [`Options::server_message_data`] writes it. A string is
    /// taken as it is all the same.
    pub server_message_data: bool,
}

impl From<Unknown> for Reading {
    fn from(unknown: Unknown) -> Self {
        Self { unknown, server_message_data: false }
    }
}

impl Default for Options {
    /// Names as in the schema, and nothing is lost.
    fn default() -> Self {
        Self { naming: Naming::Snake, unknown: Unknown::Keep, server_message_data: false }
    }
}

/// The JSON of the bytes of a message.
///
/// # Errors
/// When the bytes are no message of the type, or the message is nested too deeply or too large.
pub fn to_json(message_type: &MessageType, data: &[u8], options: Options) -> Result<String, Error> {
    to_json_within(LIMITS, message_type, data, options)
}

/// The bytes of the JSON of a message. Names in snake_case and camelCase are both understood.
///
/// # Errors
/// When the text is no JSON of the type, or the message is nested too deeply or too large.
pub fn to_bytes(
    message_type: &MessageType,
    json: &str,
    reading: impl Into<Reading>,
) -> Result<Vec<u8>, Error> {
    to_bytes_within(LIMITS, message_type, json, reading.into())
}

fn to_json_within(
    mut limits: Limits,
    message_type: &MessageType,
    data: &[u8],
    options: Options,
) -> Result<String, Error> {
    let (layouts, id) = message_type.layouts();
    let message = wire::read(layouts, id, data, options.unknown, limits.depth, &mut limits.values)
        .map_err(|fault| fault.in_bytes())?;
    // Names and quotes make it about twice as long.
    let lengths = (2 * data.len(), limits.json_bytes);
    json::write(layouts, id, &message, options, lengths).map_err(|json::TooLong| {
        let (path, position) = (String::new(), Position::Byte(data.len()));
        Malformed { path, position, problem: Problem::TooLong }.into()
    })
}

fn to_bytes_within(
    limits: Limits,
    message_type: &MessageType,
    json: &str,
    reading: Reading,
) -> Result<Vec<u8>, Error> {
    let (layouts, id) = message_type.layouts();
    let message = json::read(layouts, id, json, reading, limits).map_err(|fault| fault.in_text(json))?;
    // Without names and quotes it is shorter than the text, mostly.
    Ok(wire::write(layouts, layouts.message(id), &message, json.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    const TASK: &str = r#"{"id":"t","messages":[{"id":"a"},{"id":"b"}]}"#;

    fn task() -> &'static MessageType {
        Schema::global().message_type("warp.multi_agent.v1.Task").unwrap()
    }

    fn problem<T>(result: Result<T, Error>) -> Option<Problem> {
        match result {
            Err(Error::Malformed(malformed)) => Some(malformed.problem),
            _ => None,
        }
    }

    #[test]
    fn the_number_of_values_is_bounded_both_ways() {
        let data = to_bytes(task(), TASK, Unknown::Refuse).unwrap();
        // The id, two messages, their ids.
        for (values, expected) in
            [(5, None), (4, Some(Problem::TooManyValues)), (0, Some(Problem::TooManyValues))]
        {
            let limits = Limits { values, ..LIMITS };

            assert_eq!(problem(to_json_within(limits, task(), &data, Options::default())), expected);
            assert_eq!(problem(to_bytes_within(limits, task(), TASK, Unknown::Refuse.into())), expected);
        }
    }

    #[test]
    fn items_of_packed_lists_and_kept_fields_are_counted_too() {
        let settings = Schema::global().message_type("warp.multi_agent.v1.Request.Settings").unwrap();
        let limits = Limits { values: 3, ..LIMITS };
        let packed = |items: u8| [&[0x4a, items], &vec![9; usize::from(items)][..]].concat();

        assert_eq!(problem(to_json_within(limits, settings, &packed(2), Options::default())), None);
        let too_many = to_json_within(limits, settings, &packed(3), Options::default());
        assert_eq!(problem(too_many), Some(Problem::TooManyValues));
        // The same under `@unknown`: the list, two items; three.
        for (json, expected) in [
            (r#"{"@unknown":"SgIJCQ=="}"#, None),
            (r#"{"@unknown":"SgMJCQk="}"#, Some(Problem::TooManyValues)),
        ] {
            assert_eq!(problem(to_bytes_within(limits, settings, json, Unknown::Keep.into())), expected);
        }
    }

    #[test]
    fn the_length_of_the_json_is_bounded() {
        let data = to_bytes(task(), TASK, Unknown::Refuse).unwrap();
        for (json_bytes, expected) in
            [(TASK.len(), None), (TASK.len() - 1, Some(Problem::TooLong)), (0, Some(Problem::TooLong))]
        {
            let limits = Limits { json_bytes, ..LIMITS };

            assert_eq!(problem(to_json_within(limits, task(), &data, Options::default())), expected);
        }
    }
}
