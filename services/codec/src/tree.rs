//! A message as a tree: fields by number, lists and maps in their order, and the bytes of fields that the schema does
//! not have. What both formats are read into and written from. Borrows from what it was read from where it can.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::layout::{Field, Layout};

/// A message. Fields without presence that have their default value are absent.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    /// In the order of their numbers.
    entries: Vec<Entry<'a>>,
    /// Fields that the schema does not have, as on the wire.
    pub(crate) unknown: Vec<u8>,
}

/// A field that is set.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// The place of the field in its type's layout.
    pub(crate) place: u16,
    pub(crate) content: Content<'a>,
}

/// What a field holds.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    One(Value<'a>),
    Many(Vec<Value<'a>>),
    Map(Box<Map<'a>>),
}

/// A single value. Its kind, and so its width on the wire, is the field's.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Bool(bool),
    /// Signed integers and enums.
    Signed(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    String(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Message(Box<Message<'a>>),
}

/// The key of a map entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    String(Cow<'a, str>),
}

/// Map entries in the order in which their keys came first.
#[derive(Debug, Default)]
pub(crate) struct Map<'a> {
    entries: Vec<(Key<'a>, Value<'a>)>,
    /// Where the keys stand, once there are more than a look at each is good for.
    places: HashMap<Key<'a>, usize>,
}

/// How many entries of a map are found by a look at each.
const FEW: usize = 16;

impl<'a> Message<'a> {
    /// The fields that are set, in the order of their numbers.
    pub(crate) fn fields(&self) -> impl DoubleEndedIterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| !entry.content.is_empty())
    }

    /// The content of the field at that place, if it is set.
    pub(crate) fn get(&self, place: u16) -> Option<&Content<'a>> {
        self.find(place).ok().map(|index| &self.entries[index].content)
    }

    /// Sets a field with a single value; as on the wire, the last of a oneof wins.
    pub(crate) fn set(&mut self, layout: &Layout, place: u16, value: Value<'a>) {
        let field = layout.field(place);
        let found = self.find(place);
        if !field.has_presence && value.is_default() {
            if let Ok(index) = found {
                self.entries.remove(index);
            }
            return;
        }
        let content = Content::One(value);
        match found {
            Ok(index) => self.entries[index].content = content,
            Err(_) => {
                self.clear_siblings(layout, field);
                self.insert(place, content);
            }
        }
    }

    /// The message in a field, made if absent.
    pub(crate) fn message(&mut self, layout: &Layout, place: u16) -> &mut Self {
        if self.find(place).is_err() {
            self.clear_siblings(layout, layout.field(place));
        }
        match self.content(place, || Content::One(Value::Message(Box::default()))) {
            Content::One(Value::Message(message)) => message,
            _ => unreachable!("a field of a message type holds a message"),
        }
    }

    /// The list in a field, made if absent.
    pub(crate) fn list(&mut self, place: u16) -> &mut Vec<Value<'a>> {
        match self.content(place, || Content::Many(Vec::new())) {
            Content::Many(list) => list,
            _ => unreachable!("a repeated field holds a list"),
        }
    }

    /// The map in a field, made if absent.
    pub(crate) fn map(&mut self, place: u16) -> &mut Map<'a> {
        match self.content(place, || Content::Map(Box::default())) {
            Content::Map(map) => map,
            _ => unreachable!("a map field holds a map"),
        }
    }

    /// Whether another field of the oneof of the field is set.
    pub(crate) fn has_sibling(&self, layout: &Layout, place: u16) -> bool {
        let oneof = layout.field(place).oneof;
        oneof.is_some()
            && self
                .entries
                .iter()
                .any(|entry| entry.place != place && layout.field(entry.place).oneof == oneof)
    }

    /// Takes the fields of another message of the same type, or none and says which field stands in the way.
    pub(crate) fn absorb(&mut self, layout: &Layout, other: Self) -> Result<(), u16> {
        let mut fields = other.entries.iter().filter(|entry| !entry.content.is_empty());
        let in_the_way =
            |entry: &&Entry<'_>| self.find(entry.place).is_ok() || self.has_sibling(layout, entry.place);
        if let Some(entry) = fields.find(in_the_way) {
            return Err(entry.place);
        }
        for entry in other.entries {
            self.insert(entry.place, entry.content);
        }
        self.unknown.extend_from_slice(&other.unknown);
        Ok(())
    }

    /// The same without borrowing anything.
    pub(crate) fn into_owned(self) -> Message<'static> {
        let entries = self.entries.into_iter();
        let entries = entries.map(|entry| Entry { place: entry.place, content: entry.content.into_owned() });
        Message { entries: entries.collect(), unknown: self.unknown }
    }

    fn content(&mut self, place: u16, make: impl FnOnce() -> Content<'a>) -> &mut Content<'a> {
        let index = match self.find(place) {
            Ok(index) => index,
            Err(index) => {
                self.entries.insert(index, Entry { place, content: make() });
                index
            }
        };
        &mut self.entries[index].content
    }

    fn insert(&mut self, place: u16, content: Content<'a>) {
        let entry = Entry { place, content };
        match self.find(place) {
            Ok(index) => self.entries[index] = entry,
            Err(index) => self.entries.insert(index, entry),
        }
    }

    /// Where the field is or should be. Mostly it comes last, or again.
    fn find(&self, place: u16) -> Result<usize, usize> {
        match self.entries.last() {
            None => Err(0),
            Some(last) if last.place < place => Err(self.entries.len()),
            Some(last) if last.place == place => Ok(self.entries.len() - 1),
            Some(_) => self.entries.binary_search_by_key(&place, |entry| entry.place),
        }
    }

    fn clear_siblings(&mut self, layout: &Layout, field: &Field) {
        if field.oneof.is_some() && !self.entries.is_empty() {
            self.entries.retain(|entry| layout.field(entry.place).oneof != field.oneof);
        }
    }
}

impl Content<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Many(items) => items.is_empty(),
            Self::Map(map) => map.entries.is_empty(),
        }
    }

    fn into_owned(self) -> Content<'static> {
        match self {
            Self::One(value) => Content::One(value.into_owned()),
            Self::Many(items) => Content::Many(items.into_iter().map(Value::into_owned).collect()),
            Self::Map(map) => {
                let mut owned = Map::default();
                for (key, value) in map.entries {
                    owned.insert(key.into_owned(), value.into_owned());
                }
                Content::Map(Box::new(owned))
            }
        }
    }
}

impl Value<'_> {
    fn is_default(&self) -> bool {
        match self {
            Self::Bool(flag) => !flag,
            Self::Signed(number) => *number == 0,
            Self::Unsigned(number) => *number == 0,
            // By bits: minus zero is a value of its own.
            Self::Float(number) => number.to_bits() == 0,
            Self::Double(number) => number.to_bits() == 0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Message(_) => false,
        }
    }

    fn into_owned(self) -> Value<'static> {
        match self {
            Self::Bool(flag) => Value::Bool(flag),
            Self::Signed(number) => Value::Signed(number),
            Self::Unsigned(number) => Value::Unsigned(number),
            Self::Float(number) => Value::Float(number),
            Self::Double(number) => Value::Double(number),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Message(message) => Value::Message(Box::new(message.into_owned())),
        }
    }
}

impl Key<'_> {
    fn into_owned(self) -> Key<'static> {
        match self {
            Self::Bool(flag) => Key::Bool(flag),
            Self::Signed(number) => Key::Signed(number),
            Self::Unsigned(number) => Key::Unsigned(number),
            Self::String(text) => Key::String(Cow::Owned(text.into_owned())),
        }
    }
}

impl<'a> Map<'a> {
    /// The entries in order.
    pub(crate) fn entries(&self) -> &[(Key<'a>, Value<'a>)] {
        &self.entries
    }

    /// Whether the key is there.
    pub(crate) fn contains(&self, key: &Key<'a>) -> bool {
        self.find(key).is_some()
    }

    /// Adds an entry, or replaces the value of the one with that key.
    pub(crate) fn insert(&mut self, key: Key<'a>, value: Value<'a>) {
        if let Some(place) = self.find(&key) {
            self.entries[place].1 = value;
            return;
        }
        match self.entries.len() {
            0..FEW => {}
            FEW => {
                self.places.extend(self.entries.iter().zip(0..).map(|((key, _), place)| (key.clone(), place)))
            }
            _ => {}
        }
        if self.entries.len() >= FEW {
            self.places.insert(key.clone(), self.entries.len());
        }
        self.entries.push((key, value));
    }

    fn find(&self, key: &Key<'a>) -> Option<usize> {
        if self.entries.len() > FEW {
            return self.places.get(key).copied();
        }
        self.entries.iter().position(|(known, _)| known == key)
    }
}
