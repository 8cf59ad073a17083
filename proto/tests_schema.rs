//! The upstream's schema against the tables of its wire facts: every field and enum value of the tables is in the
//! schema, and nothing else is.
//!
//! `warp_schema.tsv` is what peers speak today, `warp_schema_2025_only.tsv` what some older ones still send.

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

const PACKAGE: &str = "warp.multi_agent.v1";
const TABLES: [&str; 2] =
    [include_str!("testdata/warp_schema.tsv"), include_str!("testdata/warp_schema_2025_only.tsv")];

/// kind, parent, number, name, type, label, oneof.
type Row = [String; 7];

#[test]
fn the_schema_is_what_the_tables_say_and_nothing_else() {
    let (table, schema) = (rows_of_the_tables(), rows_of_the_schema());

    let missing: Vec<_> = table.difference(&schema).map(|row| row.join(" ")).collect();
    let extra: Vec<_> = schema.difference(&table).map(|row| row.join(" ")).collect();

    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
    assert!(table.len() > 1200, "the tables have {} rows", table.len());
}

#[test]
fn a_message_without_fields_is_the_type_of_some_field() {
    let used: BTreeSet<_> = rows_of_the_tables().into_iter().map(|[_, _, _, _, kind, ..]| kind).collect();
    let parents: BTreeSet<_> = rows_of_the_tables().into_iter().map(|[_, parent, ..]| parent).collect();

    for message in messages() {
        // A message of nested ones only is a namespace.
        let is_namespace = message.child_messages().len() > 0 || message.child_enums().len() > 0;
        let name = relative(message.full_name());
        assert!(
            message.fields().len() > 0 && parents.contains(&name) || used.contains(&name) || is_namespace,
            "{name}"
        );
    }
}

fn rows_of_the_tables() -> BTreeSet<Row> {
    let lines = TABLES.iter().flat_map(|table| table.lines().skip(1));
    lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').map(str::to_owned).collect();
            let mut row: Row = columns.try_into().expect("a row has seven columns");
            // A field of another message has this name, and some languages put both in one namespace.
            if row[1] == "RunAgents" && row[6] == "execution_mode" {
                row[6].push_str("_oneof");
            }
            row
        })
        .collect()
}

fn rows_of_the_schema() -> BTreeSet<Row> {
    let fields =
        messages().into_iter().flat_map(|message| message.fields().map(field_row).collect::<Vec<_>>());
    let values = enums().into_iter().flat_map(|enumeration| value_rows(&enumeration));
    fields.chain(values).collect()
}

fn field_row(field: FieldDescriptor) -> Row {
    let label = if field.is_list() { "repeated" } else { "" };
    let oneof = field.containing_oneof();
    [
        "field".to_owned(),
        relative(field.parent_message().full_name()),
        field.number().to_string(),
        field.name().to_owned(),
        type_name(&field),
        label.to_owned(),
        oneof.map_or_else(String::new, |oneof| oneof.name().to_owned()),
    ]
}

fn value_rows(enumeration: &EnumDescriptor) -> Vec<Row> {
    let row = |value: prost_reflect::EnumValueDescriptor| {
        [
            "enum_value".to_owned(),
            relative(enumeration.full_name()),
            value.number().to_string(),
            value.name().to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]
    };
    enumeration.values().map(row).collect()
}

fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{}, {}>", type_name(&key), type_name(&value))
        }
        Kind::Message(message) => relative(message.full_name()),
        Kind::Enum(enumeration) => relative(enumeration.full_name()),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn messages() -> Vec<MessageDescriptor> {
    let pool = DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
    let ours = |m: &MessageDescriptor| m.package_name() == PACKAGE && !m.is_map_entry();
    pool.all_messages().filter(ours).collect()
}

fn enums() -> Vec<EnumDescriptor> {
    let pool = DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
    pool.all_enums().filter(|enumeration| enumeration.package_name() == PACKAGE).collect()
}

/// The name as the tables write it, without the schema's own package.
fn relative(full_name: &str) -> String {
    full_name.strip_prefix("warp.multi_agent.v1.").unwrap_or(full_name).to_owned()
}
