//! The message types of the upstream's schema, and what the schema says about them.
//!
//! They are the messages of `warp.multi_agent.v1` and those of `google.protobuf` that these use, not the ones of our
//! own services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::error::{Error, presentable};

const PACKAGE: &str = "warp.multi_agent.v1";

static GLOBAL: LazyLock<Schema> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(warp2api_proto::FILE_DESCRIPTOR_SET)
        .expect("the contract's descriptors were made by its own build");
    Schema::new(&pool)
});

/// The message types that can be converted.
#[derive(Debug)]
pub struct Schema {
    types: BTreeMap<String, MessageType>,
}

/// A message type.
#[derive(Clone)]
pub struct MessageType {
    descriptor: MessageDescriptor,
}

impl std::fmt::Debug for MessageType {
    /// Shows the name only: types refer to types that refer to types.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MessageType").field(&self.full_name()).finish()
    }
}

/// A field of a message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name in the schema, snake_case.
    pub name: String,
    /// The name in canonical JSON, camelCase.
    pub json_name: String,
    /// The number on the wire.
    pub number: u32,
    /// A scalar such as `string`, the full name of a message or enum, or `map<K, V>`.
    pub type_name: String,
    /// Whether it holds a list.
    pub repeated: bool,
    /// The oneof it is a member of.
    pub oneof: Option<String>,
    /// Whether the schema marks it as deprecated.
    pub deprecated: bool,
    /// What the schema says about it, empty if nothing.
    pub description: String,
}

impl Schema {
    /// The upstream's schema, made ready on first use.
    pub fn global() -> &'static Self {
        &GLOBAL
    }

    fn new(pool: &DescriptorPool) -> Self {
        let mut types = BTreeMap::new();
        let mut waiting: Vec<_> =
            pool.all_messages().filter(|message| message.package_name() == PACKAGE).collect();
        let mut seen: BTreeSet<_> = waiting.iter().map(|message| message.full_name().to_owned()).collect();
        while let Some(descriptor) = waiting.pop() {
            let kinds = descriptor.fields().map(|field| field.kind());
            let used = kinds.filter_map(|kind| kind.as_message().cloned());
            waiting.extend(used.filter(|message| seen.insert(message.full_name().to_owned())));
            if !descriptor.is_map_entry() {
                types.insert(descriptor.full_name().to_owned(), MessageType::new(descriptor));
            }
        }
        Self { types }
    }

    /// The message types, sorted by name.
    pub fn message_types(&self) -> impl ExactSizeIterator<Item = &MessageType> {
        self.types.values()
    }

    /// The message type with that full name, for example `warp.multi_agent.v1.Request`.
    ///
    /// # Errors
    /// [`Error::MessageTypeNotFound`].
    pub fn message_type(&self, full_name: &str) -> Result<&MessageType, Error> {
        let not_found = || Error::MessageTypeNotFound { name: presentable(full_name).to_owned() };
        self.types.get(full_name).ok_or_else(not_found)
    }
}

impl MessageType {
    pub(crate) fn new(descriptor: MessageDescriptor) -> Self {
        Self { descriptor }
    }

    /// The full protobuf name.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The descriptor, for those who look further.
    pub fn descriptor(&self) -> &MessageDescriptor {
        &self.descriptor
    }

    /// How many fields it has.
    pub fn field_count(&self) -> usize {
        self.descriptor.fields().len()
    }

    /// The fields in the order of their numbers.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<_> = self.descriptor.fields().map(|field| Field::new(&field)).collect();
        fields.sort_by_key(|field| field.number);
        fields
    }

    /// What the schema says about the type, empty if nothing.
    pub fn description(&self) -> String {
        comment(&self.descriptor, self.descriptor.path())
    }
}

impl Field {
    fn new(field: &FieldDescriptor) -> Self {
        let options = field.field_descriptor_proto().options.as_ref();
        Self {
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            number: field.number(),
            type_name: type_name(field),
            repeated: field.cardinality() == Cardinality::Repeated && !field.is_map(),
            oneof: field.containing_oneof().filter(|o| !o.is_synthetic()).map(|o| o.name().to_owned()),
            deprecated: options.is_some_and(|options| options.deprecated()),
            description: comment(field.parent_message(), field.path()),
        }
    }
}

/// The type of a field as the schema language writes it.
fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{}, {}>",
            type_name(&entry.map_entry_key_field()),
            type_name(&entry.map_entry_value_field())
        ),
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(enumeration) => enumeration.full_name().to_owned(),
        scalar => kind_name(&scalar).to_owned(),
    }
}

/// The kind as the schema language writes it, without the name of a message or enum.
pub(crate) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Message(_) => "message",
        Kind::Enum(_) => "enum",
    }
}

/// The comment that stands in the schema file of `message` before the element at `path`.
fn comment(message: &MessageDescriptor, path: &[i32]) -> String {
    let file = message.parent_file();
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let comment = location.map_or("", |location| location.leading_comments());
    let lines: Vec<_> =
        comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}
