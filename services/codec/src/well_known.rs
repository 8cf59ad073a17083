//! The types of `google.protobuf` whose JSON is not that of a plain message.
//!
//! `Any` is not among them: the upstream's schema does not use it, and a test holds that. Where it should come, it is
//! an object of its type's name and its bytes, which loses nothing.

pub(crate) mod date;
pub(crate) mod duration;
pub(crate) mod field_mask;
pub(crate) mod fraction;
pub(crate) mod timestamp;

use std::borrow::Cow;

use crate::layout::Layout;
use crate::tree::{Content, Message, Value};

/// What the JSON of a message type looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object with the fields as members.
    Object,
    /// A string, or an object where a string cannot say it.
    Text(Text),
    /// Whatever the JSON of its first field is, an object or an array.
    FirstField {
        /// The JSON if there is nothing in it.
        empty: &'static str,
    },
    /// The JSON of the one value it wraps, also where that is a default.
    Wrapper,
    /// Any JSON value.
    Value,
}

/// A type that is a string in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Timestamp,
    Duration,
    FieldMask,
}

impl Form {
    pub(crate) fn of(full_name: &str) -> Self {
        let Some(name) = full_name.strip_prefix("google.protobuf.") else { return Self::Object };
        match name {
            "Timestamp" => Self::Text(Text::Timestamp),
            "Duration" => Self::Text(Text::Duration),
            "FieldMask" => Self::Text(Text::FieldMask),
            "Struct" => Self::FirstField { empty: "{}" },
            "ListValue" => Self::FirstField { empty: "[]" },
            "Value" => Self::Value,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapper,
            _ => Self::Object,
        }
    }

    /// Whether the JSON can be an object of the message's own, with a place for unknown fields.
    pub(crate) fn can_be_object(self) -> bool {
        matches!(self, Self::Object | Self::Text(_))
    }
}

impl Text {
    /// The string of a message, or none if it has no string form: out of range, paths that camelCase cannot say, or
    /// unknown fields to keep.
    pub(crate) fn print(self, message: &Message<'_>) -> Option<String> {
        if !message.unknown.is_empty() {
            return None;
        }
        match self {
            Self::Timestamp => timestamp::print(integer(message, 0), integer(message, 1)),
            Self::Duration => duration::print(integer(message, 0), integer(message, 1)),
            Self::FieldMask => field_mask::print(strings(message)),
        }
    }

    /// The message of a string, or none if it is not of the type's form.
    pub(crate) fn parse(self, text: &str, layout: &Layout) -> Option<Message<'static>> {
        let mut message = Message::default();
        let (seconds, nanos) = match self {
            Self::Timestamp => timestamp::parse(text)?,
            Self::Duration => duration::parse(text)?,
            Self::FieldMask => {
                let paths = field_mask::parse(text)?;
                message.list(0).extend(paths.into_iter().map(|path| Value::String(Cow::Owned(path))));
                return Some(message);
            }
        };
        message.set(layout, 0, Value::Signed(seconds));
        message.set(layout, 1, Value::Signed(nanos));
        Some(message)
    }

    /// What stands there, for an error.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Timestamp => "a time such as 2026-01-31T23:59:59.5Z",
            Self::Duration => "a span of seconds such as 1.5s",
            Self::FieldMask => "field paths such as fooBar.baz,qux",
        }
    }
}

fn integer(message: &Message<'_>, place: u16) -> i64 {
    match message.get(place) {
        Some(Content::One(Value::Signed(value))) => *value,
        _ => 0,
    }
}

fn strings<'m>(message: &'m Message<'_>) -> Vec<&'m str> {
    let Some(Content::Many(items)) = message.get(0) else { return Vec::new() };
    let strings = items.iter().map(|item| match item {
        Value::String(text) => text.as_ref(),
        _ => "",
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use crate::Schema;

    #[test]
    fn every_type_of_google_that_the_schema_uses_has_its_form() {
        let used: Vec<_> = Schema::global()
            .message_types()
            .map(|message_type| message_type.full_name())
            .filter_map(|name| name.strip_prefix("google.protobuf."))
            .collect();

        assert_eq!(used, ["Duration", "Empty", "FieldMask", "ListValue", "Struct", "Timestamp", "Value"]);
    }
}
