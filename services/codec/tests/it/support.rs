//! What the tests share: short ways to convert, and another implementation to compare with.

use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;
use warp2api_codec::{Error, MessageType, Naming, Options, Schema, Unknown, transcode};

/// The message type of that name in the upstream's package, or of that full name.
pub(crate) fn message_type(name: &str) -> &'static MessageType {
    let full_name = match name.strip_prefix("google.") {
        Some(_) => name.to_owned(),
        None => format!("warp.multi_agent.v1.{name}"),
    };
    Schema::global().message_type(&full_name).unwrap()
}

pub(crate) fn to_json(name: &str, data: &[u8]) -> Result<String, Error> {
    transcode::to_json(message_type(name), data, Options::default())
}

pub(crate) fn to_bytes(name: &str, json: &str) -> Result<Vec<u8>, Error> {
    transcode::to_bytes(message_type(name), json, Unknown::Keep)
}

pub(crate) fn camel() -> Options {
    Options { naming: Naming::Camel, ..Options::default() }
}

/// What prost-reflect makes of the bytes, or none if it refuses them or has no JSON for them.
pub(crate) fn json_of_another(message_type: &MessageType, data: &[u8]) -> Option<Value> {
    let message = DynamicMessage::decode(message_type.descriptor().clone(), data).ok()?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).ok()
}

/// What prost-reflect makes of the JSON.
pub(crate) fn bytes_of_another(message_type: &MessageType, json: &str) -> Option<Vec<u8>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(message_type.descriptor().clone(), &mut deserializer).ok()?;
    Some(message.encode_to_vec())
}

/// A JSON value in which `1` and `1.0` are the same.
pub(crate) fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}

/// A JSON value in which numbers are as exact as a float, and members that are zero are left out: the other
/// implementation writes floats as if they were doubles, and minus zero not at all.
pub(crate) fn rough(value: Value) -> Value {
    let is_zero = |value: &Value| value.as_f64() == Some(0.0);
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, |number| Value::from(number as f32)),
        Value::Array(items) => items.into_iter().map(rough).collect(),
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !is_zero(value));
            members.map(|(key, value)| (key, rough(value))).collect()
        }
        other => other,
    }
}

/// A text as a JSON value in which `1` and `1.0` are the same.
pub(crate) fn parsed(json: &str) -> Value {
    normal(serde_json::from_str(json).unwrap())
}
