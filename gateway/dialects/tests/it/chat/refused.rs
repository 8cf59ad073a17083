//! Requests that are not taken on: each names the field at fault, by its path, in a table.

use warp2api_dialects::chat::ChatCompletionRequest;
use warp2api_dialects::{ErrorStyle, Problem};
use warp2api_proto::error::v1::ErrorReason;

use super::accept;
use super::requests::{GIF, HI, messages, with};

/// Body, path and description of what is wrong.
fn assert_rejected(reason: ErrorReason, cases: &[(&str, &str, &str)]) {
    for (body, param, description) in cases {
        let rejection = accept(body).unwrap_err();
        let found = (rejection.param.as_deref(), rejection.description.as_str(), rejection.reason);
        assert_eq!(found, (Some(*param), *description, reason), "{body}");
    }
}

#[test]
fn wrong_types_and_missing_fields_are_named_by_their_path() {
    let tool = |function: &str| with(&format!(r#""tools":[{{"type":"function","function":{function}}}]"#));
    let assistant = |call: &str| messages(&format!(r#"{{"role":"assistant","tool_calls":[{call}]}}"#));
    let part = |part: &str| messages(&format!(r#"{HI},{{"role":"user","content":[{part}]}}"#));
    let not_empty = "expected a string that is not empty";
    let object_text = "expected the text of a JSON object";
    let cases: Vec<(String, &str, &str)> = vec![
        ("{}".into(), "messages", "expected an array with at least one message"),
        (messages(""), "messages", "expected an array with at least one message"),
        (r#"{"messages":"hi"}"#.into(), "messages", "expected an array, got a string"),
        (messages("null"), "messages[0]", "expected an object, got null"),
        (
            messages(r#"{"content":"hi"}"#),
            "messages[0].role",
            "expected one of system, developer, user, assistant, tool, function",
        ),
        (
            messages(r#"{"role":"robot","content":"hi"}"#),
            "messages[0].role",
            "expected one of system, developer, user, assistant, tool, function",
        ),
        (
            messages(r#"{"role":"user","content":7}"#),
            "messages[0].content",
            "expected a string or an array, got a number",
        ),
        (part(r#""hi""#), "messages[1].content[0]", "expected an object, got a string"),
        (part(r#"{"type":"text"}"#), "messages[1].content[0].text", "expected a string"),
        (
            part(r#"{"type":"text","text":1}"#),
            "messages[1].content[0].text",
            "expected a string, got a number",
        ),
        (part("{}"), "messages[1].content[0].type", "expected a string"),
        (
            part(r#"{"type":"image_url"}"#),
            "messages[1].content[0].image_url",
            "expected a string or an object with a url",
        ),
        (
            part(r#"{"type":"image_url","image_url":{"url":["x"]}}"#),
            "messages[1].content[0].image_url.url",
            "expected a string, got an array",
        ),
        (
            part(r#"{"type":"image_url","image_url":{"url":"ftp://a/b"}}"#),
            "messages[1].content[0].image_url.url",
            "expected a data: URL with an image in base64",
        ),
        (messages(r#"{"role":"tool","content":"x"}"#), "messages[0].tool_call_id", not_empty),
        (messages(r#"{"role":"function","content":"x"}"#), "messages[0].name", not_empty),
        (assistant(r#"{"function":{"name":"f"}}"#), "messages[0].tool_calls[0].id", not_empty),
        (assistant(r#"{"id":"a"}"#), "messages[0].tool_calls[0].function", "expected an object"),
        (
            assistant(r#"{"id":"a","function":{"arguments":"{}"}}"#),
            "messages[0].tool_calls[0].function.name",
            not_empty,
        ),
        (
            assistant(r#"{"id":"a","function":{"name":"f","arguments":"[1]"}}"#),
            "messages[0].tool_calls[0].function.arguments",
            object_text,
        ),
        (
            assistant(r#"{"id":"a","function":{"name":"f","arguments":"{\"a\":secret}"}}"#),
            "messages[0].tool_calls[0].function.arguments",
            "expected the text of a JSON object: expected value at line 1 column 6",
        ),
        (
            assistant(r#"{"id":"a","function":{"name":"f","arguments":7}}"#),
            "messages[0].tool_calls[0].function.arguments",
            "expected a string, got a number",
        ),
        (with(r#""tools":{}"#), "tools", "expected an array, got an object"),
        (with(r#""tools":[7]"#), "tools[0]", "expected an object, got a number"),
        (with(r#""tools":[{"type":"function"}]"#), "tools[0].function", "expected an object"),
        (tool("{}"), "tools[0].function.name", not_empty),
        (tool("[]"), "tools[0].function", "expected an object, got an array"),
        (tool(r#"{"name":7}"#), "tools[0].function.name", "expected a string, got a number"),
        (tool(r#"{"name":"f","parameters":"x"}"#), "tools[0].function.parameters", "expected an object"),
        (
            with(r#""tools":[{"type":"function","function":{"name":"f"}},{"name":"f"}]"#),
            "tools[1].name",
            "another tool has the same name",
        ),
        (with(r#""functions":[{"description":"x"}]"#), "functions[0].name", not_empty),
        (with(r#""tool_choice":"maybe""#), "tool_choice", "expected none, auto, required or an object"),
        (with(r#""tool_choice":{}"#), "tool_choice.type", "expected a string"),
        (
            with(
                r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
            ),
            "tool_choice.allowed_tools.tools[0]",
            "expected the name of one of the tools",
        ),
        (
            with(r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto"}}"#),
            "tool_choice.allowed_tools.tools",
            "expected an array",
        ),
        (with(r#""stream":"true""#), "stream", "expected a boolean, got a string"),
        (
            with(r#""stream_options":{"include_usage":1}"#),
            "stream_options.include_usage",
            "expected a boolean, got a number",
        ),
        (with(r#""temperature":2.1"#), "temperature", "expected a number from 0 to 2"),
        (with(r#""top_p":-0.1"#), "top_p", "expected a number from 0 to 1"),
        (with(r#""presence_penalty":-3"#), "presence_penalty", "expected a number from -2 to 2"),
        (with(r#""frequency_penalty":"1""#), "frequency_penalty", "expected a number, got a string"),
        (with(r#""logit_bias":{"1":101}"#), "logit_bias", "expected numbers from -100 to 100"),
        (with(r#""logit_bias":{"1":"x"}"#), "logit_bias.1", "expected a number, got a string"),
        (with(r#""max_tokens":0"#), "max_tokens", "expected at least 1"),
        (with(r#""max_tokens":1.5"#), "max_tokens", "expected an integer, got a fraction"),
        (with(r#""max_completion_tokens":-1"#), "max_completion_tokens", "expected at least 1"),
        (with(r#""n":0"#), "n", "expected at least 1"),
        (with(r#""n":129"#), "n", "expected at most 128"),
        (with(r#""top_logprobs":21"#), "top_logprobs", "expected at most 20"),
        (with(r#""stop":["a","b","c","d","e"]"#), "stop", "expected at most 4 strings"),
        (with(r#""stop":"""#), "stop", "expected strings that are not empty"),
        (with(r#""stop":["a",7]"#), "stop[1]", "expected a string, got a number"),
        (
            with(r#""reasoning_effort":"huge""#),
            "reasoning_effort",
            "expected one of none, minimal, low, medium, high, xhigh, max",
        ),
        (with(r#""metadata":"x""#), "metadata", "expected an object, got a string"),
    ];
    let cases: Vec<_> = cases.iter().map(|(body, param, text)| (body.as_str(), *param, *text)).collect();
    assert_rejected(ErrorReason::InvalidField, &cases);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_its_path() {
    let forced = "the upstream cannot be made to call a tool; use auto or none";
    let part = |part: &str| messages(&format!(r#"{{"role":"user","content":[{part}]}}"#));
    let cases: Vec<(String, &str, &str)> = vec![
        (with(r#""tool_choice":"required""#), "tool_choice", forced),
        (with(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#), "tool_choice", forced),
        (
            with(r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}"#),
            "tool_choice",
            forced,
        ),
        (with(r#""function_call":{"name":"f"}"#), "function_call", forced),
        (
            part(r#"{"type":"input_audio","input_audio":{}}"#),
            "messages[0].content[0]",
            "audio is not supported",
        ),
        (part(r#"{"type":"file","file":{}}"#), "messages[0].content[0]", "files are not supported"),
        (
            part(r#"{"type":"hologram"}"#),
            "messages[0].content[0].type",
            "not a supported type of content; supported are text, input_text, refusal and image_url",
        ),
        (
            messages(&format!(
                r#"{{"role":"system","content":[{{"type":"image_url","image_url":"{GIF}"}}]}}"#
            )),
            "messages[0].content[0]",
            "images are taken in user and tool messages only",
        ),
        (
            messages(
                r#"{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{"name":"x"}}]}"#,
            ),
            "messages[0].tool_calls[0].type",
            "only calls of functions are supported",
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(body, param, text)| (body.as_str(), *param, *text)).collect();
    assert_rejected(ErrorReason::UnsupportedField, &cases);
}

#[test]
fn what_is_not_json_is_located_and_never_repeated() {
    for body in ["", "  \n", "{\n  \"messages\": [secret]}", "\"secret\"", "[\"secret\"]", "{} secret"] {
        let rejection = accept(body).unwrap_err();
        assert_eq!(
            (rejection.param.as_deref(), rejection.reason),
            (None, ErrorReason::InvalidField),
            "{body}"
        );
        assert!(!rejection.to_string().contains("secret"), "{rejection}");
    }

    let rejection = accept("{\n  \"messages\": [secret]}").unwrap_err();

    assert_eq!(rejection.to_string(), "the request body: not valid JSON: expected value at line 2 column 16");
    let problem = Problem::from(rejection);
    assert_eq!((problem.status(ErrorStyle::OpenAi), problem.param), (400, None));
}

#[test]
fn bytes_that_are_no_text_are_rejected() {
    let body = [b"{\"model\":\"".as_slice(), b"\xff\xfe", b"\"}"].concat();

    let rejection = ChatCompletionRequest::parse(&body).unwrap_err();

    assert!(rejection.description.starts_with("not valid JSON"), "{rejection}");
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert!(accept(&format!("\u{feff}{}", messages(HI))).is_ok());
}
