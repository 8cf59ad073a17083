//! JSON to a tree, by the schema.
//!
//! Lenient where proto3 JSON is: both spellings of names, null for absent, numbers in quotes. Strict where leniency
//! would lose something: keys given twice, two fields of a oneof, values of the wrong type.

use std::borrow::Cow;

use super::UNKNOWN;
use super::cursor::{Cursor, Token};
use super::{scalar, shown};
use crate::error::{Problem, presentable};
use crate::fault::Fault;
use crate::layout::{Field, Kind, Layout, Layouts, MessageId, Shape};
use crate::transcode::{Limits, Reading, Unknown};
use crate::tree::{Map, Message, Value};
use crate::well_known::Form;
use crate::wire;

/// Reads a text that is one message.
pub(crate) fn read<'a>(
    layouts: &Layouts,
    id: MessageId,
    text: &'a str,
    reading: Reading,
    limits: Limits,
) -> Result<Message<'a>, Fault> {
    let mut reader = Reader { layouts, cursor: Cursor::new(text), reading, values: limits.values };
    let message = reader.message(id, limits.depth)?;
    reader.cursor.end()?;
    Ok(message)
}

struct Reader<'r, 'a> {
    layouts: &'r Layouts,
    cursor: Cursor<'a>,
    reading: Reading,
    /// How many more values there may be.
    values: usize,
}

impl<'a> Reader<'_, 'a> {
    /// A message that may have `depth` levels of messages in it.
    fn message(&mut self, id: MessageId, depth: usize) -> Result<Message<'a>, Fault> {
        let layout = self.layouts.message(id);
        match layout.form {
            Form::Object => self.object(id, depth),
            Form::Text(form) => {
                let at = self.cursor.at();
                match self.cursor.token()? {
                    Token::Object => self.object(id, depth),
                    Token::String => form
                        .parse(&self.cursor.string()?, layout)
                        .ok_or_else(|| Fault::new(Problem::Expected(form.expected()), at)),
                    _ => Err(Fault::new(Problem::Expected(form.expected()), at)),
                }
            }
            Form::FirstField { .. } | Form::Wrapper => self.member_of_its_own(layout, 0, depth),
            Form::Value => {
                let place = match self.cursor.token()? {
                    Token::Null => 0,
                    Token::Number => 1,
                    Token::String => 2,
                    Token::Bool => 3,
                    Token::Object => 4,
                    Token::Array => 5,
                };
                self.member_of_its_own(layout, place, depth)
            }
        }
    }

    /// A message whose JSON is that of one of its fields.
    fn member_of_its_own(&mut self, layout: &Layout, place: u16, depth: usize) -> Result<Message<'a>, Fault> {
        let mut message = Message::default();
        if matches!(layout.field(place).kind, Kind::Enum(_)) {
            self.cursor.null()?;
            message.set(layout, place, Value::Signed(0));
        } else {
            self.content(&mut message, layout, place, depth)?;
        }
        Ok(message)
    }

    fn object(&mut self, id: MessageId, depth: usize) -> Result<Message<'a>, Fault> {
        let layout = self.layouts.message(id);
        let mut message = Message::default();
        let mut unknown = None;
        let mut seen = Places::default();
        let mut first = true;
        self.cursor.open(Token::Object, "an object")?;
        while let Some((key, at)) = self.cursor.member(&mut first)? {
            match layout.place_by_name(&key) {
                Some(place) => {
                    let in_field = |fault: Fault| fault.in_field(&*layout.field(place).name);
                    if !seen.add(place) {
                        return Err(in_field(Fault::new(Problem::Duplicate, at)));
                    }
                    self.field(&mut message, layout, place, depth).map_err(in_field)?;
                }
                None if key == UNKNOWN && self.reading.unknown == Unknown::Keep => {
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
            self.kept(&mut message, id, &bytes, at, depth).map_err(|fault| fault.in_field(UNKNOWN))?;
        }
        Ok(message)
    }

    /// The member of an object that is a field of the message.
    fn field(
        &mut self,
        message: &mut Message<'a>,
        layout: &Layout,
        place: u16,
        depth: usize,
    ) -> Result<(), Fault> {
        let at = self.cursor.at();
        if self.cursor.token()? == Token::Null && !self.takes_null(layout.field(place)) {
            return self.cursor.null();
        }
        if message.has_sibling(layout, place) {
            return Err(Fault::new(Problem::Oneof, at));
        }
        self.content(message, layout, place, depth)
    }

    fn content(
        &mut self,
        message: &mut Message<'a>,
        layout: &Layout,
        place: u16,
        depth: usize,
    ) -> Result<(), Fault> {
        let field = layout.field(place);
        match (field.shape, field.kind) {
            (Shape::Map, Kind::Message(entry)) => self.entries(message.map(place), entry, depth),
            (Shape::List | Shape::Packed, kind) => self.items(message.list(place), kind, depth),
            _ if field.is_server_message_data
                && self.reading.server_message_data
                && self.cursor.token()? == Token::Object =>
            {
                self.count()?;
                let text = shown::read(&mut self.cursor, depth)?;
                message.set(layout, place, Value::String(Cow::Owned(text)));
                Ok(())
            }
            (_, kind) => {
                let value = self.value(kind, depth)?;
                message.set(layout, place, value);
                Ok(())
            }
        }
    }

    fn items(&mut self, list: &mut Vec<Value<'a>>, kind: Kind, depth: usize) -> Result<(), Fault> {
        self.cursor.open(Token::Array, "an array")?;
        let mut first = true;
        while self.cursor.item(&mut first)? {
            let item = self.value(kind, depth).map_err(|fault| fault.in_item(list.len()))?;
            list.push(item);
        }
        Ok(())
    }

    fn entries(&mut self, map: &mut Map<'a>, entry: MessageId, depth: usize) -> Result<(), Fault> {
        let (key_field, value_field) = self.layouts.message(entry).entry();
        self.cursor.open(Token::Object, "an object")?;
        let mut first = true;
        while let Some((key, at)) = self.cursor.member(&mut first)? {
            let index = map.entries().len();
            let entry = || -> Result<_, Fault> {
                let key = scalar::key(key_field.kind, key, at)?;
                if map.contains(&key) {
                    return Err(Fault::new(Problem::Duplicate, at));
                }
                // On the wire an entry is a message around the value.
                let depth = depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, at))?;
                Ok((key, self.value(value_field.kind, depth)?))
            };
            let (key, value) = entry().map_err(|fault| fault.in_item(index))?;
            map.insert(key, value);
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind, depth: usize) -> Result<Value<'a>, Fault> {
        self.count()?;
        match kind {
            Kind::Message(id) => {
                let depth =
                    depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, self.cursor.at()))?;
                Ok(Value::Message(Box::new(self.message(id, depth)?)))
            }
            Kind::Enum(id) => scalar::enum_value(self.layouts.enumeration(id), &mut self.cursor),
            _ => scalar::read(kind, &mut self.cursor),
        }
    }

    /// A member that the message type does not have.
    fn foreign(&mut self, key: &str, at: usize, depth: usize) -> Result<(), Fault> {
        match self.reading.unknown {
            Unknown::Ignore => self.cursor.skip(depth),
            Unknown::Refuse if key == UNKNOWN => Err(Fault::new(Problem::Kept, at)),
            Unknown::Refuse | Unknown::Keep => Err(Fault::new(Problem::UnknownField, at)),
        }
    }

    /// Reads back the fields that the message type did not have. A schema that has grown since may have some of them
    /// now: those are taken where JSON does not give them too.
    fn kept(
        &mut self,
        message: &mut Message<'a>,
        id: MessageId,
        bytes: &[u8],
        at: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let fields = wire::read(self.layouts, id, bytes, Unknown::Keep, depth, &mut self.values)
            .map_err(|fault| fault.moved_to(at))?;
        let layout = self.layouts.message(id);
        message
            .absorb(layout, fields.into_owned())
            .map_err(|place| Fault::new(Problem::Duplicate, at).in_field(&*layout.field(place).name))
    }

    /// Whether null is a value of the field, and not its absence.
    fn takes_null(&self, field: &Field) -> bool {
        match (field.shape, field.kind) {
            (Shape::One, Kind::Message(id)) => self.layouts.message(id).form == Form::Value,
            _ => false,
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        let left = self.values.checked_sub(1);
        self.values = left.ok_or_else(|| Fault::new(Problem::TooManyValues, self.cursor.at()))?;
        Ok(())
    }
}

/// Places of fields that were met.
#[derive(Default)]
struct Places {
    low: u128,
    high: Vec<u16>,
}

impl Places {
    /// Adds a place; false if it was there.
    fn add(&mut self, place: u16) -> bool {
        let new = match 1u128.checked_shl(place.into()) {
            Some(bit) => self.low & bit == 0,
            None => !self.high.contains(&place),
        };
        match 1u128.checked_shl(place.into()) {
            Some(bit) => self.low |= bit,
            None if new => self.high.push(place),
            None => {}
        }
        new
    }
}
