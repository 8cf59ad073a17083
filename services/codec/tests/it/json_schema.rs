//! The JSON Schema of a type accepts what the codec writes, and not much else.

use std::collections::BTreeMap;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use warp2api_codec::{MessageType, Naming, Options, Schema, Unknown, json_schema, transcode};

use crate::generate::{self, Content};
use crate::support::{camel, message_type};

fn validator(message_type: &MessageType, naming: Naming) -> Validator {
    let schema = json_schema::of(message_type, naming);
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn what_is_written_is_valid_whatever_the_message() {
    for message_type in Schema::global().message_types() {
        for options in [Options::default(), camel()] {
            let validator = validator(message_type, options.naming);
            let mut runner =
                TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
            let choices = prop::collection::vec(any::<u8>(), 0..200);
            let result = runner.run(&choices, |choices| {
                let content = Content { unknown: true, odd: true };
                let data = generate::message(message_type.descriptor(), &choices, content);
                let json = transcode::to_json(message_type, &data, options)?;
                let value: Value = serde_json::from_str(&json)?;
                let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                prop_assert!(errors.is_empty(), "{json}: {errors:?}");
                Ok(())
            });
            if let Err(error) = result {
                panic!("{}: {error}", message_type.full_name());
            }
        }
    }
}

#[test]
fn what_the_codec_refuses_is_not_valid() {
    for (name, instances) in [
        (
            "Request",
            vec![
                json!([]),
                json!({"nothing": 1}),
                json!({"taskContext": {}}),
                json!({"task_context": {"tasks": {}}}),
                json!({"task_context": {"tasks": [null]}}),
                json!({"settings": {"supported_tools": ["NO_TOOL"]}}),
                json!({"settings": {"supported_tools": [2_147_483_648_u32]}}),
                json!({"settings": {"supported_tools": [0.5]}}),
                json!({"input": {"user_query": {}, "resume_conversation": {}}}),
                json!({"@unknown": 1}),
            ],
        ),
        (
            "Message.ArtifactEvent.FileArtifact",
            vec![json!({"size_bytes": "1.5"}), json!({"size_bytes": "x"})],
        ),
        ("MCPResourceContent.Binary", vec![json!({"data": "?"}), json!({"data": [1]})]),
        ("ResponseEvent.StreamFinished.RequestCost", vec![json!({"exact": "nan"}), json!({"exact": true})]),
        (
            "google.protobuf.Timestamp",
            vec![json!(1), json!("yesterday"), json!("2026-01-31T22:59:59"), json!({"seconds": true})],
        ),
        ("google.protobuf.Duration", vec![json!("1"), json!("1.5.5s"), json!({"nanos": 5_000_000_000_u64})]),
        ("google.protobuf.FieldMask", vec![json!("a b"), json!("a,,b"), json!({"paths": "a"})]),
        ("google.protobuf.Struct", vec![json!([]), json!(null)]),
        ("google.protobuf.ListValue", vec![json!({}), json!(1)]),
    ] {
        let message_type = message_type(name);
        let validator = validator(message_type, Naming::Snake);
        for instance in instances {
            assert!(!validator.is_valid(&instance), "{name} {instance}");
            let camel_case = instance.to_string().contains("taskContext");
            let refused = transcode::to_bytes(message_type, &instance.to_string(), Unknown::Keep).is_err();
            assert!(refused || camel_case, "{name} {instance}");
        }
    }
}

#[test]
fn members_of_a_oneof_exclude_each_other() {
    let validator = validator(message_type("Request.Input"), Naming::Snake);
    for (instance, is_valid) in [
        (json!({}), true),
        (json!({"context": {}}), true),
        (json!({"context": {}, "user_query": {}}), true),
        (json!({"resume_conversation": {}}), true),
        (json!({"user_query": {}, "user_inputs": {}}), false),
    ] {
        assert_eq!(validator.is_valid(&instance), is_valid, "{instance}");
    }
}

#[test]
fn it_says_what_the_schema_says() {
    let schema = json_schema::of(message_type("Request"), Naming::Camel);

    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$ref"], "#/$defs/warp.multi_agent.v1.Request");
    let request = &schema["$defs"]["warp.multi_agent.v1.Request"];
    let context = &request["properties"]["taskContext"];
    assert_eq!(context["description"], "The history the client knows. Empty on a first turn.");
    assert_eq!(context["$ref"], "#/$defs/warp.multi_agent.v1.Request.TaskContext");
    let input = &schema["$defs"]["warp.multi_agent.v1.Request.Input"]["properties"]["userQuery"];
    assert_eq!(input["deprecated"], true);
    let tools = &schema["$defs"]["warp.multi_agent.v1.ToolType"]["anyOf"];
    assert!(tools.as_array().unwrap().iter().any(|value| value["const"] == "RUN_SHELL_COMMAND"));
}

#[test]
fn every_reference_leads_somewhere() {
    for message_type in Schema::global().message_types() {
        let schema = json_schema::of(message_type, Naming::Snake);
        let mut references = BTreeMap::new();
        collect(&schema, &mut references);
        for reference in references.keys() {
            let name = reference.strip_prefix("#/$defs/").unwrap();
            assert!(schema["$defs"][name].is_object(), "{} lacks {name}", message_type.full_name());
        }
        // Nothing is described that nothing refers to.
        assert_eq!(schema["$defs"].as_object().unwrap().len(), references.len());
    }
}

fn collect(value: &Value, found: &mut BTreeMap<String, ()>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone(), ());
            }
            members.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
