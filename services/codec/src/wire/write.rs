//! A tree to bytes: fields in the order of their numbers, then those that the schema does not have.

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind};

use crate::tree::{Content, Key, Message, Value};

/// Appends the message.
pub(crate) fn write(message: &Message, out: &mut Vec<u8>) {
    for entry in message.fields() {
        field(&entry.descriptor, &entry.content, out);
    }
    out.extend_from_slice(&message.unknown);
}

fn field(descriptor: &FieldDescriptor, content: &Content, out: &mut Vec<u8>) {
    let (number, kind) = (descriptor.number(), descriptor.kind());
    match content {
        Content::One(value) => keyed(number, &kind, value, out),
        Content::Many(items) if descriptor.is_packed() => {
            encode_key(number, WireType::LengthDelimited, out);
            delimited(out, |out| items.iter().for_each(|item| bare(&kind, item, out)));
        }
        Content::Many(items) => items.iter().for_each(|item| keyed(number, &kind, item, out)),
        Content::Map(map) => {
            let Kind::Message(entry) = kind else { unreachable!("entries of a map are messages") };
            let (key_kind, value_kind) =
                (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            for (key, value) in map.entries() {
                encode_key(number, WireType::LengthDelimited, out);
                delimited(out, |out| {
                    keyed(1, &key_kind, &key_value(key), out);
                    keyed(2, &value_kind, value, out);
                });
            }
        }
    }
}

fn keyed(number: u32, kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    encode_key(number, kind.wire_type(), out);
    bare(kind, value, out);
}

fn bare(kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    match (value, kind) {
        (Value::Bool(flag), _) => out.push(u8::from(*flag)),
        (Value::Float(number), _) => out.extend_from_slice(&number.to_le_bytes()),
        (Value::Double(number), _) => out.extend_from_slice(&number.to_le_bytes()),
        (Value::Signed(number), Kind::Sfixed32) => out.extend_from_slice(&(*number as i32).to_le_bytes()),
        (Value::Signed(number), Kind::Sfixed64) => out.extend_from_slice(&number.to_le_bytes()),
        (Value::Signed(number), Kind::Sint32 | Kind::Sint64) => encode_varint(zigzag(*number), out),
        (Value::Signed(number), _) => encode_varint(*number as u64, out),
        (Value::Unsigned(number), Kind::Fixed32) => out.extend_from_slice(&(*number as u32).to_le_bytes()),
        (Value::Unsigned(number), Kind::Fixed64) => out.extend_from_slice(&number.to_le_bytes()),
        (Value::Unsigned(number), _) => encode_varint(*number, out),
        (Value::String(text), _) => delimited(out, |out| out.extend_from_slice(text.as_bytes())),
        (Value::Bytes(bytes), _) => delimited(out, |out| out.extend_from_slice(bytes)),
        (Value::Message(message), _) => delimited(out, |out| write(message, out)),
    }
}

/// Appends what `body` writes, with its length before it. One byte is left for the length, which mostly is enough.
fn delimited(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    body(out);
    let length = out.len() - start - 1;
    match u8::try_from(length) {
        Ok(short @ ..0x80) => out[start] = short,
        _ => {
            let mut prefix = Vec::with_capacity(10);
            encode_varint(length as u64, &mut prefix);
            out.splice(start..=start, prefix);
        }
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn key_value(key: &Key) -> Value {
    match key {
        Key::Bool(flag) => Value::Bool(*flag),
        Key::Signed(number) => Value::Signed(*number),
        Key::Unsigned(number) => Value::Unsigned(*number),
        Key::String(text) => Value::String(text.clone()),
    }
}
