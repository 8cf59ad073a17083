//! Bytes to a tree.
//!
//! As the specification asks: fields come in any order, the last value of a field wins, messages that come in pieces
//! are merged, lists of numbers are packed or not. A known field with the wrong wire type is an error, as it is for
//! the typed messages of the house.

use std::borrow::Cow;

use prost::encoding::WireType;

use super::cursor::Cursor;
use crate::error::Problem;
use crate::fault::Fault;
use crate::layout::{Kind, Layout, Layouts, MessageId, Shape};
use crate::transcode::Unknown;
use crate::tree::{Key, Message, Value};
use crate::well_known::Form;

/// Reads a message that may have `depth` levels of messages and `values` values in it; takes those it has from the
/// count.
pub(crate) fn read<'a>(
    layouts: &Layouts,
    id: MessageId,
    bytes: &'a [u8],
    unknown: Unknown,
    depth: usize,
    values: &mut usize,
) -> Result<Message<'a>, Fault> {
    let mut reader = Reader { layouts, unknown, values };
    let mut message = Message::default();
    reader.message(&mut message, layouts.message(id), Cursor::new(bytes), depth)?;
    Ok(message)
}

struct Reader<'r> {
    layouts: &'r Layouts,
    unknown: Unknown,
    /// How many more values there may be.
    values: &'r mut usize,
}

impl Reader<'_> {
    fn message<'a>(
        &mut self,
        message: &mut Message<'a>,
        layout: &Layout,
        mut cursor: Cursor<'a>,
        depth: usize,
    ) -> Result<(), Fault> {
        while !cursor.is_at_end() {
            let start = cursor.at();
            let (number, wire_type) = cursor.key()?;
            match layout.place(number) {
                Some(place) => {
                    self.count(start)
                        .and_then(|()| self.field(message, layout, place, wire_type, &mut cursor, depth))
                        .map_err(|fault| fault.in_field(&*layout.field(place).name))?;
                }
                None => {
                    let kept = self
                        .unknown_field(layout, (number, wire_type), &mut cursor, start, depth)
                        .map_err(|fault| fault.in_field(number.to_string()))?;
                    message.unknown.extend_from_slice(kept);
                }
            }
        }
        Ok(())
    }

    fn field<'a>(
        &mut self,
        message: &mut Message<'a>,
        layout: &Layout,
        place: u16,
        wire_type: WireType,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<(), Fault> {
        let field = layout.field(place);
        match (field.shape, field.kind) {
            (Shape::Map, Kind::Message(entry)) => {
                let map = message.map(place);
                let index = map.entries().len();
                let (key, value) =
                    self.entry(entry, wire_type, cursor, depth).map_err(|fault| fault.in_item(index))?;
                map.insert(key, value);
            }
            (Shape::List | Shape::Packed, kind) => {
                self.items(message.list(place), kind, wire_type, cursor, depth)?;
            }
            (_, Kind::Message(id)) => {
                let (inner, depth) = enter(wire_type, cursor, depth)?;
                let (layouts, message) = (self.layouts, message.message(layout, place));
                self.message(message, layouts.message(id), inner, depth)?;
            }
            (_, kind) => {
                let start = cursor.at();
                let value = scalar(kind, wire_type, cursor)?;
                if matches!(value, Value::Double(number) if !number.is_finite()) && layout.form == Form::Value
                {
                    return Err(Fault::new(Problem::NotFinite, start));
                }
                message.set(layout, place, value);
            }
        }
        Ok(())
    }

    /// One item of a list, or a packed run of them.
    fn items<'a>(
        &mut self,
        list: &mut Vec<Value<'a>>,
        kind: Kind,
        wire_type: WireType,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<(), Fault> {
        if wire_type != WireType::LengthDelimited || kind.wire_type() == WireType::LengthDelimited {
            let index = list.len();
            list.push(self.value(kind, wire_type, cursor, depth).map_err(|fault| fault.in_item(index))?);
            return Ok(());
        }
        let mut packed = cursor.delimited()?;
        while !packed.is_at_end() {
            let index = list.len();
            let item = self.count(packed.at()).and_then(|()| scalar(kind, kind.wire_type(), &mut packed));
            list.push(item.map_err(|fault| fault.in_item(index))?);
        }
        Ok(())
    }

    /// The key and the value of a map entry; what is absent has its default.
    fn entry<'a>(
        &mut self,
        id: MessageId,
        wire_type: WireType,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<(Key<'a>, Value<'a>), Fault> {
        let (mut inner, depth) = enter(wire_type, cursor, depth)?;
        let layout = self.layouts.message(id);
        let (key_field, value_field) = layout.entry();
        let (mut key, mut value) = (default(key_field.kind), default(value_field.kind));
        while !inner.is_at_end() {
            let start = inner.at();
            match inner.key()? {
                (1, wire_type) => key = scalar(key_field.kind, wire_type, &mut inner)?,
                (2, wire_type) => value = self.value(value_field.kind, wire_type, &mut inner, depth)?,
                (number, wire_type) => {
                    self.unknown_field(layout, (number, wire_type), &mut inner, start, depth)
                        .map_err(|fault| fault.in_field(number.to_string()))?;
                }
            }
        }
        let key = match key {
            Value::Bool(flag) => Key::Bool(flag),
            Value::Signed(number) => Key::Signed(number),
            Value::Unsigned(number) => Key::Unsigned(number),
            Value::String(text) => Key::String(text),
            Value::Float(_) | Value::Double(_) | Value::Bytes(_) | Value::Message(_) => {
                unreachable!("the schema language has no such map keys")
            }
        };
        Ok((key, value))
    }

    fn value<'a>(
        &mut self,
        kind: Kind,
        wire_type: WireType,
        cursor: &mut Cursor<'a>,
        depth: usize,
    ) -> Result<Value<'a>, Fault> {
        let Kind::Message(id) = kind else { return scalar(kind, wire_type, cursor) };
        let (inner, depth) = enter(wire_type, cursor, depth)?;
        let mut message = Box::<Message<'_>>::default();
        self.message(&mut message, self.layouts.message(id), inner, depth)?;
        Ok(Value::Message(message))
    }

    /// Passes over a field that the schema does not have; gives the bytes to keep.
    fn unknown_field<'a>(
        &self,
        holder: &Layout,
        (number, wire_type): (u32, WireType),
        cursor: &mut Cursor<'a>,
        start: usize,
        depth: usize,
    ) -> Result<&'a [u8], Fault> {
        cursor.skip(number, wire_type, depth).map_err(|fault| match wire_type {
            WireType::EndGroup => fault.moved_to(start),
            _ => fault,
        })?;
        match self.unknown {
            Unknown::Ignore => Ok(&[]),
            Unknown::Refuse => Err(Fault::new(Problem::UnknownField, start)),
            Unknown::Keep if holder.is_map_entry || !holder.form.can_be_object() => {
                Err(Fault::new(Problem::NoPlace, start))
            }
            Unknown::Keep => Ok(cursor.since(start)),
        }
    }

    fn count(&mut self, at: usize) -> Result<(), Fault> {
        *self.values = self.values.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooManyValues, at))?;
        Ok(())
    }
}

/// A cursor into a nested message, and how deep it may go on from there.
fn enter<'a>(
    wire_type: WireType,
    cursor: &mut Cursor<'a>,
    depth: usize,
) -> Result<(Cursor<'a>, usize), Fault> {
    let start = cursor.at();
    if wire_type != WireType::LengthDelimited {
        return Err(Fault::new(Problem::WrongWireType("message"), start));
    }
    let depth = depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, start))?;
    Ok((cursor.delimited()?, depth))
}

/// A value that is no message. Numbers that are too wide lose their upper bits, as the wire format asks.
fn scalar<'a>(kind: Kind, wire_type: WireType, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Fault> {
    let start = cursor.at();
    if wire_type != kind.wire_type() {
        return Err(Fault::new(Problem::WrongWireType(kind.name()), start));
    }
    Ok(match kind {
        Kind::Double => Value::Double(f64::from_le_bytes(cursor.fixed64()?)),
        Kind::Float => Value::Float(f32::from_le_bytes(cursor.fixed32()?)),
        Kind::Int64 => Value::Signed(cursor.varint()? as i64),
        Kind::Int32 | Kind::Enum(_) => Value::Signed(i64::from(cursor.varint()? as i32)),
        Kind::Uint64 => Value::Unsigned(cursor.varint()?),
        Kind::Uint32 => Value::Unsigned(u64::from(cursor.varint()? as u32)),
        Kind::Sint64 => Value::Signed(unzigzag(cursor.varint()?)),
        Kind::Sint32 => Value::Signed(unzigzag(u64::from(cursor.varint()? as u32))),
        Kind::Fixed64 => Value::Unsigned(u64::from_le_bytes(cursor.fixed64()?)),
        Kind::Fixed32 => Value::Unsigned(u64::from(u32::from_le_bytes(cursor.fixed32()?))),
        Kind::Sfixed64 => Value::Signed(i64::from_le_bytes(cursor.fixed64()?)),
        Kind::Sfixed32 => Value::Signed(i64::from(i32::from_le_bytes(cursor.fixed32()?))),
        Kind::Bool => Value::Bool(cursor.varint()? != 0),
        Kind::String => {
            let text = cursor.delimited()?;
            let bad = |error: std::str::Utf8Error| Fault::new(Problem::Utf8, text.at() + error.valid_up_to());
            Value::String(Cow::Borrowed(std::str::from_utf8(text.rest()).map_err(bad)?))
        }
        Kind::Bytes => Value::Bytes(Cow::Borrowed(cursor.delimited()?.rest())),
        Kind::Message(_) => unreachable!("messages are entered"),
    })
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The value of a field that is not there.
pub(crate) fn default(kind: Kind) -> Value<'static> {
    match kind {
        Kind::Double => Value::Double(0.0),
        Kind::Float => Value::Float(0.0),
        Kind::Int64 | Kind::Int32 | Kind::Enum(_) | Kind::Sint64 | Kind::Sint32 => Value::Signed(0),
        Kind::Sfixed64 | Kind::Sfixed32 => Value::Signed(0),
        Kind::Uint64 | Kind::Uint32 | Kind::Fixed64 | Kind::Fixed32 => Value::Unsigned(0),
        Kind::Bool => Value::Bool(false),
        Kind::String => Value::String(Cow::Borrowed("")),
        Kind::Bytes => Value::Bytes(Cow::Borrowed(&[])),
        Kind::Message(_) => Value::Message(Box::default()),
    }
}
