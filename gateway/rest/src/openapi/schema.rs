//! The JSON Schemas of messages, as proto3 JSON writes them.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Reflected,
};
use serde_json::{Map, Value, json};

use super::comments;
use crate::route::Route;

/// The components of a document.
#[derive(Debug)]
pub(super) struct Schemas {
    /// By full name; `None` while one is being written, since messages may hold themselves.
    written: BTreeMap<String, Option<Value>>,
    /// The messages that are read from callers, strictly.
    read: BTreeSet<String>,
}

impl Schemas {
    pub(super) fn new(routes: &[Route]) -> Self {
        let mut read = BTreeSet::new();
        routes.iter().for_each(|route| reach(&route.method.input(), &mut read));
        Self { written: BTreeMap::new(), read }
    }

    pub(super) fn into_components(self) -> Map<String, Value> {
        let schemas = self.written.into_iter();
        schemas.filter_map(|(name, schema)| Some((component(&name).to_owned(), schema?))).collect()
    }

    /// Adds one that is not a message of the contract.
    pub(super) fn insert(&mut self, name: &str, schema: Value) {
        self.written.insert(name.to_owned(), Some(schema));
    }

    /// The schema of a message: a reference, or what well-known types have.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        let name = message.full_name();
        if !self.written.contains_key(name) {
            self.written.insert(name.to_owned(), None);
            let mut schema = self.object(message, &[]);
            if self.read.contains(name) {
                schema["additionalProperties"] = json!(false);
            }
            self.written.insert(name.to_owned(), Some(schema));
        }
        json!({ "$ref": format!("#/components/schemas/{}", component(name)) })
    }

    /// The object of a message without some of its fields.
    pub(super) fn object(&mut self, message: &MessageDescriptor, without: &[&str]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| !without.contains(&field.name())) {
            if has_behavior(&field, "REQUIRED") {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.described(&field));
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        let description = comments::of(message);
        if !description.is_empty() {
            schema["description"] = json!(description);
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let mut oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        // A message that is a choice holds one of its fields.
        if let (Some(only), None) = (oneofs.next(), oneofs.next())
            && only.fields().len() == message.fields().len()
        {
            schema["maxProperties"] = json!(1);
        }
        schema
    }

    /// The schema of a field with what is said about it.
    pub(super) fn described(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = self.field(field);
        let description = comments::of(field);
        if !description.is_empty() {
            schema["description"] = json!(description);
        }
        if has_behavior(field, "OUTPUT_ONLY") {
            schema["readOnly"] = json!(true);
        }
        if has_behavior(field, "INPUT_ONLY") {
            schema["writeOnly"] = json!(true);
        }
        if field.field_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()) {
            schema["deprecated"] = json!(true);
        }
        schema
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            let value = entry.map_entry_value_field();
            return json!({ "type": "object", "additionalProperties": self.kind(&value.kind()) });
        }
        let one = self.kind(&field.kind());
        if field.cardinality() == Cardinality::Repeated {
            json!({ "type": "array", "items": one })
        } else {
            one
        }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte", "contentEncoding": "base64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "int64", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$" })
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$" })
            }
            Kind::Message(message) => self.message(message),
            Kind::Enum(enumeration) => self.enumeration(enumeration),
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptor) -> Value {
        let name = enumeration.full_name();
        if name == "google.protobuf.NullValue" {
            return json!({ "type": "null" });
        }
        if !self.written.contains_key(name) {
            let values: Vec<_> = enumeration.values().map(|value| value.name().to_owned()).collect();
            let about =
                enumeration.values().map(|value| format!("- `{}`: {}", value.name(), comments::of(&value)));
            let description = about.collect::<Vec<_>>().join("\n");
            self.insert(name, json!({ "type": "string", "enum": values, "description": description }));
        }
        json!({ "$ref": format!("#/components/schemas/{}", component(name)) })
    }
}

/// The name of a component: that of the message within its package, the package left out for our own.
fn component(full_name: &str) -> &str {
    let ours = full_name.strip_prefix("warp2api.").and_then(|name| name.split_once(".v1."));
    ours.map_or(full_name, |(_, name)| name)
}

fn reach(message: &MessageDescriptor, found: &mut BTreeSet<String>) {
    if well_known(message.full_name()).is_some() || !found.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            reach(&inner, found);
        }
    }
}

/// Whether `google.api.field_behavior` says so.
pub(super) fn has_behavior(field: &FieldDescriptor, behavior: &str) -> bool {
    let Some(extension) = field.parent_pool().get_extension_by_name("google.api.field_behavior") else {
        return false;
    };
    let options = field.options();
    let Kind::Enum(kind) = extension.kind() else { return false };
    let wanted = kind.get_value_by_name(behavior).map(|value| Reflected::EnumNumber(value.number()));
    let given = options.get_extension(&extension);
    given.as_list().is_some_and(|given| given.iter().any(|one| Some(one) == wanted.as_ref()))
}

/// The schema of a message that has a JSON form of its own.
fn well_known(full_name: &str) -> Option<Value> {
    let name = full_name.strip_prefix("google.protobuf.")?;
    Some(match name {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => {
            json!({ "type": "string", "pattern": "^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$", "examples": ["1.5s"] })
        }
        "FieldMask" => json!({ "type": "string", "examples": ["displayName,tier"] }),
        "Struct" | "Empty" | "Any" => json!({ "type": "object" }),
        "ListValue" => json!({ "type": "array" }),
        "Value" => json!({}),
        "StringValue" => json!({ "type": ["string", "null"] }),
        "BytesValue" => json!({ "type": ["string", "null"], "contentEncoding": "base64" }),
        "BoolValue" => json!({ "type": ["boolean", "null"] }),
        "Int32Value" | "UInt32Value" => json!({ "type": ["integer", "null"] }),
        "Int64Value" | "UInt64Value" => json!({ "type": ["string", "null"] }),
        "FloatValue" | "DoubleValue" => json!({ "type": ["number", "null"] }),
        _ => return None,
    })
}
