//! JSON to a tree, by the descriptors.
//!
//! Lenient where proto3 JSON is: both spellings of names, null for absent, numbers in quotes. Strict where leniency
//! would lose something: keys given twice, two fields of a oneof, values of the wrong type.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::UNKNOWN;
use super::cursor::{Cursor, Token};
use super::scalar;
use crate::error::{Problem, presentable};
use crate::fault::Fault;
use crate::transcode::{Limits, Unknown};
use crate::tree::{Map, Message, Value};
use crate::well_known::Form;
use crate::wire;

/// Reads a text that is one message.
pub(crate) fn read(
    descriptor: &MessageDescriptor,
    text: &str,
    unknown: Unknown,
    limits: Limits,
) -> Result<Message, Fault> {
    let mut reader = Reader { cursor: Cursor::new(text), unknown, values: limits.values };
    let message = reader.message(descriptor, limits.depth)?;
    reader.cursor.end()?;
    Ok(message)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    unknown: Unknown,
    /// How many more values there may be.
    values: usize,
}

impl Reader<'_> {
    /// A message that may have `depth` levels of messages in it.
    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> Result<Message, Fault> {
        match Form::of(descriptor) {
            Form::Object => self.object(descriptor, depth),
            Form::Text(form) => {
                let at = self.cursor.at();
                match self.cursor.token()? {
                    Token::Object => self.object(descriptor, depth),
                    Token::String => form
                        .parse(&self.cursor.string()?, descriptor)
                        .ok_or_else(|| Fault::new(Problem::Expected(form.expected()), at)),
                    _ => Err(Fault::new(Problem::Expected(form.expected()), at)),
                }
            }
            Form::FirstField { .. } => self.member_of_its_own(descriptor, 1, depth),
            Form::Value => {
                let number = match self.cursor.token()? {
                    Token::Null => 1,
                    Token::Number => 2,
                    Token::String => 3,
                    Token::Bool => 4,
                    Token::Object => 5,
                    Token::Array => 6,
                };
                self.member_of_its_own(descriptor, number, depth)
            }
        }
    }

    /// A message whose JSON is that of one of its fields.
    fn member_of_its_own(
        &mut self,
        descriptor: &MessageDescriptor,
        number: u32,
        depth: usize,
    ) -> Result<Message, Fault> {
        let mut message = Message::default();
        let field = descriptor.get_field(number).expect("the types of google.protobuf have their fields");
        match field.kind() {
            Kind::Enum(_) => {
                self.cursor.null()?;
                message.set(&field, Value::Signed(0));
            }
            _ => self.content(&mut message, &field, depth)?,
        }
        Ok(message)
    }

    fn object(&mut self, descriptor: &MessageDescriptor, depth: usize) -> Result<Message, Fault> {
        let mut message = Message::default();
        let mut unknown = None;
        let mut seen = Vec::new();
        let mut first = true;
        self.cursor.open(Token::Object, "an object")?;
        while let Some((key, at)) = self.cursor.member(&mut first)? {
            let field =
                descriptor.get_field_by_json_name(&key).or_else(|| descriptor.get_field_by_name(&key));
            match field {
                Some(field) if seen.contains(&field.number()) => {
                    return Err(Fault::new(Problem::Duplicate, at).in_field(field.name()));
                }
                Some(field) => {
                    seen.push(field.number());
                    self.field(&mut message, &field, depth).map_err(|fault| fault.in_field(field.name()))?;
                }
                None if key == UNKNOWN && self.unknown == Unknown::Keep => {
                    if unknown.is_some() {
                        return Err(Fault::new(Problem::Duplicate, at).in_field(UNKNOWN));
                    }
                    let at = self.cursor.at();
                    let bytes = scalar::bytes(&mut self.cursor).map_err(|fault| fault.in_field(UNKNOWN))?;
                    unknown = Some((bytes, at));
                }
                None => {
                    self.foreign(&key, at, depth).map_err(|fault| fault.in_field(presentable(&key)))?;
                }
            }
        }
        if let Some((bytes, at)) = unknown {
            self.kept(&mut message, descriptor, &bytes, at, depth)
                .map_err(|fault| fault.in_field(UNKNOWN))?;
        }
        Ok(message)
    }

    /// The member of an object that is a field of the message.
    fn field(&mut self, message: &mut Message, field: &FieldDescriptor, depth: usize) -> Result<(), Fault> {
        let at = self.cursor.at();
        if self.cursor.token()? == Token::Null && !takes_null(field) {
            return self.cursor.null();
        }
        if message.has_sibling(field) {
            return Err(Fault::new(Problem::Oneof, at));
        }
        self.content(message, field, depth)
    }

    fn content(&mut self, message: &mut Message, field: &FieldDescriptor, depth: usize) -> Result<(), Fault> {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => self.entries(message.map(field), &entry, depth),
            kind if field.is_list() => self.items(message.list(field), &kind, depth),
            kind => {
                let value = self.value(&kind, depth)?;
                message.set(field, value);
                Ok(())
            }
        }
    }

    fn items(&mut self, list: &mut Vec<Value>, kind: &Kind, depth: usize) -> Result<(), Fault> {
        self.cursor.open(Token::Array, "an array")?;
        let mut first = true;
        while self.cursor.item(&mut first)? {
            let item = self.value(kind, depth).map_err(|fault| fault.in_item(list.len()))?;
            list.push(item);
        }
        Ok(())
    }

    fn entries(&mut self, map: &mut Map, entry: &MessageDescriptor, depth: usize) -> Result<(), Fault> {
        let (key_kind, value_kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        self.cursor.open(Token::Object, "an object")?;
        let mut first = true;
        while let Some((key, at)) = self.cursor.member(&mut first)? {
            let index = map.entries().len();
            let mut entry = || -> Result<_, Fault> {
                let key = scalar::key(&key_kind, &key, at)?;
                if map.contains(&key) {
                    return Err(Fault::new(Problem::Duplicate, at));
                }
                // On the wire an entry is a message around the value.
                let depth = depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, at))?;
                Ok((key, self.value(&value_kind, depth)?))
            };
            let (key, value) = entry().map_err(|fault| fault.in_item(index))?;
            map.insert(key, value);
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind, depth: usize) -> Result<Value, Fault> {
        let at = self.cursor.at();
        self.values = self.values.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooManyValues, at))?;
        let Kind::Message(descriptor) = kind else { return scalar::read(kind, &mut self.cursor) };
        let depth = depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, at))?;
        Ok(Value::Message(Box::new(self.message(descriptor, depth)?)))
    }

    /// A member that the message type does not have.
    fn foreign(&mut self, key: &str, at: usize, depth: usize) -> Result<(), Fault> {
        match self.unknown {
            Unknown::Ignore => self.cursor.skip(depth),
            Unknown::Refuse if key == UNKNOWN => Err(Fault::new(Problem::Kept, at)),
            Unknown::Refuse | Unknown::Keep => Err(Fault::new(Problem::UnknownField, at)),
        }
    }

    /// Reads back the fields that the message type did not have. A schema that has grown since may have some of them
    /// now: those are taken where JSON does not give them too.
    fn kept(
        &mut self,
        message: &mut Message,
        descriptor: &MessageDescriptor,
        bytes: &[u8],
        at: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let fields = wire::read(descriptor, bytes, Unknown::Keep, depth, &mut self.values)
            .map_err(|fault| fault.moved_to(at))?;
        message.absorb(fields).map_err(|field| Fault::new(Problem::Duplicate, at).in_field(field.name()))
    }
}

/// Whether null is a value of the field, and not its absence.
fn takes_null(field: &FieldDescriptor) -> bool {
    !field.is_list()
        && matches!(field.kind(), Kind::Message(descriptor) if Form::of(&descriptor) == Form::Value)
}
