//! The table of parameters says what happens.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use warp2api_dialects::parameters::{PARAMETERS, Treatment};
use warp2api_dialects::parameters_markdown;
use warp2api_proto::error::v1::ErrorReason;

use crate::support::accept;

fn body(example: &str) -> String {
    let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let example: Map<String, Value> = serde_json::from_str(example).unwrap();
    body.as_object_mut().unwrap().extend(example);
    body.to_string()
}

#[test]
fn every_parameter_is_treated_as_the_table_says() {
    let plain = accept(&body("{}")).unwrap();
    for parameter in PARAMETERS {
        let result = accept(&body(parameter.example));
        match parameter.treatment {
            Treatment::Honoured | Treatment::Enforced => {
                let accepted = result.unwrap();
                assert!(accepted.ignored.is_empty(), "{}", parameter.name);
                assert_ne!(accepted, plain, "{} changes nothing", parameter.name);
            }
            Treatment::Refused => {
                let rejection = result.unwrap_err();
                assert_eq!(rejection.param.as_deref(), Some(parameter.name));
                assert_eq!(rejection.reason, ErrorReason::UnsupportedField, "{}", parameter.name);
            }
            Treatment::Ignored => {
                let accepted = result.unwrap();
                assert_eq!(accepted.ignored, [parameter.name]);
                assert_eq!(accepted.ignored_header().unwrap(), parameter.name);
            }
        }
    }
}

#[test]
fn what_is_asked_for_by_default_is_not_named() {
    let defaults = r#"{"temperature":1,"top_p":1.0,"n":1,"logprobs":false,"top_logprobs":0,"presence_penalty":0,
        "frequency_penalty":0,"logit_bias":{},"response_format":{"type":"text"},"modalities":["text"],
        "service_tier":"auto","verbosity":"medium","store":false,"metadata":{},"user":"",
        "parallel_tool_calls":true,"stream_options":{"include_usage":false,"include_obfuscation":false}}"#;

    assert_eq!(accept(&body(defaults)).unwrap().ignored_header(), None);
}

#[test]
fn null_is_taken_for_every_parameter_but_the_messages() {
    let names: HashSet<&str> = PARAMETERS.iter().map(|parameter| first_segment(parameter.name)).collect();
    for name in names.into_iter().filter(|name| *name != "messages") {
        let accepted = accept(&body(&format!(r#"{{"{name}":null}}"#))).unwrap();
        assert!(accepted.ignored.is_empty(), "{name}");
    }
}

#[test]
fn every_parameter_of_the_reference_has_a_row() {
    let reference = "messages model audio frequency_penalty function_call functions logit_bias logprobs \
        max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction \
        presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort \
        response_format safety_identifier seed service_tier stop store stream stream_options temperature \
        tool_choice tools top_logprobs top_p user verbosity web_search_options";
    let names: HashSet<&str> = PARAMETERS.iter().map(|parameter| first_segment(parameter.name)).collect();
    for name in reference.split_whitespace() {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn the_markdown_has_a_line_for_every_row() {
    let markdown = parameters_markdown();

    assert_eq!(markdown.lines().count(), PARAMETERS.len() + 2);
    assert!(markdown.contains("| `messages[].content[]` | refused |"), "{markdown}");
    for line in markdown.lines() {
        assert_eq!(line.matches('|').count(), 4, "{line}");
    }
}

fn first_segment(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap()
}
