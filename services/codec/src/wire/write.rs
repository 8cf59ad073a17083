//! A tree to bytes: fields in the order of their numbers, then those that the schema does not have.
//!
//! Written from the end to the beginning: so the length of a message is known when it is written, which is before it.

use prost::encoding::WireType;

use crate::layout::{Field, Kind, Layout, Layouts, Shape};
use crate::tree::{Content, Key, Message, Value};

/// The bytes of a message of the type. `room` is how many they may well be.
pub(crate) fn write(layouts: &Layouts, layout: &Layout, message: &Message<'_>, room: usize) -> Vec<u8> {
    let mut writer = Writer { layouts, out: Backwards { buffer: vec![0; room], free: room } };
    writer.message(layout, message);
    writer.out.into_bytes()
}

struct Writer<'l> {
    layouts: &'l Layouts,
    out: Backwards,
}

impl Writer<'_> {
    fn message(&mut self, layout: &Layout, message: &Message<'_>) {
        self.out.bytes(&message.unknown);
        for entry in message.fields().rev() {
            let field = layout.field(entry.place);
            match &entry.content {
                Content::One(value) => self.keyed(field, value),
                Content::Many(items) if field.shape == Shape::Packed => {
                    let end = self.out.length();
                    items.iter().rev().for_each(|item| self.bare(field.kind, item));
                    self.delimit(field.number, end);
                }
                Content::Many(items) => items.iter().rev().for_each(|item| self.keyed(field, item)),
                Content::Map(map) => {
                    let Kind::Message(id) = field.kind else { unreachable!("entries of a map are messages") };
                    let (key_field, value_field) = self.layouts.message(id).entry();
                    for (key, value) in map.entries().iter().rev() {
                        let end = self.out.length();
                        self.keyed(value_field, value);
                        self.key(key_field, key);
                        self.delimit(field.number, end);
                    }
                }
            }
        }
    }

    fn keyed(&mut self, field: &Field, value: &Value<'_>) {
        let end = self.out.length();
        self.bare(field.kind, value);
        match field.kind.wire_type() {
            WireType::LengthDelimited => self.delimit(field.number, end),
            wire_type => self.out.key(field.number, wire_type),
        }
    }

    /// A value without its key, nor its length if it has one.
    fn bare(&mut self, kind: Kind, value: &Value<'_>) {
        match (value, kind) {
            (Value::Bool(flag), _) => self.out.bytes(&[u8::from(*flag)]),
            (Value::Float(number), _) => self.out.bytes(&number.to_le_bytes()),
            (Value::Double(number), _) => self.out.bytes(&number.to_le_bytes()),
            (Value::Signed(number), _) => self.signed(kind, *number),
            (Value::Unsigned(number), _) => self.unsigned(kind, *number),
            (Value::String(text), _) => self.out.bytes(text.as_bytes()),
            (Value::Bytes(bytes), _) => self.out.bytes(bytes),
            (Value::Message(message), Kind::Message(id)) => self.message(self.layouts.message(id), message),
            (Value::Message(_), _) => unreachable!("only fields of message types hold messages"),
        }
    }

    fn key(&mut self, field: &Field, key: &Key<'_>) {
        let end = self.out.length();
        match key {
            Key::String(text) => {
                self.out.bytes(text.as_bytes());
                return self.delimit(field.number, end);
            }
            Key::Bool(flag) => self.out.bytes(&[u8::from(*flag)]),
            Key::Signed(number) => self.signed(field.kind, *number),
            Key::Unsigned(number) => self.unsigned(field.kind, *number),
        }
        self.out.key(field.number, field.kind.wire_type());
    }

    fn signed(&mut self, kind: Kind, number: i64) {
        match kind {
            Kind::Sfixed32 => self.out.bytes(&(number as i32).to_le_bytes()),
            Kind::Sfixed64 => self.out.bytes(&number.to_le_bytes()),
            Kind::Sint32 | Kind::Sint64 => self.out.varint(zigzag(number)),
            _ => self.out.varint(number as u64),
        }
    }

    fn unsigned(&mut self, kind: Kind, number: u64) {
        match kind {
            Kind::Fixed32 => self.out.bytes(&(number as u32).to_le_bytes()),
            Kind::Fixed64 => self.out.bytes(&number.to_le_bytes()),
            _ => self.out.varint(number),
        }
    }

    /// Puts a key and a length before what was written since there were `end` bytes.
    fn delimit(&mut self, number: u32, end: usize) {
        let length = self.out.length() - end;
        self.out.varint(length as u64);
        self.out.key(number, WireType::LengthDelimited);
    }
}

/// Bytes that are written from the last to the first.
struct Backwards {
    /// What is written stands at its end.
    buffer: Vec<u8>,
    /// How much of the buffer is still free.
    free: usize,
}

impl Backwards {
    fn length(&self) -> usize {
        self.buffer.len() - self.free
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.free < bytes.len() {
            self.grow(bytes.len());
        }
        let end = self.free;
        self.free -= bytes.len();
        self.buffer[self.free..end].copy_from_slice(bytes);
    }

    fn varint(&mut self, mut number: u64) {
        let mut bytes = [0; 10];
        let mut length = 0;
        while number >= 0x80 {
            bytes[length] = number as u8 | 0x80;
            number >>= 7;
            length += 1;
        }
        bytes[length] = number as u8;
        self.bytes(&bytes[..=length]);
    }

    fn key(&mut self, number: u32, wire_type: WireType) {
        self.varint(u64::from(number) << 3 | wire_type as u64);
    }

    /// Makes room for that much more, and doubles what there is.
    fn grow(&mut self, more: usize) {
        let length = self.length();
        let mut buffer = vec![0; (2 * self.buffer.len()).max(length + more).max(256)];
        let free = buffer.len() - length;
        buffer[free..].copy_from_slice(&self.buffer[self.free..]);
        (self.buffer, self.free) = (buffer, free);
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.drain(..self.free);
        self.buffer
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}
