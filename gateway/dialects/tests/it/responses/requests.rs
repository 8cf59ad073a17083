//! Requests that clients send and the fields that stand in the way of others, as tables.

use bytes::Bytes;
use warp2api_dialects::responses::ResponsesRequest;
use warp2api_dialects::{FetchedImages, Request as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::{Message, Part, Role, part};

use super::accept;

fn items(items: &str) -> String {
    format!(r#"{{"input":[{items}]}}"#)
}

fn with(fields: &str) -> String {
    format!(r#"{{"input":"hi",{fields}}}"#)
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let (invalid, unsupported) = (ErrorReason::InvalidField, ErrorReason::UnsupportedField);
    let user = |part: &str| {
        items(&format!(r#"{{"role":"user","content":"a"}},{{"role":"user","content":[{part}]}}"#))
    };
    let tools = |tool: &str| with(&format!(r#""tools":[{tool}]"#));
    let cases = [
        ("{}".into(), invalid, "input", "expected a string or an array with at least one item"),
        (items(""), invalid, "input", "expected a string or an array with at least one item"),
        (r#"{"input":7}"#.into(), invalid, "input", "expected a string or an array, got a number"),
        (items("7"), invalid, "input[0]", "expected an object, got a number"),
        (
            items(r#"{"role":"tool","content":"a"}"#),
            invalid,
            "input[0].role",
            "expected one of system, developer, user, assistant",
        ),
        (
            items(r#"{"type":"message","content":7,"role":"user"}"#),
            invalid,
            "input[0].content",
            "expected a string or an array, got a number",
        ),
        (items(r#"{"type":7}"#), invalid, "input[0].type", "expected a string, got a number"),
        (user(r#"{"type":"input_text"}"#), invalid, "input[1].content[0].text", "expected a string"),
        (
            user(r#"{"type":"input_image","file_id":"file-1"}"#),
            unsupported,
            "input[1].content[0].file_id",
            "files are not supported",
        ),
        (user(r#"{"type":"input_audio"}"#), unsupported, "input[1].content[0]", "audio is not supported"),
        (
            items(r#"{"type":"function_call","name":"f"}"#),
            invalid,
            "input[0].call_id",
            "expected a string that is not empty",
        ),
        (
            items(r#"{"type":"function_call","call_id":"c"}"#),
            invalid,
            "input[0].name",
            "expected a string that is not empty",
        ),
        (
            items(r#"{"type":"function_call","call_id":"c","name":"f","arguments":"[]"}"#),
            invalid,
            "input[0].arguments",
            "expected the text of a JSON object",
        ),
        (
            items(r#"{"type":"custom_tool_call","call_id":"c","name":"f","input":7}"#),
            invalid,
            "input[0].input",
            "expected a string, got a number",
        ),
        (
            items(r#"{"type":"function_call_output","output":"a"}"#),
            invalid,
            "input[0].call_id",
            "expected a string that is not empty",
        ),
        (
            items(r#"{"type":"function_call_output","call_id":"c","output":[7]}"#),
            invalid,
            "input[0].output[0]",
            "expected an object, got a number",
        ),
        (
            items(r#"{"id":"msg_1"}"#),
            unsupported,
            "input[0]",
            "no item of that id is kept for this key, or no longer; send the item itself",
        ),
        (tools("7"), invalid, "tools[0]", "expected an object, got a number"),
        (tools(r#"{"type":"function"}"#), invalid, "tools[0].name", "expected a string that is not empty"),
        (tools(r#"{"type":"custom"}"#), invalid, "tools[0].name", "expected a string that is not empty"),
        (
            tools(r#"{"type":"function","name":"f","parameters":[]}"#),
            invalid,
            "tools[0].parameters",
            "expected an object",
        ),
        (
            tools(r#"{"type":"function","name":"f"},{"type":"custom","name":"f"}"#),
            invalid,
            "tools[1].name",
            "another tool has the same name",
        ),
        (
            tools(r#"{"type":"namespace","tools":[]}"#),
            invalid,
            "tools[0].name",
            "expected a string that is not empty",
        ),
        (
            tools(r#"{"type":"namespace","name":"n","tools":[{"type":"function"}]}"#),
            invalid,
            "tools[0].tools[0].name",
            "expected a string that is not empty",
        ),
        (with(r#""tools":{}"#), invalid, "tools", "expected an array, got an object"),
        (
            with(r#""tool_choice":"maybe""#),
            invalid,
            "tool_choice",
            "expected none, auto, required or an object",
        ),
        (with(r#""tool_choice":{}"#), invalid, "tool_choice.type", "expected a string"),
        (
            with(r#""tool_choice":{"type":"allowed_tools"}"#),
            invalid,
            "tool_choice.tools",
            "expected an array",
        ),
        (
            with(r#""tool_choice":{"type":"allowed_tools","mode":"x"}"#),
            invalid,
            "tool_choice.mode",
            "expected auto or required",
        ),
        (
            with(r#""tool_choice":{"type":"allowed_tools","tools":[{"type":"function","name":"x"}]}"#),
            invalid,
            "tool_choice.tools[0]",
            "expected the name of one of the tools",
        ),
        (with(r#""max_output_tokens":0"#), invalid, "max_output_tokens", "expected at least 1"),
        (with(r#""temperature":3"#), invalid, "temperature", "expected a number from 0 to 2"),
        (
            with(r#""reasoning":{"effort":"huge"}"#),
            invalid,
            "reasoning.effort",
            "expected one of none, minimal, low, medium, high, xhigh, max",
        ),
        (with(r#""metadata":[]"#), invalid, "metadata", "expected an object"),
    ];
    for (body, reason, param, description) in cases {
        let rejection = accept(&body).unwrap_err();
        let found = (rejection.reason, rejection.param.as_deref(), rejection.description.as_str());
        assert_eq!(found, (reason, Some(param), description), "{body}");
    }
}

#[test]
fn no_demand_for_a_call_is_taken() {
    for choice in [
        r#""required""#,
        r#"{"type":"function","name":"f"}"#,
        r#"{"type":"custom","name":"f"}"#,
        r#"{"type":"web_search"}"#,
        r#"{"type":"allowed_tools","mode":"required","tools":[]}"#,
    ] {
        let rejection = accept(&with(&format!(r#""tool_choice":{choice}"#))).unwrap_err();
        assert_eq!(
            (rejection.reason, rejection.param.as_deref()),
            (ErrorReason::UnsupportedField, Some("tool_choice"))
        );
    }
}

#[test]
fn what_was_said_before_stands_between_instructions_and_input() {
    let part = Part { content: Some(part::Content::Text("earlier".to_owned())) };
    let earlier = vec![Message { role: Role::User.into(), parts: vec![part] }];
    let body = br#"{"instructions":"Be brief.","input":[{"role":"user","content":"now"}],"previous_response_id":"resp_1"}"#;
    let mut request = ResponsesRequest::parse(body).unwrap();
    assert_eq!(request.previous_response_id(), Some("resp_1"));
    request.go_on_after(earlier);

    let accepted = request.accept(&FetchedImages::default()).unwrap();

    let roles: Vec<_> = accepted.request.messages.iter().map(|message| message.role()).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::User]);
    let fields = accepted.fields;
    assert_eq!(fields.param("messages[1].parts[0]"), "previous_response_id");
    assert_eq!(fields.param("messages[2].parts[0]"), "input[0]");
    assert_eq!(fields.param("limits.max_output_tokens"), "max_output_tokens");
}

#[test]
fn instructions_of_nothing_are_none() {
    let accepted = accept(&with(r#""instructions":"""#)).unwrap();

    assert_eq!(accepted.request.messages.len(), 1);
    assert_eq!(accepted.fields.before, 0);
}

#[test]
fn images_on_the_network_are_found_wherever_they_stand() {
    let image = |n: u8| format!(r#"{{"type":"input_image","image_url":"https://a/{n}"}}"#);
    let body = items(&format!(
        r#"{{"role":"user","content":[{}]}},{{"type":"function_call_output","call_id":"c","output":[{}]}}"#,
        image(1),
        image(2)
    ));
    let request = ResponsesRequest::parse(body.as_bytes()).unwrap();
    let images = request.remote_images();
    let found: Vec<_> = images.iter().map(|image| (image.param.as_str(), image.url.as_str())).collect();
    assert_eq!(
        found,
        [("input[0].content[0].image_url", "https://a/1"), ("input[1].output[0].image_url", "https://a/2")]
    );
    let mut fetched = FetchedImages::default();
    for image in &images {
        fetched.insert(image.url.clone(), Bytes::from_static(b"GIF89a"));
    }

    assert!(request.accept(&fetched).is_ok());
}

#[test]
fn outputs_of_other_shapes_are_text() {
    for (output, text) in [(r#"{"ok":true}"#, r#"{"ok":true}"#), ("7", "7"), (r#""""#, "")] {
        let body = items(&format!(r#"{{"type":"function_call_output","call_id":"c","output":{output}}}"#));
        let mut messages = accept(&body).unwrap().request.messages;
        let Some(part::Content::ToolResult(result)) = messages.remove(0).parts.remove(0).content else {
            panic!()
        };
        assert_eq!(result.parts[0].content, Some(part::Content::Text(text.to_owned())));
    }
}
