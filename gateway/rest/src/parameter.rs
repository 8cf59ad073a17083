//! A name and a text, from a path or a query, as a field of a message.
//!
//! Names are the contract's or JSON's, joined by dots. Texts are what proto3 JSON would have between quotes; enums go
//! by name or number, bytes in base64 of either alphabet, field masks in either naming.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};

/// Sets fields of one message by name, each once unless it is a list.
#[derive(Debug)]
pub(crate) struct Fields {
    message: DynamicMessage,
    given: HashSet<String>,
}

/// Why a field was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no such field")]
    Unknown,
    #[error("cannot be given in a query")]
    Structured,
    #[error("given twice")]
    Twice,
    #[error("another field of the same oneof is given too")]
    Oneof,
    #[error("expected {0}")]
    Expected(&'static str),
}

impl Fields {
    pub(crate) fn new(message: MessageDescriptor) -> Self {
        Self { message: DynamicMessage::new(message), given: HashSet::new() }
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let path = resolve(&self.message.descriptor(), name).ok_or(Problem::Unknown)?;
        let Some((last, parents)) = path.split_last() else { return Err(Problem::Unknown) };
        let value = value(last, text)?;
        if !last.is_list() {
            let name: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
            if !self.given.insert(name.join(".")) {
                return Err(Problem::Twice);
            }
        }
        let mut message = &mut self.message;
        for parent in parents {
            refuse_second_choice(message, parent)?;
            message = match message.get_field_mut(parent) {
                Value::Message(inner) => inner,
                _ => return Err(Problem::Structured),
            };
        }
        refuse_second_choice(message, last)?;
        if last.is_list() {
            if let Value::List(items) = message.get_field_mut(last) {
                items.push(value);
            }
        } else {
            message.set_field(last, value);
        }
        Ok(())
    }

    pub(crate) fn into_message(self) -> DynamicMessage {
        self.message
    }
}

/// The fields that names joined by dots lead through, the last one being meant.
pub(crate) fn resolve(message: &MessageDescriptor, name: &str) -> Option<Vec<FieldDescriptor>> {
    let mut path: Vec<FieldDescriptor> = Vec::new();
    for name in name.split('.') {
        let message = match path.last() {
            None => message.clone(),
            Some(field) if field.is_list() || field.is_map() => return None,
            Some(field) => match field.kind() {
                Kind::Message(inner) if !is_well_known(&inner) => inner,
                _ => return None,
            },
        };
        let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))?;
        path.push(field);
    }
    Some(path)
}

/// Whether a field can be given as one text.
pub(crate) fn is_plain(field: &FieldDescriptor) -> bool {
    match field.kind() {
        _ if field.is_map() => false,
        Kind::Message(message) => has_text_form(&message),
        _ => true,
    }
}

fn refuse_second_choice(message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), Problem> {
    let Some(oneof) = field.containing_oneof() else { return Ok(()) };
    let other = oneof.fields().any(|other| other != *field && message.has_field(&other));
    if other { Err(Problem::Oneof) } else { Ok(()) }
}

fn value(field: &FieldDescriptor, text: &str) -> Result<Value, Problem> {
    if !is_plain(field) {
        return Err(Problem::Structured);
    }
    scalar(&field.kind(), text)
}

fn scalar(kind: &Kind, text: &str) -> Result<Value, Problem> {
    let number = |what| move |_| Problem::Expected(what);
    Ok(match kind {
        Kind::String => Value::String(text.to_owned()),
        Kind::Bytes => Value::Bytes(bytes(text).ok_or(Problem::Expected("base64"))?.into()),
        Kind::Bool => Value::Bool(text.parse().map_err(|_| Problem::Expected("true or false"))?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(text.parse().map_err(number("an integer of 32 bits"))?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(text.parse().map_err(number("an integer of 64 bits"))?)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            Value::U32(text.parse().map_err(number("an integer of 32 bits that is not negative"))?)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Value::U64(text.parse().map_err(number("an integer of 64 bits that is not negative"))?)
        }
        Kind::Float => Value::F32(text.parse().map_err(|_| Problem::Expected("a number"))?),
        Kind::Double => Value::F64(text.parse().map_err(|_| Problem::Expected("a number"))?),
        Kind::Enum(enumeration) => {
            let named = enumeration.get_value_by_name(text).map(|value| value.number());
            let number = named.or_else(|| text.parse().ok());
            Value::EnumNumber(number.ok_or(Problem::Expected("the name of a value"))?)
        }
        Kind::Message(message) => Value::Message(well_known(message, text)?),
    })
}

/// Base64 of either alphabet, padded or not.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

const WRAPPERS: [&str; 9] = [
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.Int32Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.BoolValue",
    "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
];

fn has_text_form(message: &MessageDescriptor) -> bool {
    let name = message.full_name();
    WRAPPERS.contains(&name)
        || matches!(
            name,
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
        )
}

fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

fn well_known(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, Problem> {
    let written = |expected| {
        let json = serde_json::Value::String(text.to_owned());
        DynamicMessage::deserialize(message.clone(), json).map_err(|_| Problem::Expected(expected))
    };
    match message.full_name() {
        "google.protobuf.Timestamp" => written("a time such as 2026-01-31T12:00:00Z"),
        "google.protobuf.Duration" => written("seconds such as 1.5s"),
        "google.protobuf.FieldMask" => {
            let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
            let mut mask = DynamicMessage::new(message.clone());
            mask.set_field_by_name(
                "paths",
                Value::List(paths.map(|path| Value::String(snake(path))).collect()),
            );
            Ok(mask)
        }
        _ => {
            let Some(field) = message.get_field_by_name("value") else { return Err(Problem::Structured) };
            let mut wrapper = DynamicMessage::new(message.clone());
            wrapper.set_field(&field, scalar(&field.kind(), text)?);
            Ok(wrapper)
        }
    }
}

/// `displayName` as `display_name`; what is written so already stays.
fn snake(path: &str) -> String {
    path.chars().fold(String::with_capacity(path.len()), |mut out, letter| {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::testing::pool;

    fn set(pairs: &[(&str, &str)]) -> Result<Json, Problem> {
        let mut fields = Fields::new(pool("").get_message_by_name("test.v1.A").unwrap());
        for (name, text) in pairs {
            fields.set(name, text)?;
        }
        Ok(serde_json::to_value(fields.into_message()).unwrap())
    }

    #[test]
    fn texts_become_fields_of_every_kind() {
        for (pairs, expected) in [
            (&[("text", "a b")][..], json!({"text": "a b"})),
            (&[("texts", "a"), ("texts", "")], json!({"texts": ["a", ""]})),
            (
                &[("inner.text", "a"), ("inner.inner.text", "b")],
                json!({"inner": {"text": "a", "inner": {"text": "b"}}}),
            ),
            (&[("inner.long_name", "a")], json!({"inner": {"longName": "a"}})),
            (&[("inner.longName", "a")], json!({"inner": {"longName": "a"}})),
            (&[("colour", "COLOUR_RED")], json!({"colour": "COLOUR_RED"})),
            (&[("colour", "2")], json!({"colour": "COLOUR_BLUE"})),
            (
                &[("colours", "COLOUR_RED"), ("colours", "2")],
                json!({"colours": ["COLOUR_RED", "COLOUR_BLUE"]}),
            ),
            (&[("i32", "-7")], json!({"i32": -7})),
            (&[("u64", "18446744073709551615")], json!({"u64": "18446744073709551615"})),
            (&[("s64", "-9223372036854775808")], json!({"s64": "-9223372036854775808"})),
            (&[("f32", "7")], json!({"f32": 7})),
            (&[("precise", "1e300")], json!({"precise": 1e300})),
            (&[("flag", "true")], json!({"flag": true})),
            (&[("data", "-_-_")], json!({"data": "+/+/"})),
            (&[("data", "+/+/")], json!({"data": "+/+/"})),
            (&[("data", "aGk=")], json!({"data": "aGk="})),
            (&[("atTime", "2026-01-31T12:00:00+01:00")], json!({"atTime": "2026-01-31T11:00:00Z"})),
            (&[("max_wait", "1.5s")], json!({"maxWait": "1.500s"})),
            (
                &[("update_mask", "long_name,inner.longName")],
                json!({"updateMask": "longName,inner.longName"}),
            ),
            (&[("wrapped", "0")], json!({"wrapped": 0})),
            (&[("one", "")], json!({"one": ""})),
            (&[("maybe", "0")], json!({"maybe": 0})),
            (&[("numbers", "1"), ("numbers", "1")], json!({"numbers": [1, 1]})),
        ] {
            assert_eq!(set(pairs), Ok(expected), "{pairs:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (pairs, problem) in [
            (&[("nothing", "a")][..], Problem::Unknown),
            (&[("", "a")], Problem::Unknown),
            (&[("inner.", "a")], Problem::Unknown),
            (&[("inners.text", "a")], Problem::Unknown),
            (&[("text.text", "a")], Problem::Unknown),
            (&[("at_time.seconds", "1")], Problem::Unknown),
            (&[("inner", "a")], Problem::Structured),
            (&[("structure", "{}")], Problem::Structured),
            (&[("labels", "a")], Problem::Structured),
            (&[("text", "a"), ("text", "a")], Problem::Twice),
            (&[("i32", "0"), ("i32", "0")], Problem::Twice),
            (&[("inner.longName", "a"), ("inner.long_name", "a")], Problem::Twice),
            (&[("one", "a"), ("other", "")], Problem::Oneof),
            (&[("colour", "RED")], Problem::Expected("the name of a value")),
            (&[("i32", "2147483648")], Problem::Expected("an integer of 32 bits")),
            (&[("u64", "-1")], Problem::Expected("an integer of 64 bits that is not negative")),
            (&[("real", "")], Problem::Expected("a number")),
            (&[("flag", "1")], Problem::Expected("true or false")),
            (&[("data", "?")], Problem::Expected("base64")),
            (&[("at_time", "today")], Problem::Expected("a time such as 2026-01-31T12:00:00Z")),
            (&[("max_wait", "1")], Problem::Expected("seconds such as 1.5s")),
            (&[("wrapped", "x")], Problem::Expected("an integer of 32 bits")),
        ] {
            assert_eq!(set(pairs), Err(problem), "{pairs:?}");
        }
    }
}
