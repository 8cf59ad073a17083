//! The JSON Schema (2020-12) of a message type in proto3 JSON form. Pure.
//!
//! Describes what this codec writes: names in one spelling, 64-bit integers as strings, enum values by name where they
//! have one, fields that the schema does not have under `@unknown`. The codec reads more than that: null for absent,
//! either spelling, numbers in quotes. Types refer to each other by `$ref`, so recursive ones are no matter.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use warp2api_proto::descriptors::comment;

use crate::json::UNKNOWN;
use crate::schema::MessageType;
use crate::transcode::Naming;
use crate::well_known::{Form, Text};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a type, with that of all types it refers to.
pub fn of(message_type: &MessageType, naming: Naming) -> Value {
    let mut writer = Writer { naming, definitions: Map::new(), seen: BTreeSet::new(), waiting: Vec::new() };
    let root = writer.message_reference(message_type.descriptor());
    while let Some(described) = writer.waiting.pop() {
        let (name, definition) = match &described {
            Described::Message(message) => (message.full_name(), writer.message(message)),
            Described::Enum(enumeration) => (enumeration.full_name(), writer.enumeration(enumeration)),
        };
        writer.definitions.insert(name.to_owned(), definition);
    }
    writer.definitions.sort_keys();
    let mut schema = object([("$schema", json!(DIALECT)), ("title", json!(message_type.full_name()))]);
    schema.extend(root);
    schema.insert("$defs".to_owned(), Value::Object(writer.definitions));
    Value::Object(schema)
}

enum Described {
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

struct Writer {
    naming: Naming,
    definitions: Map<String, Value>,
    seen: BTreeSet<String>,
    waiting: Vec<Described>,
}

impl Writer {
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let mut definition = object([("title", json!(message.name()))]);
        describe(&mut definition, comment(message.parent_file().name(), message.path()));
        definition.extend(match Form::of(message.full_name()) {
            Form::Object => self.fields(message),
            Form::Text(text) => {
                let plain = Value::Object(self.fields(message));
                object([("anyOf", json!([string_form(text), plain]))])
            }
            Form::FirstField { empty: "[]" } => object([("type", json!("array"))]),
            Form::FirstField { .. } => object([("type", json!("object"))]),
            Form::Wrapper => match message.fields().next() {
                Some(field) => self.kind(&field.kind()),
                None => Map::new(),
            },
            Form::Value => Map::new(),
        });
        Value::Object(definition)
    }

    /// An object with the fields as members.
    fn fields(&mut self, message: &MessageDescriptor) -> Map<String, Value> {
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        let mut properties = Map::new();
        for field in &fields {
            properties.insert(self.name(field), Value::Object(self.field(field)));
        }
        let unknown = json!({
            "type": "string",
            "contentEncoding": "base64",
            "description": "Fields that the schema does not have, as their wire bytes.",
        });
        properties.insert(UNKNOWN.to_owned(), unknown);
        let mut definition = object([
            ("type", json!("object")),
            ("properties", Value::Object(properties)),
            ("additionalProperties", json!(false)),
        ]);
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let rules: Vec<_> = oneofs.map(|oneof| self.at_most_one(oneof.fields())).collect();
        if !rules.is_empty() {
            definition.insert("allOf".to_owned(), Value::Array(rules));
        }
        definition
    }

    /// Of these fields, one is there or none.
    fn at_most_one(&self, fields: impl Iterator<Item = FieldDescriptor>) -> Value {
        let required: Vec<_> = fields.map(|field| json!({"required": [self.name(&field)]})).collect();
        let none = json!({"not": {"anyOf": required}});
        let choices = [required, vec![none]].concat();
        json!({"oneOf": choices})
    }

    fn field(&mut self, field: &FieldDescriptor) -> Map<String, Value> {
        let mut definition = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let values = self.kind(&entry.map_entry_value_field().kind());
                let mut map = object([("type", json!("object")), ("additionalProperties", json!(values))]);
                if let Some(keys) = keys(&entry.map_entry_key_field().kind()) {
                    map.insert("propertyNames".to_owned(), keys);
                }
                map
            }
            kind if field.is_list() => {
                object([("type", json!("array")), ("items", Value::Object(self.kind(&kind)))])
            }
            kind => self.kind(&kind),
        };
        describe(&mut definition, comment(field.parent_message().parent_file().name(), field.path()));
        if field.field_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()) {
            definition.insert("deprecated".to_owned(), json!(true));
        }
        definition
    }

    fn kind(&mut self, kind: &Kind) -> Map<String, Value> {
        let schema = match kind {
            Kind::Message(message) => return self.message_reference(message),
            Kind::Enum(enumeration) => {
                if self.seen.insert(enumeration.full_name().to_owned()) {
                    self.waiting.push(Described::Enum(enumeration.clone()));
                }
                return reference(enumeration.full_name());
            }
            Kind::Double | Kind::Float => {
                json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX})
            }
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "pattern": "^-?[0-9]{1,19}$"})
            }
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "pattern": "^[0-9]{1,20}$"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => {
                json!({"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]*={0,2}$"})
            }
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    fn enumeration(&self, enumeration: &EnumDescriptor) -> Value {
        let file = enumeration.parent_file();
        let mut definition = object([("title", json!(enumeration.name()))]);
        describe(&mut definition, comment(file.name(), enumeration.path()));
        let mut values: Vec<_> = enumeration
            .values()
            .map(|value| {
                let mut named = object([("const", json!(value.name()))]);
                describe(&mut named, comment(file.name(), value.path()));
                Value::Object(named)
            })
            .collect();
        values.push(json!({
            "type": "integer",
            "minimum": i32::MIN,
            "maximum": i32::MAX,
            "description": "A value that has no name.",
        }));
        definition.insert("anyOf".to_owned(), Value::Array(values));
        Value::Object(definition)
    }

    fn message_reference(&mut self, message: &MessageDescriptor) -> Map<String, Value> {
        if self.seen.insert(message.full_name().to_owned()) {
            self.waiting.push(Described::Message(message.clone()));
        }
        reference(message.full_name())
    }

    fn name(&self, field: &FieldDescriptor) -> String {
        match self.naming {
            Naming::Snake => field.name().to_owned(),
            Naming::Camel => field.json_name().to_owned(),
        }
    }
}

fn reference(full_name: &str) -> Map<String, Value> {
    object([("$ref", json!(format!("#/$defs/{full_name}")))])
}

fn string_form(text: Text) -> Value {
    const FRACTION: &str = r"(\.([0-9]{3}){1,3})?";
    match text {
        Text::Timestamp => {
            let pattern =
                format!("^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}{FRACTION}Z$");
            json!({"type": "string", "format": "date-time", "pattern": pattern})
        }
        Text::Duration => json!({"type": "string", "pattern": format!("^-?[0-9]+{FRACTION}s$")}),
        Text::FieldMask => {
            json!({"type": "string", "pattern": "^([A-Za-z0-9.]+(,[A-Za-z0-9.]+)*)?$"})
        }
    }
}

/// The keys of a map, which are strings in JSON, if not every string will do.
fn keys(kind: &Kind) -> Option<Value> {
    match kind {
        Kind::String => None,
        Kind::Bool => Some(json!({"enum": ["true", "false"]})),
        _ => Some(json!({"pattern": "^-?[0-9]+$"})),
    }
}

fn describe(definition: &mut Map<String, Value>, comment: &str) {
    if !comment.is_empty() {
        definition.insert("description".to_owned(), json!(comment));
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
