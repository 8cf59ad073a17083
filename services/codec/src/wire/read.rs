//! Bytes to a tree.
//!
//! As the specification asks: fields come in any order, the last value of a field wins, messages that come in pieces
//! are merged, lists of numbers are packed or not. A known field with the wrong wire type is an error, as it is for
//! the typed messages of the house.

use prost::encoding::WireType;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::cursor::Cursor;
use crate::error::Problem;
use crate::fault::Fault;
use crate::schema::kind_name;
use crate::transcode::Unknown;
use crate::tree::{Key, Message, Value};
use crate::well_known::Form;

/// Reads a message that may have `depth` levels of messages and `values` values in it; takes those it has from the
/// count.
pub(crate) fn read(
    descriptor: &MessageDescriptor,
    bytes: &[u8],
    unknown: Unknown,
    depth: usize,
    values: &mut usize,
) -> Result<Message, Fault> {
    let mut reader = Reader { unknown, values };
    let mut message = Message::default();
    reader.message(&mut message, descriptor, Cursor::new(bytes), depth)?;
    Ok(message)
}

struct Reader<'a> {
    unknown: Unknown,
    /// How many more values there may be.
    values: &'a mut usize,
}

impl Reader<'_> {
    fn message(
        &mut self,
        message: &mut Message,
        descriptor: &MessageDescriptor,
        mut cursor: Cursor<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        while !cursor.is_at_end() {
            let start = cursor.at();
            let (number, wire_type) = cursor.key()?;
            match descriptor.get_field(number) {
                Some(field) => {
                    self.count(start)
                        .and_then(|()| self.field(message, &field, wire_type, &mut cursor, depth))
                        .map_err(|fault| fault.in_field(field.name()))?;
                }
                None => {
                    let kept = self
                        .unknown_field(descriptor, (number, wire_type), &mut cursor, start, depth)
                        .map_err(|fault| fault.in_field(number.to_string()))?;
                    message.unknown.extend_from_slice(kept);
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        message: &mut Message,
        field: &FieldDescriptor,
        wire_type: WireType,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        if field.is_map() {
            return self.map_entry(message, field, wire_type, cursor, depth);
        }
        if field.is_list() {
            let list = message.list(field);
            return self.items(list, &field.kind(), wire_type, cursor, depth);
        }
        if let Kind::Message(descriptor) = field.kind() {
            let (inner, depth) = enter(wire_type, cursor, depth)?;
            return self.message(message.message(field), &descriptor, inner, depth);
        }
        let start = cursor.at();
        let value = scalar(&field.kind(), wire_type, cursor)?;
        if matches!(value, Value::Double(number) if !number.is_finite())
            && Form::of(field.parent_message()) == Form::Value
        {
            return Err(Fault::new(Problem::NotFinite, start));
        }
        message.set(field, value);
        Ok(())
    }

    /// One item of a list, or a packed run of them.
    fn items(
        &mut self,
        list: &mut Vec<Value>,
        kind: &Kind,
        wire_type: WireType,
        cursor: &mut Cursor<'_>,
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

    fn map_entry(
        &mut self,
        message: &mut Message,
        field: &FieldDescriptor,
        wire_type: WireType,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<(), Fault> {
        let Kind::Message(entry) = field.kind() else { unreachable!("entries of a map are messages") };
        let map = message.map(field);
        let index = map.entries().len();
        let (key, value) =
            self.entry(&entry, wire_type, cursor, depth).map_err(|fault| fault.in_item(index))?;
        map.insert(key, value);
        Ok(())
    }

    /// The key and the value of a map entry; what is absent has its default.
    fn entry(
        &mut self,
        descriptor: &MessageDescriptor,
        wire_type: WireType,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<(Key, Value), Fault> {
        let (mut inner, depth) = enter(wire_type, cursor, depth)?;
        let (key_field, value_field) = (descriptor.map_entry_key_field(), descriptor.map_entry_value_field());
        let (mut key, mut value) = (default(&key_field.kind()), default(&value_field.kind()));
        while !inner.is_at_end() {
            let start = inner.at();
            match inner.key()? {
                (1, wire_type) => key = scalar(&key_field.kind(), wire_type, &mut inner)?,
                (2, wire_type) => value = self.value(&value_field.kind(), wire_type, &mut inner, depth)?,
                (number, wire_type) => {
                    self.unknown_field(descriptor, (number, wire_type), &mut inner, start, depth)
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

    fn value(
        &mut self,
        kind: &Kind,
        wire_type: WireType,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Value, Fault> {
        let Kind::Message(descriptor) = kind else { return scalar(kind, wire_type, cursor) };
        let (inner, depth) = enter(wire_type, cursor, depth)?;
        let mut message = Box::<Message>::default();
        self.message(&mut message, descriptor, inner, depth)?;
        Ok(Value::Message(message))
    }

    /// Passes over a field that the schema does not have; gives the bytes to keep.
    fn unknown_field<'a>(
        &self,
        holder: &MessageDescriptor,
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
            Unknown::Keep if holder.is_map_entry() || !Form::of(holder).can_be_object() => {
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
fn scalar(kind: &Kind, wire_type: WireType, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let start = cursor.at();
    if wire_type != kind.wire_type() {
        return Err(Fault::new(Problem::WrongWireType(kind_name(kind)), start));
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
            Value::String(std::str::from_utf8(text.rest()).map_err(bad)?.to_owned())
        }
        Kind::Bytes => Value::Bytes(cursor.delimited()?.rest().to_vec()),
        Kind::Message(_) => unreachable!("messages are entered"),
    })
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn default(kind: &Kind) -> Value {
    match kind {
        Kind::Double => Value::Double(0.0),
        Kind::Float => Value::Float(0.0),
        Kind::Int64 | Kind::Int32 | Kind::Enum(_) | Kind::Sint64 | Kind::Sint32 => Value::Signed(0),
        Kind::Sfixed64 | Kind::Sfixed32 => Value::Signed(0),
        Kind::Uint64 | Kind::Uint32 | Kind::Fixed64 | Kind::Fixed32 => Value::Unsigned(0),
        Kind::Bool => Value::Bool(false),
        Kind::String => Value::String(String::new()),
        Kind::Bytes => Value::Bytes(Vec::new()),
        Kind::Message(_) => Value::Message(Box::default()),
    }
}
