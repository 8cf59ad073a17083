//! A tree to JSON, compact, fields in the order of their numbers, maps and JSON objects in the order they came in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{UNKNOWN, number, scan};
use crate::layout::{Field, Kind, Layout, Layouts, MessageId};
use crate::server_message_data;
use crate::transcode::{Naming, Options};
use crate::tree::{Content, Entry, Key, Message, Value};
use crate::well_known::Form;
use crate::wire;

/// The text would be longer than allowed.
#[derive(Debug)]
pub(crate) struct TooLong;

/// The JSON of a message, of at most `limit` bytes. `room` is how long it may well be.
pub(crate) fn write(
    layouts: &Layouts,
    id: MessageId,
    message: &Message<'_>,
    options: Options,
    (room, limit): (usize, usize),
) -> Result<String, TooLong> {
    let mut writer = Writer { layouts, out: String::with_capacity(room), options, limit };
    writer.message(message, layouts.message(id))?;
    writer.check()?;
    Ok(writer.out)
}

struct Writer<'l> {
    layouts: &'l Layouts,
    out: String,
    options: Options,
    limit: usize,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message<'_>, layout: &Layout) -> Result<(), TooLong> {
        let plain = match layout.form {
            Form::Object => return self.object(message, layout),
            Form::Text(form) => match form.print(message) {
                Some(text) => {
                    self.string(&text);
                    return Ok(());
                }
                None => return self.object(message, layout),
            },
            Form::FirstField { empty } => match message.fields().next() {
                Some(entry) => return self.content(entry, layout),
                None => empty,
            },
            Form::Wrapper => match message.fields().next() {
                Some(entry) => return self.content(entry, layout),
                None => {
                    let kind = layout.field(0).kind;
                    return self.value(&wire::default(kind), kind);
                }
            },
            Form::Value => match message.fields().next() {
                Some(entry) if !matches!(layout.field(entry.place).kind, Kind::Enum(_)) => {
                    return self.content(entry, layout);
                }
                _ => "null",
            },
        };
        self.out.push_str(plain);
        Ok(())
    }

    fn object(&mut self, message: &Message<'_>, layout: &Layout) -> Result<(), TooLong> {
        self.out.push('{');
        let mut first = true;
        for entry in message.fields() {
            self.separate(&mut first)?;
            let field = layout.field(entry.place);
            // Names in a schema need no escape.
            self.out.push('"');
            self.out.push_str(match self.options.naming {
                Naming::Snake => &field.name,
                Naming::Camel => &field.json_name,
            });
            self.out.push_str("\":");
            if !(field.is_server_message_data && self.shown(entry)) {
                self.content(entry, layout)?;
            }
        }
        if !message.unknown.is_empty() {
            self.separate(&mut first)?;
            self.key(UNKNOWN);
            self.bytes(&message.unknown);
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes what stands in an opaque field, if that is asked for and possible.
    fn shown(&mut self, entry: &Entry<'_>) -> bool {
        let Content::One(Value::String(text)) = &entry.content else { return false };
        let shown = self.options.server_message_data.then(|| server_message_data::show(text)).flatten();
        if let Some(shown) = &shown {
            super::shown::write(shown, text, &mut self.out);
        }
        shown.is_some()
    }

    fn content(&mut self, entry: &Entry<'_>, layout: &Layout) -> Result<(), TooLong> {
        let field: &Field = layout.field(entry.place);
        match (&entry.content, field.kind) {
            (Content::One(value), kind) => self.value(value, kind),
            (Content::Many(items), kind) => self.list(items, kind),
            (Content::Map(map), Kind::Message(id)) => {
                let (_, value_field) = self.layouts.message(id).entry();
                self.map(map.entries(), value_field.kind)
            }
            (Content::Map(_), _) => unreachable!("entries of a map are messages"),
        }
    }

    fn list(&mut self, items: &[Value<'_>], kind: Kind) -> Result<(), TooLong> {
        self.out.push('[');
        let mut first = true;
        for item in items {
            self.separate(&mut first)?;
            self.value(item, kind)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, entries: &[(Key<'_>, Value<'_>)], kind: Kind) -> Result<(), TooLong> {
        self.out.push('{');
        let mut first = true;
        for (key, value) in entries {
            self.separate(&mut first)?;
            match key {
                Key::String(text) => self.key(text),
                Key::Bool(true) => self.key("true"),
                Key::Bool(false) => self.key("false"),
                Key::Signed(number) => self.key(&number.to_string()),
                Key::Unsigned(number) => self.key(&number.to_string()),
            }
            self.value(value, kind)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, kind: Kind) -> Result<(), TooLong> {
        match (value, kind) {
            (Value::Message(message), Kind::Message(id)) => {
                self.message(message, self.layouts.message(id))?
            }
            (Value::Message(_), _) => unreachable!("only fields of message types hold messages"),
            (Value::Bool(flag), _) => self.out.push_str(if *flag { "true" } else { "false" }),
            (Value::Signed(number), Kind::Enum(id)) => match self.layouts.enumeration(id).name(*number) {
                Some(name) => self.string(name),
                None => number::print_whole("", *number, &mut self.out),
            },
            // Readers of JSON take numbers for doubles, which would lose digits of 64 bits.
            (Value::Signed(number), Kind::Int64 | Kind::Sint64 | Kind::Sfixed64) => {
                number::print_whole("\"", *number, &mut self.out)
            }
            (Value::Unsigned(number), Kind::Uint64 | Kind::Fixed64) => {
                number::print_whole("\"", *number, &mut self.out)
            }
            (Value::Signed(number), _) => number::print_whole("", *number, &mut self.out),
            (Value::Unsigned(number), _) => number::print_whole("", *number, &mut self.out),
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
        scan::quote(text, &mut self.out);
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
