//! The schema as conversion needs it: every type in one table, fields found by number and by name without a detour.
//!
//! Made once from the descriptors, which can tell all of this too, but take their time for each question.

mod lookup;

use std::collections::HashMap;

use prost::encoding::WireType;
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, MessageDescriptor};

use crate::layout::lookup::{Names, Numbers};
use crate::well_known::Form;

/// Message types that refer to each other, and the enums they use.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    messages: Vec<Layout>,
    enums: Vec<EnumLayout>,
}

/// The place of a message type in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageId(u32);

/// The place of an enum in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnumId(u32);

/// A message type.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What its JSON looks like.
    pub(crate) form: Form,
    pub(crate) is_map_entry: bool,
    /// In the order of their numbers.
    fields: Vec<Field>,
    numbers: Numbers,
    names: Names,
}

/// A field. Which one of its type's is told by its place among them.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) json_name: Box<str>,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// Whether a default value differs from none.
    pub(crate) has_presence: bool,
    /// Which of the message's oneofs it is a member of.
    pub(crate) oneof: Option<u16>,
    /// Whether it holds what [`crate::server_message_data`] can show.
    pub(crate) is_server_message_data: bool,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    /// Written one by one.
    List,
    /// Written as one run of bytes.
    Packed,
    Map,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
}

/// The values of an enum.
#[derive(Debug)]
pub(crate) struct EnumLayout {
    numbers: HashMap<Box<str>, i32>,
    names: HashMap<i32, Box<str>>,
}

impl Layouts {
    /// The types, and all that they refer to. A type's id is its place in `roots`.
    pub(crate) fn new(roots: impl IntoIterator<Item = MessageDescriptor>) -> Self {
        let mut builder = Builder::default();
        for root in roots {
            builder.message_id(&root);
        }
        let mut layouts = Self::default();
        while let Some(descriptor) = builder.messages.get(layouts.messages.len()).cloned() {
            layouts.messages.push(builder.layout(&descriptor));
        }
        layouts.enums = builder.enums.iter().map(EnumLayout::new).collect();
        layouts
    }

    /// The id of the type at that place of the roots.
    pub(crate) fn root(place: usize) -> MessageId {
        MessageId(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(crate) fn message(&self, id: MessageId) -> &Layout {
        &self.messages[id.0 as usize]
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> &EnumLayout {
        &self.enums[id.0 as usize]
    }
}

impl Layout {
    /// The place of the field with that number.
    pub(crate) fn place(&self, number: u32) -> Option<u16> {
        self.numbers.find(number)
    }

    /// The place of the field that JSON calls so, in either spelling.
    pub(crate) fn place_by_name(&self, name: &str) -> Option<u16> {
        self.names.find(name)
    }

    /// The field at a place.
    pub(crate) fn field(&self, place: u16) -> &Field {
        &self.fields[usize::from(place)]
    }

    /// The value of the entries, if the type is one of a map's entries.
    pub(crate) fn entry(&self) -> (&Field, &Field) {
        (&self.fields[0], &self.fields[1])
    }
}

impl EnumLayout {
    fn new(descriptor: &EnumDescriptor) -> Self {
        let mut layout = Self { numbers: HashMap::new(), names: HashMap::new() };
        for value in descriptor.values() {
            layout.numbers.insert(value.name().into(), value.number());
            // Of two names for a number, the first is the one that is written.
            layout.names.entry(value.number()).or_insert_with(|| value.name().into());
        }
        layout
    }

    /// The number of a value.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.numbers.get(name).copied()
    }

    /// The name of a value.
    pub(crate) fn name(&self, number: i64) -> Option<&str> {
        self.names.get(&i32::try_from(number).ok()?).map(AsRef::as_ref)
    }
}

impl Kind {
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::SixtyFourBit,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::ThirtyTwoBit,
            Self::String | Self::Bytes | Self::Message(_) => WireType::LengthDelimited,
            _ => WireType::Varint,
        }
    }

    /// As the schema language writes it, without the name of a message or enum.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Message(_) => "message",
            Self::Enum(_) => "enum",
        }
    }
}

/// Gives out ids in the order in which types are met.
#[derive(Default)]
struct Builder {
    messages: Vec<MessageDescriptor>,
    message_ids: HashMap<String, MessageId>,
    enums: Vec<EnumDescriptor>,
    enum_ids: HashMap<String, EnumId>,
}

impl Builder {
    fn message_id(&mut self, descriptor: &MessageDescriptor) -> MessageId {
        if let Some(id) = self.message_ids.get(descriptor.full_name()) {
            return *id;
        }
        let id = Layouts::root(self.messages.len());
        self.messages.push(descriptor.clone());
        self.message_ids.insert(descriptor.full_name().to_owned(), id);
        id
    }

    fn enum_id(&mut self, descriptor: &EnumDescriptor) -> EnumId {
        if let Some(id) = self.enum_ids.get(descriptor.full_name()) {
            return *id;
        }
        let id = EnumId(u32::try_from(self.enums.len()).unwrap_or(u32::MAX));
        self.enums.push(descriptor.clone());
        self.enum_ids.insert(descriptor.full_name().to_owned(), id);
        id
    }

    fn layout(&mut self, descriptor: &MessageDescriptor) -> Layout {
        let mut descriptors: Vec<_> = descriptor.fields().collect();
        descriptors.sort_by_key(FieldDescriptor::number);
        let fields: Vec<_> = descriptors.iter().map(|field| self.field(descriptor, field)).collect();
        Layout {
            form: Form::of(descriptor.full_name()),
            is_map_entry: descriptor.is_map_entry(),
            numbers: Numbers::new(fields.iter().map(|field| field.number)),
            names: Names::new(&fields),
            fields,
        }
    }

    fn field(&mut self, message: &MessageDescriptor, field: &FieldDescriptor) -> Field {
        let kind = self.kind(field);
        let shape = match field.cardinality() {
            _ if field.is_map() => Shape::Map,
            Cardinality::Repeated if field.is_packed() => Shape::Packed,
            Cardinality::Repeated => Shape::List,
            _ => Shape::One,
        };
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).and_then(|oneof| {
            let place = message.oneofs().position(|other| other.name() == oneof.name());
            place.and_then(|place| u16::try_from(place).ok())
        });
        let shown = field.name() == crate::server_message_data::FIELD;
        Field {
            name: field.name().into(),
            json_name: field.json_name().into(),
            number: field.number(),
            kind,
            shape,
            has_presence: field.supports_presence(),
            oneof,
            is_server_message_data: shown && kind == Kind::String && shape == Shape::One,
        }
    }

    fn kind(&mut self, field: &FieldDescriptor) -> Kind {
        use prost_reflect::Kind as K;
        match field.kind() {
            K::Double => Kind::Double,
            K::Float => Kind::Float,
            K::Int32 => Kind::Int32,
            K::Int64 => Kind::Int64,
            K::Uint32 => Kind::Uint32,
            K::Uint64 => Kind::Uint64,
            K::Sint32 => Kind::Sint32,
            K::Sint64 => Kind::Sint64,
            K::Fixed32 => Kind::Fixed32,
            K::Fixed64 => Kind::Fixed64,
            K::Sfixed32 => Kind::Sfixed32,
            K::Sfixed64 => Kind::Sfixed64,
            K::Bool => Kind::Bool,
            K::String => Kind::String,
            K::Bytes => Kind::Bytes,
            K::Enum(descriptor) => Kind::Enum(self.enum_id(&descriptor)),
            K::Message(descriptor) => Kind::Message(self.message_id(&descriptor)),
        }
    }
}
