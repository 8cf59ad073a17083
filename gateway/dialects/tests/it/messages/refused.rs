//! Requests that are not taken on: each names the field at fault, by its path, in a table.

use warp2api_proto::error::v1::ErrorReason;

use super::accept;
use super::requests::{GIF, assistant, messages, user, with};

/// Body, path and description of what is wrong.
fn assert_rejected(reason: ErrorReason, cases: &[(String, &str, &str)]) {
    for (body, param, description) in cases {
        let rejection = accept(body).unwrap_err();
        let found = (rejection.param.as_deref(), rejection.description.as_str(), rejection.reason);
        assert_eq!(found, (Some(*param), *description, reason), "{body}");
    }
}

#[test]
fn wrong_types_and_missing_fields_are_named_by_their_path() {
    let not_empty = "expected a string that is not empty";
    let roles = "expected one of user, assistant, system";
    let result =
        |content: &str| user(&format!(r#"{{"type":"tool_result","tool_use_id":"a","content":{content}}}"#));
    assert_rejected(
        ErrorReason::InvalidField,
        &[
            ("{}".into(), "messages", "expected an array with at least one message"),
            (messages(""), "messages", "expected an array with at least one message"),
            (r#"{"messages":"hi"}"#.into(), "messages", "expected an array, got a string"),
            (messages("7"), "messages[0]", "expected an object, got a number"),
            (messages(r#"{"content":"hi"}"#), "messages[0].role", roles),
            (messages(r#"{"role":"tool","content":"hi"}"#), "messages[0].role", roles),
            (
                messages(r#"{"role":"user","content":7}"#),
                "messages[0].content",
                "expected a string or an array, got a number",
            ),
            (user(r#""hi""#), "messages[0].content[0]", "expected an object, got a string"),
            (user("{}"), "messages[0].content[0].type", "expected a string"),
            (user(r#"{"type":"text"}"#), "messages[0].content[0].text", "expected a string"),
            (user(r#"{"type":"tool_result"}"#), "messages[0].content[0].tool_use_id", not_empty),
            (result("{}"), "messages[0].content[0].content", "expected a string or an array"),
            (result("[{}]"), "messages[0].content[0].content[0].type", "expected a string"),
            (
                result(r#"[{"type":"text","text":7}]"#),
                "messages[0].content[0].content[0].text",
                "expected a string, got a number",
            ),
            (user(r#"{"type":"image"}"#), "messages[0].content[0].source", "expected an object"),
            (
                user(r#"{"type":"image","source":{}}"#),
                "messages[0].content[0].source.type",
                "expected a string",
            ),
            (
                user(r#"{"type":"image","source":{"type":"base64"}}"#),
                "messages[0].content[0].source.data",
                not_empty,
            ),
            (
                user(r#"{"type":"image","source":{"type":"base64","data":"aGVsbG8="}}"#),
                "messages[0].content[0].source.data",
                "expected a PNG, JPEG, GIF or WebP image",
            ),
            (
                user(r#"{"type":"image","source":{"type":"url","url":"file:///etc/passwd"}}"#),
                "messages[0].content[0].source.url",
                "expected a data: URL with an image in base64",
            ),
            (assistant(r#"{"type":"tool_use","name":"f"}"#), "messages[0].content[0].id", not_empty),
            (assistant(r#"{"type":"tool_use","id":"a"}"#), "messages[0].content[0].name", not_empty),
            (
                assistant(r#"{"type":"tool_use","id":"a","name":"f","input":[]}"#),
                "messages[0].content[0].input",
                "expected an object",
            ),
            (with(r#""system":7"#), "system", "expected a string or an array, got a number"),
            (with(r#""system":[{"type":"text"}]"#), "system[0].text", "expected a string"),
            (with(r#""max_tokens":0"#), "max_tokens", "expected at least 1"),
            (with(r#""max_tokens":"1""#), "max_tokens", "expected an integer, got a string"),
            (with(r#""temperature":1.5"#), "temperature", "expected a number from 0 to 1"),
            (with(r#""stop_sequences":"END""#), "stop_sequences", "expected an array, got a string"),
            (with(r#""stop_sequences":["END",""]"#), "stop_sequences[1]", not_empty),
            (with(r#""tools":[{}]"#), "tools[0].name", not_empty),
            (
                with(r#""tools":[{"name":"f"},{"name":"f"}]"#),
                "tools[1].name",
                "another tool has the same name",
            ),
            (
                with(r#""tools":[{"name":"f","input_schema":[]}]"#),
                "tools[0].input_schema",
                "expected an object",
            ),
            (with(r#""tools":[{"name":7}]"#), "tools[0].name", "expected a string, got a number"),
            (with(r#""tool_choice":"auto""#), "tool_choice", "expected an object, got a string"),
            (with(r#""tool_choice":{}"#), "tool_choice.type", "expected a string"),
            (
                with(r#""tool_choice":{"type":"maybe"}"#),
                "tool_choice.type",
                "expected auto, any, tool or none",
            ),
            (
                with(r#""output_config":{"effort":"hard"}"#),
                "output_config.effort",
                "expected one of none, minimal, low, medium, high, xhigh, max",
            ),
        ],
    );
    let many: Vec<String> = (0..17).map(|number| format!("\"{number}\"")).collect();
    let many = with(&format!(r#""stop_sequences":[{}]"#, many.join(",")));
    assert_rejected(ErrorReason::InvalidField, &[(many, "stop_sequences", "expected at most 16 strings")]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let forced = "the upstream cannot be made to call a tool; use auto or none";
    let text_only = "only documents of text can be taken, with a source of type text or content";
    let source = |source: &str| user(&format!(r#"{{"type":"document","source":{source}}}"#));
    assert_rejected(
        ErrorReason::UnsupportedField,
        &[
            (with(r#""tool_choice":{"type":"any"}"#), "tool_choice", forced),
            (with(r#""tool_choice":{"type":"tool","name":"f"}"#), "tool_choice", forced),
            (
                source(r#"{"type":"base64","data":"JVBERi0="}"#),
                "messages[0].content[0].source.type",
                text_only,
            ),
            (
                source(r#"{"type":"url","url":"https://a/b"}"#),
                "messages[0].content[0].source.type",
                text_only,
            ),
            (source(r#"{"type":"file","file_id":"f"}"#), "messages[0].content[0].source.type", text_only),
            (
                user(r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#),
                "messages[0].content[0].source.type",
                "supported are base64 and url",
            ),
            (
                user(r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#),
                "messages[0].content[0].type",
                "not a supported type of content here; supported are text, image, document, search_result and, in \
                 messages of the user, tool_result",
            ),
            (
                assistant(GIF),
                "messages[0].content[0].type",
                "not a supported type of content here; supported are text, thinking, redacted_thinking and tool_use",
            ),
            (with(&format!(r#""system":[{GIF}]"#)), "system[0].type", "instructions hold text only"),
        ],
    );
}
