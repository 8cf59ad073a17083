//! A message as a tree: fields by number, lists and maps in their order, and the bytes of fields that the schema does
//! not have. What both formats are read into and written from.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::FieldDescriptor;

/// A message. Fields without presence that have their default value are absent.
#[derive(Debug, Default)]
pub(crate) struct Message {
    fields: BTreeMap<u32, Entry>,
    /// Fields that the schema does not have, as on the wire.
    pub(crate) unknown: Vec<u8>,
}

/// A field that is set.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) descriptor: FieldDescriptor,
    pub(crate) content: Content,
}

/// What a field holds.
#[derive(Debug)]
pub(crate) enum Content {
    One(Value),
    Many(Vec<Value>),
    Map(Map),
}

/// A single value. Its kind, and so its width on the wire, is the field's.
#[derive(Debug)]
pub(crate) enum Value {
    Bool(bool),
    /// Signed integers and enums.
    Signed(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Message(Box<Message>),
}

/// The key of a map entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    String(String),
}

/// Map entries in the order in which their keys came first.
#[derive(Debug, Default)]
pub(crate) struct Map {
    entries: Vec<(Key, Value)>,
    places: HashMap<Key, usize>,
}

impl Message {
    /// The fields that are set, in the order of their numbers.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Entry> {
        self.fields.values().filter(|entry| !entry.content.is_empty())
    }

    /// The content of a field that is set.
    pub(crate) fn get(&self, number: u32) -> Option<&Content> {
        self.fields.get(&number).map(|entry| &entry.content)
    }

    /// Sets a field with a single value; as on the wire, the last of a oneof wins.
    pub(crate) fn set(&mut self, field: &FieldDescriptor, value: Value) {
        if !field.supports_presence() && value.is_default() {
            self.fields.remove(&field.number());
            return;
        }
        self.clear_siblings(field);
        self.insert(field, Content::One(value));
    }

    /// The message in a field, made if absent.
    pub(crate) fn message(&mut self, field: &FieldDescriptor) -> &mut Self {
        self.clear_siblings(field);
        let entry = self.fields.entry(field.number()).or_insert_with(|| Entry {
            descriptor: field.clone(),
            content: Content::One(Value::Message(Box::default())),
        });
        match &mut entry.content {
            Content::One(Value::Message(message)) => message,
            _ => unreachable!("a field of a message type holds a message"),
        }
    }

    /// The list in a field, made if absent.
    pub(crate) fn list(&mut self, field: &FieldDescriptor) -> &mut Vec<Value> {
        let make = || Entry { descriptor: field.clone(), content: Content::Many(Vec::new()) };
        match &mut self.fields.entry(field.number()).or_insert_with(make).content {
            Content::Many(list) => list,
            _ => unreachable!("a repeated field holds a list"),
        }
    }

    /// The map in a field, made if absent.
    pub(crate) fn map(&mut self, field: &FieldDescriptor) -> &mut Map {
        let make = || Entry { descriptor: field.clone(), content: Content::Map(Map::default()) };
        match &mut self.fields.entry(field.number()).or_insert_with(make).content {
            Content::Map(map) => map,
            _ => unreachable!("a map field holds a map"),
        }
    }

    /// Whether another field of the oneof of `field` is set.
    pub(crate) fn has_sibling(&self, field: &FieldDescriptor) -> bool {
        field.containing_oneof().is_some_and(|oneof| {
            oneof.fields().any(|f| f.number() != field.number() && self.fields.contains_key(&f.number()))
        })
    }

    /// Takes the fields of another message of the same type, or none and says which field stands in the way.
    pub(crate) fn absorb(&mut self, other: Self) -> Result<(), FieldDescriptor> {
        let in_the_way = |entry: &&Entry| {
            self.fields.contains_key(&entry.descriptor.number()) || self.has_sibling(&entry.descriptor)
        };
        if let Some(entry) = other.fields().find(in_the_way) {
            return Err(entry.descriptor.clone());
        }
        self.fields.extend(other.fields);
        self.unknown.extend_from_slice(&other.unknown);
        Ok(())
    }

    fn insert(&mut self, field: &FieldDescriptor, content: Content) {
        self.fields.insert(field.number(), Entry { descriptor: field.clone(), content });
    }

    fn clear_siblings(&mut self, field: &FieldDescriptor) {
        if let Some(oneof) = field.containing_oneof() {
            self.fields.retain(|number, _| {
                *number == field.number() || oneof.fields().all(|sibling| sibling.number() != *number)
            });
        }
    }
}

impl Content {
    fn is_empty(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Many(items) => items.is_empty(),
            Self::Map(map) => map.entries.is_empty(),
        }
    }
}

impl Value {
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
}

impl Map {
    /// The entries in order.
    pub(crate) fn entries(&self) -> &[(Key, Value)] {
        &self.entries
    }

    /// Whether the key is there.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Adds an entry, or replaces the value of the one with that key.
    pub(crate) fn insert(&mut self, key: Key, value: Value) {
        match self.places.get(&key) {
            Some(&place) => self.entries[place].1 = value,
            None => {
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push((key, value));
            }
        }
    }
}
