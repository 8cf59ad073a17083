//! Tests of what the schema language has and the upstream's schema does not use: every kind of number, lists that are
//! not packed, maps with any key, fields with presence of their own.

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto, MessageOptions,
    OneofDescriptorProto,
};
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::schema::MessageType;
use crate::transcode::{Options, Unknown, to_bytes, to_json};

/// A type, and values of it as they are written.
const KINDS: &[(Type, &[&str])] = &[
    (Type::Int32, &["1", "-1", "2147483647", "-2147483648"]),
    (Type::Sint32, &["1", "-1", "2147483647", "-2147483648"]),
    (Type::Sfixed32, &["1", "-1", "2147483647", "-2147483648"]),
    (Type::Uint32, &["1", "4294967295"]),
    (Type::Fixed32, &["1", "4294967295"]),
    (Type::Int64, &[r#""1""#, r#""-1""#, r#""9223372036854775807""#, r#""-9223372036854775808""#]),
    (Type::Sint64, &[r#""1""#, r#""-1""#, r#""9223372036854775807""#, r#""-9223372036854775808""#]),
    (Type::Sfixed64, &[r#""1""#, r#""-1""#, r#""9223372036854775807""#, r#""-9223372036854775808""#]),
    (Type::Uint64, &[r#""1""#, r#""18446744073709551615""#]),
    (Type::Fixed64, &[r#""1""#, r#""18446744073709551615""#]),
    (Type::Bool, &["true"]),
    (Type::String, &[r#""a""#]),
    (Type::Bytes, &[r#""AA==""#]),
    (Type::Float, &["0.5", r#""Infinity""#]),
    (Type::Double, &["0.5", r#""-Infinity""#]),
];

/// A type, what is beyond it on either side, and other things it does not take.
const BEYOND: &[(Type, &[&str])] = &[
    (Type::Int32, &["2147483648", "-2147483649", "0.5", r#""""#, "true"]),
    (Type::Sint32, &["2147483648", "-2147483649"]),
    (Type::Sfixed32, &["2147483648", "-2147483649"]),
    (Type::Uint32, &["4294967296", "-1"]),
    (Type::Fixed32, &["4294967296", "-1"]),
    (Type::Int64, &["9223372036854775808", "-9223372036854775809"]),
    (Type::Sint64, &["9223372036854775808", "-9223372036854775809"]),
    (Type::Sfixed64, &["9223372036854775808", "-9223372036854775809"]),
    (Type::Uint64, &["18446744073709551616", "-1"]),
    (Type::Fixed64, &["18446744073709551616", "-1"]),
    (Type::Bool, &["1", r#""true""#]),
    (Type::String, &["1"]),
    (Type::Bytes, &["1", r#""A""#]),
    (Type::Float, &["3.5e38", r#""""#, "true"]),
    (Type::Double, &["1e309", r#"" 1""#]),
];

#[test]
fn every_kind_is_converted_as_by_another_implementation() {
    for &(kind, values) in KINDS {
        let message_type = message_type(kind, Type::String);
        for value in values {
            let json = format!(
                r#"{{"one":{value},"packed":[{value},{value}],"unpacked":[{value}],"optional":{value},"map":{{"k":{value}}}}}"#
            );

            let data = to_bytes(&message_type, &json, Unknown::Refuse).unwrap();

            assert_eq!(to_json(&message_type, &data, Options::default()).unwrap(), json);
            let mut deserializer = serde_json::Deserializer::from_str(&json);
            let descriptor = message_type.descriptor().clone();
            let other = DynamicMessage::deserialize(descriptor, &mut deserializer).unwrap();
            assert_eq!(other.encode_to_vec(), data, "{json}");
        }
    }
}

#[test]
fn what_does_not_fit_a_kind_is_refused() {
    for &(kind, values) in BEYOND {
        let message_type = message_type(kind, Type::String);
        for value in values {
            let result = to_bytes(&message_type, &format!(r#"{{"one":{value}}}"#), Unknown::Refuse);

            assert!(result.is_err(), "{kind:?} {value}");
        }
    }
}

#[test]
fn maps_may_have_any_key() {
    for &(kind, values) in KINDS {
        if matches!(kind, Type::Bytes | Type::Float | Type::Double) {
            continue;
        }
        let message_type = message_type(Type::Bool, kind);
        for value in values {
            let json = format!(r#"{{"map":{{"{}":true}}}}"#, value.trim_matches('"'));

            let data = to_bytes(&message_type, &json, Unknown::Refuse).unwrap();

            assert_eq!(to_json(&message_type, &data, Options::default()).unwrap(), json);
            let other = DynamicMessage::decode(message_type.descriptor().clone(), &data[..]).unwrap();
            assert_eq!(serde_json::to_string(&other).unwrap(), json);
        }
        let refused = to_bytes(&message_type, r#"{"map":{"?":true}}"#, Unknown::Refuse);
        assert_eq!(refused.is_ok(), kind == Type::String, "{kind:?}");
    }
}

#[test]
fn wrappers_are_the_values_in_them() {
    let pool = DescriptorPool::global();
    for (kind, values) in [
        ("Double", &["0.5", "0", r#""NaN""#][..]),
        ("Float", &["0.5", "0"]),
        ("Int64", &[r#""-1""#, r#""0""#]),
        ("UInt64", &[r#""1""#, r#""0""#]),
        ("Int32", &["-1", "0"]),
        ("UInt32", &["1", "0"]),
        ("Bool", &["true", "false"]),
        ("String", &[r#""a""#, r#""""#]),
        ("Bytes", &[r#""AA==""#, r#""""#]),
    ] {
        let name = format!("google.protobuf.{kind}Value");
        let message_type = MessageType::alone(pool.get_message_by_name(&name).unwrap());
        for value in values {
            let data = to_bytes(&message_type, value, Unknown::Keep).unwrap();

            assert_eq!(to_json(&message_type, &data, Options::default()).unwrap(), *value, "{name}");
            let mut deserializer = serde_json::Deserializer::from_str(value);
            let descriptor = message_type.descriptor().clone();
            let other = DynamicMessage::deserialize(descriptor, &mut deserializer).unwrap();
            assert_eq!(other.encode_to_vec(), data, "{name} {value}");
        }
        assert!(to_bytes(&message_type, "{}", Unknown::Keep).is_err(), "{name}");
    }
}

#[test]
fn presence_is_kept_where_the_schema_has_it() {
    let message_type = message_type(Type::Int32, Type::String);

    let data = to_bytes(&message_type, r#"{"one":0,"optional":0}"#, Unknown::Refuse).unwrap();

    assert_eq!(data, [0x20, 0]);
    assert_eq!(to_json(&message_type, &data, Options::default()).unwrap(), r#"{"optional":0}"#);
}

/// A message with fields of the kind, and a map to it from `key`.
fn message_type(kind: Type, key: Type) -> MessageType {
    let field = |name: &str, number, kind: Type, label: Label| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    };
    let unpacked = FieldDescriptorProto {
        options: Some(FieldOptions { packed: Some(false), ..FieldOptions::default() }),
        ..field("unpacked", 3, kind, Label::Repeated)
    };
    let optional = FieldDescriptorProto {
        proto3_optional: Some(true),
        oneof_index: Some(0),
        ..field("optional", 4, kind, Label::Optional)
    };
    let map = FieldDescriptorProto {
        type_name: Some(".test.Any.MapEntry".to_owned()),
        ..field("map", 5, Type::Message, Label::Repeated)
    };
    let entry = DescriptorProto {
        name: Some("MapEntry".to_owned()),
        field: vec![field("key", 1, key, Label::Optional), field("value", 2, kind, Label::Optional)],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    };
    let message = DescriptorProto {
        name: Some("Any".to_owned()),
        field: vec![
            field("one", 1, kind, Label::Optional),
            field("packed", 2, kind, Label::Repeated),
            unpacked,
            optional,
            map,
        ],
        nested_type: vec![entry],
        oneof_decl: vec![OneofDescriptorProto { name: Some("_optional".to_owned()), ..Default::default() }],
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("test.proto".to_owned()),
        package: Some("test".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![message],
        ..FileDescriptorProto::default()
    };
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(file).unwrap();
    MessageType::alone(pool.get_message_by_name("test.Any").unwrap())
}
