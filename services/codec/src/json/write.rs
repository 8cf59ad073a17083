//! A tree to JSON, compact, fields in the order of their numbers, maps and JSON objects in the order they came in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{UNKNOWN, number};
use crate::transcode::Naming;
use crate::tree::{Content, Entry, Key, Message, Value};
use crate::well_known::Form;

/// The text would be longer than allowed.
#[derive(Debug)]
pub(crate) struct TooLong;

/// The JSON of a message, of at most `limit` bytes.
pub(crate) fn write(
    message: &Message,
    descriptor: &MessageDescriptor,
    naming: Naming,
    limit: usize,
) -> Result<String, TooLong> {
    let mut writer = Writer { out: String::new(), naming, limit };
    writer.message(message, descriptor)?;
    writer.check()?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    naming: Naming,
    limit: usize,
}

impl Writer {
    fn message(&mut self, message: &Message, descriptor: &MessageDescriptor) -> Result<(), TooLong> {
        let plain = match Form::of(descriptor) {
            Form::Object => return self.object(message),
            Form::Text(form) => match form.print(message) {
                Some(text) => {
                    self.string(&text);
                    return Ok(());
                }
                None => return self.object(message),
            },
            Form::FirstField { empty } => match message.fields().next() {
                Some(entry) => return self.content(entry),
                None => empty,
            },
            Form::Value => match message.fields().next() {
                Some(entry) if !matches!(entry.descriptor.kind(), Kind::Enum(_)) => {
                    return self.content(entry);
                }
                _ => "null",
            },
        };
        self.out.push_str(plain);
        Ok(())
    }

    fn object(&mut self, message: &Message) -> Result<(), TooLong> {
        self.out.push('{');
        let mut first = true;
        for entry in message.fields() {
            self.separate(&mut first)?;
            self.key(match self.naming {
                Naming::Snake => entry.descriptor.name(),
                Naming::Camel => entry.descriptor.json_name(),
            });
            self.content(entry)?;
        }
        if !message.unknown.is_empty() {
            self.separate(&mut first)?;
            self.key(UNKNOWN);
            self.bytes(&message.unknown);
        }
        self.out.push('}');
        Ok(())
    }

    fn content(&mut self, entry: &Entry) -> Result<(), TooLong> {
        let field: &FieldDescriptor = &entry.descriptor;
        match (&entry.content, field.kind()) {
            (Content::One(value), kind) => self.value(value, &kind),
            (Content::Many(items), kind) => self.list(items, &kind),
            (Content::Map(map), Kind::Message(entry)) => {
                self.map(map.entries(), &entry.map_entry_value_field().kind())
            }
            (Content::Map(_), _) => unreachable!("entries of a map are messages"),
        }
    }

    fn list(&mut self, items: &[Value], kind: &Kind) -> Result<(), TooLong> {
        self.out.push('[');
        let mut first = true;
        for item in items {
            self.separate(&mut first)?;
            self.value(item, kind)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, entries: &[(Key, Value)], kind: &Kind) -> Result<(), TooLong> {
        self.out.push('{');
        let mut first = true;
        for (key, value) in entries {
            self.separate(&mut first)?;
            match key {
                Key::String(text) => self.key(text),
                Key::Bool(flag) => self.key(&flag.to_string()),
                Key::Signed(number) => self.key(&number.to_string()),
                Key::Unsigned(number) => self.key(&number.to_string()),
            }
            self.value(value, kind)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn value(&mut self, value: &Value, kind: &Kind) -> Result<(), TooLong> {
        match (value, kind) {
            (Value::Message(message), Kind::Message(descriptor)) => self.message(message, descriptor)?,
            (Value::Message(_), _) => unreachable!("only fields of message types hold messages"),
            (Value::Bool(flag), _) => self.out.push_str(if *flag { "true" } else { "false" }),
            (Value::Signed(number), Kind::Enum(descriptor)) => {
                let value = i32::try_from(*number).ok().and_then(|number| descriptor.get_value(number));
                match value {
                    Some(value) => self.string(value.name()),
                    None => self.out.push_str(&number.to_string()),
                }
            }
            // Readers of JSON take numbers for doubles, which would lose digits of 64 bits.
            (Value::Signed(number), Kind::Int64 | Kind::Sint64 | Kind::Sfixed64) => {
                self.string(&number.to_string());
            }
            (Value::Unsigned(number), Kind::Uint64 | Kind::Fixed64) => self.string(&number.to_string()),
            (Value::Signed(number), _) => self.out.push_str(&number.to_string()),
            (Value::Unsigned(number), _) => self.out.push_str(&number.to_string()),
            (Value::Float(number), _) if number.is_finite() => number::print(number, &mut self.out),
            (Value::Float(number), _) => self.string(not_finite(f64::from(*number))),
            (Value::Double(number), _) if number.is_finite() => number::print(number, &mut self.out),
            (Value::Double(number), _) => self.string(not_finite(*number)),
            (Value::String(text), _) => self.string(text),
            (Value::Bytes(bytes), _) => self.bytes(bytes),
        }
        Ok(())
    }

    fn key(&mut self, key: &str) {
        self.string(key);
        self.out.push(':');
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.push('"');
        STANDARD.encode_string(bytes, &mut self.out);
        self.out.push('"');
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(place) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            self.out.push_str(&rest[..place]);
            match rest.as_bytes()[place] {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                control => self.out.push_str(&format!("\\u{control:04x}")),
            }
            rest = &rest[place + 1..];
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    /// Before each member or item. Here, so that nothing long is written past the limit.
    fn separate(&mut self, first: &mut bool) -> Result<(), TooLong> {
        if !std::mem::take(first) {
            self.out.push(',');
        }
        self.check()
    }

    fn check(&self) -> Result<(), TooLong> {
        if self.out.len() > self.limit { Err(TooLong) } else { Ok(()) }
    }
}

fn not_finite(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}
