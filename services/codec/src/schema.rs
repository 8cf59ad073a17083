//! The message types of the upstream's schema, and what the schema says about them.
//!
//! They are the messages of `warp.multi_agent.v1` and those of `google.protobuf` that these use, not the ones of our
//! own services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use warp2api_proto::descriptors::comment;

use crate::error::{Error, presentable};
use crate::layout::{Layouts, MessageId};

const PACKAGE: &str = "warp.multi_agent.v1";

static GLOBAL: LazyLock<Schema> = LazyLock::new(|| Schema::new(warp2api_proto::descriptors::pool()));

/// The message types that can be converted.
#[derive(Debug)]
pub struct Schema {
    types: BTreeMap<String, MessageType>,
}

/// A message type.
#[derive(Clone)]
pub struct MessageType {
    descriptor: MessageDescriptor,
    layouts: Arc<Layouts>,
    id: MessageId,
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
                types.insert(descriptor.full_name().to_owned(), descriptor);
            }
        }
        let layouts = Arc::new(Layouts::new(types.values().cloned()));
        let types = types.into_iter().enumerate().map(|(place, (name, descriptor))| {
            let layouts = Arc::clone(&layouts);
            (name, MessageType { descriptor, layouts, id: Layouts::root(place) })
        });
        Self { types: types.collect() }
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
    /// A type on its own, of any schema.
    #[cfg(test)]
    pub(crate) fn alone(descriptor: MessageDescriptor) -> Self {
        let layouts = Arc::new(Layouts::new([descriptor.clone()]));
        Self { descriptor, layouts, id: Layouts::root(0) }
    }

    /// The schema as conversion needs it, and where this type is in it.
    pub(crate) fn layouts(&self) -> (&Layouts, MessageId) {
        (&self.layouts, self.id)
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
        let fields = self.descriptor.fields();
        let mut fields: Vec<_> = fields.map(|field| Field::new(&field)).collect();
        fields.sort_by_key(|field| field.number);
        fields
    }

    /// What the schema says about the type, empty if nothing.
    pub fn description(&self) -> String {
        comment(self.descriptor.parent_file().name(), self.descriptor.path()).to_owned()
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
            description: comment(field.parent_message().parent_file().name(), field.path()).to_owned(),
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
        scalar => format!("{scalar:?}"),
    }
}
