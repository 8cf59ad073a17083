//! Tools of every kind go out under one name and come back as what was offered.

use serde_json::{Value, json};
use warp2api_dialects::responses::Responses;
use warp2api_proto::warp_chat::v1::FinishReason::ToolCalls;

use super::{accept, strict};
use crate::support::script::{Script, called, finished};

const TOOLS: &str = r#"[
    {"type":"function","name":"read"},
    {"type":"custom","name":"patch"},
    {"type":"namespace","name":"mcp__files__","tools":[
        {"type":"function","name":"list"},{"type":"custom","name":"write"},{"type":"function","name":"read"}]},
    {"type":"namespace","name":"functions","tools":[{"type":"function","name":"run"}]}
]"#;

fn body(more: &str) -> String {
    format!(r#"{{"input":"hi","tools":{TOOLS}{more}}}"#)
}

/// The items that calls by these names come back as.
fn come_back(calls: &[(&str, &str)]) -> Vec<Value> {
    let plan = accept(&body("")).unwrap().plan;
    let calls =
        calls.iter().enumerate().map(|(n, (name, arguments))| called(&format!("c{n}"), name, arguments));
    let script = Script::of(calls.chain([finished(ToolCalls)]));
    let (response, end) = strict::stream(&script.stream::<Responses>(plan)).unwrap();
    end.unwrap();
    let mut items = response["output"].as_array().unwrap().clone();
    for item in &mut items {
        for key in ["id", "status", "call_id"] {
            item.as_object_mut().unwrap().shift_remove(key);
        }
    }
    items
}

#[test]
fn every_tool_has_one_name_upstream() {
    let tools = accept(&body("")).unwrap().request.tools;
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();

    assert_eq!(names, ["read", "patch", "mcp__files__list", "mcp__files__write", "mcp__files__read", "run"]);
}

#[test]
fn calls_come_back_as_what_was_offered() {
    let function = |namespace: Option<&str>, name: &str, arguments: &str| match namespace {
        Some(namespace) => {
            json!({ "type": "function_call", "namespace": namespace, "name": name, "arguments": arguments })
        }
        None => json!({ "type": "function_call", "name": name, "arguments": arguments }),
    };
    let back = come_back(&[
        ("read", r#"{"a":1}"#),
        ("patch", r#"{"input":"+ \"x\"\n"}"#),
        ("mcp__files__list", "{}"),
        ("mcp__files__write", r#"{"input":""}"#),
        ("mcp__files__read", "{}"),
        ("run", "{}"),
        ("list", "{}"),
        ("patch", r#"{"patch":"odd"}"#),
        ("unknown", "{}"),
    ]);

    let files = Some("mcp__files__");
    assert_eq!(
        back,
        [
            function(None, "read", r#"{"a":1}"#),
            json!({ "type": "custom_tool_call", "name": "patch", "input": "+ \"x\"\n" }),
            function(files, "list", "{}"),
            json!({ "type": "custom_tool_call", "namespace": "mcp__files__", "name": "write", "input": "" }),
            function(files, "read", "{}"),
            function(Some("functions"), "run", "{}"),
            // Without its namespace only one tool can be meant.
            function(files, "list", "{}"),
            json!({ "type": "custom_tool_call", "name": "patch", "input": r#"{"patch":"odd"}"# }),
            function(None, "unknown", "{}"),
        ]
    );
}

#[test]
fn calls_of_the_past_have_the_names_of_the_tools() {
    let items = r#"{"type":"function_call","call_id":"1","namespace":"mcp__files__","name":"list","arguments":"{}"},
        {"type":"custom_tool_call","call_id":"2","namespace":"mcp__files__","name":"write","input":"x"},
        {"type":"function_call","call_id":"3","namespace":"functions","name":"run","arguments":"{}"}"#;
    let accepted = accept(&format!(r#"{{"input":[{items}],"tools":{TOOLS}}}"#)).unwrap();

    let known: Vec<_> = accepted.request.tools.iter().map(|tool| tool.name.clone()).collect();
    for message in accepted.request.messages {
        let Some(warp2api_proto::warp_chat::v1::part::Content::ToolCall(call)) = &message.parts[0].content
        else {
            panic!("{message:?}")
        };
        assert!(known.contains(&call.name), "{}", call.name);
    }
}
