//! What can be wrong with a message, and where. Names places and rules, never content.

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::transcode::LIMITS;

/// Why a message type was not found or a message not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The schema has no message type of that name.
    #[error("no message type `{name}` is in the schema")]
    MessageTypeNotFound {
        /// The name that was asked for, or a question mark if it cannot be a name.
        name: String,
    },
    /// The bytes or the JSON do not fit the message type.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What is wrong with a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{position}: {problem}", Within(path))]
pub struct Malformed {
    /// The field, for example `input.user_inputs.inputs[0].user_query.query`. Entries of maps are counted, not named:
    /// keys are content. Empty for the message itself.
    pub path: String,
    /// Where in the bytes or the text.
    pub position: Position,
    /// What is wrong.
    pub problem: Problem,
}

/// A place in what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// An offset in bytes, from 0.
    Byte(usize),
    /// A place in a text. Both count from 1, columns in characters.
    Text {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes end too early.
    #[error("the bytes end in the middle of a field")]
    Truncated,
    /// A varint has more than 64 bits.
    #[error("a number has more than 64 bits")]
    Overlong,
    /// A field number is 0 or too large.
    #[error("a field number is out of range")]
    FieldNumber,
    /// A field has a wire type that does not exist.
    #[error("a field has no wire type that exists")]
    WireType,
    /// A field has another wire type than its type asks for.
    #[error("the bytes do not have the wire type of a field of type {0}")]
    WrongWireType(&'static str),
    /// A group begins or ends without its counterpart.
    #[error("a group ends that did not begin")]
    Group,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A number has no JSON form.
    #[error("a number of a JSON value is not finite")]
    NotFinite,
    /// An unknown field stands where JSON cannot carry it.
    #[error("there is no such field, and JSON has no place here to keep it")]
    NoPlace,
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(&'static str),
    /// The JSON value is of the wrong kind.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number does not fit its type.
    #[error("expected a number that fits in {0}")]
    Range(&'static str),
    /// The enum has no such value.
    #[error("the enum has no value of that name")]
    EnumValue,
    /// A field, or a key of a map, stands there twice.
    #[error("given twice")]
    Duplicate,
    /// Two fields of one oneof are set.
    #[error("another field of the same oneof is given too")]
    Oneof,
    /// The schema does not have the field.
    #[error("there is no such field")]
    UnknownField,
    /// Kept unknown fields are given, but not asked for.
    #[error(
        "holds fields that the schema does not have, which are read back only if unknown fields are kept"
    )]
    Kept,
    /// Messages are nested too deeply.
    #[error("messages are nested more than {max} levels deep", max = LIMITS.depth)]
    TooDeep,
    /// There is too much in the message.
    #[error("the message has more than {max} values", max = LIMITS.values)]
    TooManyValues,
    /// The result would be too long.
    #[error("the JSON is longer than {max} bytes", max = LIMITS.json_bytes)]
    TooLong,
}

/// A path as the beginning of a sentence.
struct Within<'a>(&'a str);

impl std::fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" => Ok(()),
            path => write!(f, "{path} at "),
        }
    }
}

impl std::fmt::Display for Position {
    /// As in error metadata: `17`, or `2:5` for a place in a text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Byte(offset) => write!(f, "{offset}"),
            Self::Text { line, column } => write!(f, "{line}:{column}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::MessageTypeNotFound { name } => {
                Self::new(ErrorReason::MessageTypeNotFound, message).with_metadata("message_type", name)
            }
            Error::Malformed(malformed) => {
                let reason = match malformed.problem {
                    Problem::TooManyValues | Problem::TooLong => ErrorReason::RequestTooLarge,
                    _ => ErrorReason::MalformedMessage,
                };
                Self::new(reason, message)
                    .with_metadata("path", malformed.path)
                    .with_metadata("position", malformed.position.to_string())
            }
        }
    }
}

/// `name` if it can be the name of something in a schema. Anything else may be content, and is not repeated.
pub(crate) fn presentable(name: &str) -> &str {
    let of_a_name = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-' | b'@' | b'$');
    if !name.is_empty() && name.len() <= 128 && name.bytes().all(of_a_name) { name } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_told_from_malformed() {
        for (problem, reason) in [
            (Problem::Truncated, ErrorReason::MalformedMessage),
            (Problem::TooDeep, ErrorReason::MalformedMessage),
            (Problem::TooManyValues, ErrorReason::RequestTooLarge),
            (Problem::TooLong, ErrorReason::RequestTooLarge),
        ] {
            let malformed = Malformed { path: "a.b".to_owned(), position: Position::Byte(3), problem };

            let failure = Failure::from(Error::Malformed(malformed));

            assert_eq!(failure.reason, reason);
            assert!(failure.metadata.contains(&("path".to_owned(), "a.b".to_owned())));
            assert!(failure.metadata.contains(&("position".to_owned(), "3".to_owned())));
        }
    }

    #[test]
    fn only_what_can_be_a_name_is_shown() {
        for name in ["task_context", "@unknown", "a.B-1", "$schema"] {
            assert_eq!(presentable(name), name);
        }
        for name in ["", "two words", "caf\u{e9}", "a\n", &"x".repeat(129)] {
            assert_eq!(presentable(name), "?");
        }
    }
}
