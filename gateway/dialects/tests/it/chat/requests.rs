//! Requests that clients send and the fields that stand in the way of others, as tables.

use bytes::Bytes;
use warp2api_dialects::chat::{CallStyle, ChatCompletionRequest};
use warp2api_dialects::{ErrorStyle, FetchedImages, Problem, RemoteImage, Request as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Delivery, Message, Role, part};

use super::accept;

const HI: &str = r#"{"role":"user","content":"hi"}"#;
const GIF: &str = "data:image/gif;base64,R0lGODlhAQABAA==";

fn with(fields: &str) -> String {
    format!(r#"{{"messages":[{HI}],{fields}}}"#)
}

fn messages(messages: &str) -> String {
    format!(r#"{{"messages":[{messages}]}}"#)
}

fn mapped(body: &str) -> Vec<Message> {
    accept(&messages(body)).unwrap().request.messages
}

fn texts(message: &Message) -> Vec<&str> {
    let texts = message.parts.iter().map(|part| match part.content.as_ref().unwrap() {
        part::Content::Text(text) => text.as_str(),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

fn calls(message: &Message) -> Vec<(&str, &str, &str)> {
    let calls = message.parts.iter().filter_map(|part| match part.content.as_ref().unwrap() {
        part::Content::ToolCall(call) => {
            Some((call.id.as_str(), call.name.as_str(), call.arguments_json.as_str()))
        }
        _ => None,
    });
    calls.collect()
}

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

#[test]
fn text_is_kept_to_the_byte_and_parts_stay_apart() {
    let mapped = mapped(
        r#"{"role":"system","content":"  s\n"},
           {"role":"developer","content":[{"type":"text","text":""},{"type":"input_text","text":"\u00e9 \ud83d\ude00"}]},
           {"role":"user","content":""},
           {"role":"user","content":[{"text":"untyped"},{"type":"text","text":"\tx "}]},
           {"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},
           {"role":"assistant","content":null,"refusal":"never"},
           {"role":"user"}"#,
    );

    let roles: Vec<_> = mapped.iter().map(|message| Role::try_from(message.role).unwrap()).collect();
    use Role::{Assistant, Developer, System, User};
    assert_eq!(roles, [System, Developer, User, User, Assistant, Assistant, User]);
    let all: Vec<_> = mapped.iter().map(texts).collect();
    let expected: [&[&str]; 7] =
        [&["  s\n"], &["", "\u{e9} \u{1F600}"], &[""], &["untyped", "\tx "], &["no"], &["never"], &[]];
    assert_eq!(all, expected);
}

#[test]
fn arguments_of_past_calls_are_kept_as_their_text() {
    let odd = r#"{ \"b\":1.0,\"a\":9007199254740993, \"e\":\"\",\"o\":{}, \"n\":null }"#;
    let mapped = mapped(&format!(
        r#"{{"role":"assistant","content":"","tool_calls":[
             {{"id":"1","type":"function","function":{{"name":"f","arguments":"{odd}"}}}},
             {{"id":"2","function":{{"name":"g","arguments":""}}}},
             {{"id":"3","type":"function","function":{{"name":"h"}},"index":2}},
             {{"id":"4","type":"function","function":{{"name":"i","arguments":null}}}},
             {{"id":"5","type":"function","function":{{"name":"j","arguments":{{"z":1,"y":{{}}}}}}}}]}}"#
    ));

    let expected = [
        ("1", "f", odd.replace("\\\"", "\"")),
        ("2", "g", "{}".to_owned()),
        ("3", "h", "{}".to_owned()),
        ("4", "i", "{}".to_owned()),
        ("5", "j", r#"{"z":1,"y":{}}"#.to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(id, name, text)| (*id, *name, text.as_str())).collect();
    assert_eq!(calls(&mapped[0]), expected);
}

#[test]
fn results_of_tools_may_be_text_parts_or_nothing() {
    let mapped = mapped(&format!(
        r#"{{"role":"tool","tool_call_id":"1","content":""}},
           {{"role":"tool","tool_call_id":"2","content":null}},
           {{"role":"tool","tool_call_id":"3","name":"f","content":[{{"type":"text","text":"a"}},
             {{"type":"image_url","image_url":{{"url":"{GIF}"}}}}]}}"#
    ));

    let results: Vec<_> = mapped
        .iter()
        .map(|message| match message.parts[0].content.as_ref().unwrap() {
            part::Content::ToolResult(result) => {
                (result.tool_call_id.as_str(), result.parts.len(), result.error)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(results, [("1", 1, false), ("2", 0, false), ("3", 2, false)]);
    assert!(mapped.iter().all(|message| message.role == i32::from(Role::Tool) && message.parts.len() == 1));
}

#[test]
fn thinking_of_the_past_comes_before_its_text() {
    let kinds = |message: &str| -> Vec<String> {
        let mapped = mapped(message);
        let parts = mapped[0].parts.iter().map(|part| match part.content.as_ref().unwrap() {
            part::Content::Reasoning(text) => format!("reasoning {text}"),
            part::Content::Text(text) => format!("text {text}"),
            other => panic!("{other:?}"),
        });
        parts.collect()
    };

    let both = ["reasoning hm", "text yes"];
    assert_eq!(kinds(r#"{"role":"assistant","content":"yes","reasoning_content":"hm"}"#), both);
    assert_eq!(kinds(r#"{"role":"assistant","content":"yes","reasoning":"hm"}"#), both);
    assert_eq!(
        kinds(
            r#"{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},
                {"type":"text","text":"yes"}],"reasoning":{"effort":"high"}}"#
        ),
        both
    );
    assert_eq!(kinds(r#"{"role":"assistant","content":"yes","reasoning_content":""}"#), ["text yes"]);
}

#[test]
fn results_of_functions_find_their_calls() {
    let mapped = mapped(
        r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"n\":1}"}},
           {"role":"function","name":"f","content":"one"},
           {"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}},
           {"role":"function","name":"f","content":"two"},
           {"role":"function","name":"f","content":"orphan"}"#,
    );

    let id_of = |index: usize| match mapped[index].parts[0].content.as_ref().unwrap() {
        part::Content::ToolResult(result) => result.tool_call_id.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(calls(&mapped[0]), [("call_function_1", "f", r#"{"n":1}"#)]);
    assert_eq!(calls(&mapped[2]), [("call_function_2", "f", "{}")]);
    assert_eq!([id_of(1), id_of(3), id_of(4)], ["call_function_1", "call_function_2", "call_function_f"]);
}

#[test]
fn schemas_are_kept_to_the_byte_and_tools_in_their_order() {
    let schema = r#"{ "type": "object", "properties": {"z": {"default": ""}, "a": {}}, "x": 1.0 }"#;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
    let accepted = accept(&with(&format!(
        r#""tools":[{{"type":"function","function":{{"name":"z","parameters":{schema}}}}},
            {{"type":"web_search"}},
            {{"type":"custom","custom":{{"name":"free"}},"function":7,"name":7}},
            {{"function":{{"name":"a","description":"does\n a","parameters":null}}}},
            {{"type":"function","name":"flat","parameters":{deep}}}]"#
    )))
    .unwrap();

    let tools: Vec<_> = accepted
        .request
        .tools
        .iter()
        .map(|tool| (tool.name.as_str(), tool.description.as_str(), tool.parameters_json.as_str()))
        .collect();
    assert_eq!(tools, [("z", "", schema), ("a", "does\n a", ""), ("flat", "", &deep)]);
    assert_eq!(accepted.ignored, ["tools.web_search", "tools.custom"]);
}

#[test]
fn choices_of_tools_become_the_contracts() {
    let function = |name: &str| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#);
    let tools = format!(r#""tools":[{},{},{{"type":"web_search"}}]"#, function("a"), function("b"));
    let allowed = |tools: &str| {
        format!(r#"{{"type":"allowed_tools","allowed_tools":{{"mode":"auto","tools":[{tools}]}}}}"#)
    };
    let flat = r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"a"}]}"#;
    type Expected = Option<(Mode, &'static [&'static str])>;
    let cases: Vec<(String, Expected)> = vec![
        ("null".into(), None),
        (r#""auto""#.into(), Some((Mode::Auto, &[]))),
        (r#"{"type":"auto"}"#.into(), Some((Mode::Auto, &[]))),
        (r#""none""#.into(), Some((Mode::None, &[]))),
        (allowed(&function("b")), Some((Mode::Auto, &["b"]))),
        (flat.into(), Some((Mode::Auto, &["a"]))),
        // Nothing that can be had here is allowed.
        (allowed(r#"{"type":"web_search"}"#), Some((Mode::None, &[]))),
        (allowed(""), Some((Mode::None, &[]))),
    ];
    for (choice, expected) in cases {
        let accepted = accept(&with(&format!(r#"{tools},"tool_choice":{choice}"#))).unwrap();
        let found = accepted.request.tool_choice.map(|choice| (choice.mode(), choice.tool_names));
        let expected =
            expected.map(|(mode, names)| (mode, names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(found, expected, "{choice}");
    }
}

#[test]
fn limits_take_the_newer_name_first() {
    let limits = |fields: &str| accept(&with(fields)).unwrap().request.limits;

    assert_eq!(limits(r#""stop":[],"max_tokens":null"#), None);
    assert_eq!(limits(r#""max_tokens":5"#).unwrap().max_output_tokens, 5);
    assert_eq!(limits(r#""max_tokens":5,"max_completion_tokens":7.0"#).unwrap().max_output_tokens, 7);
    assert_eq!(limits(r#""max_tokens":99999999999999999999"#).unwrap().max_output_tokens, i64::MAX);
    let stop = limits(r#""stop":"\n""#).unwrap();
    assert_eq!((stop.max_output_tokens, stop.stop_sequences), (0, vec!["\n".to_owned()]));
    assert_eq!(limits(r#""stop":["a","b"]"#).unwrap().stop_sequences, ["a", "b"]);
}

#[test]
fn a_stream_is_live_and_a_whole_answer_is_final() {
    let live = accept(&with(r#""stream":true,"stream_options":{"include_usage":true}"#)).unwrap();
    let whole = accept(&with(r#""stream":false,"stream_options":{"include_usage":true}"#)).unwrap();

    assert_eq!(live.request.delivery(), Delivery::Live);
    assert_eq!((live.stream, live.plan.include_usage), (true, true));
    assert_eq!(whole.request.delivery(), Delivery::Committed);
    assert_eq!((whole.stream, whole.plan.include_usage), (false, false));
}

#[test]
fn the_model_is_echoed_and_auto_where_none_is_named() {
    let named = accept(&with(r#""model":"gpt-5 (high reasoning)""#)).unwrap();
    let unnamed = accept(&messages(HI)).unwrap();

    assert_eq!(named.plan.model, "gpt-5 (high reasoning)");
    assert_eq!((unnamed.request.model.as_str(), unnamed.plan.model.as_str()), ("", "auto"));
}

#[test]
fn callers_of_the_function_days_are_known_by_their_functions() {
    let style = |fields: &str| accept(&with(fields)).unwrap().plan.call_style;

    assert_eq!(style(r#""functions":[{"name":"f"}]"#), CallStyle::Function);
    assert_eq!(style(r#""functions":[{"name":"f"}],"tools":[]"#), CallStyle::Function);
    assert_eq!(style(r#""functions":[{"name":"f"}],"tools":[{"name":"g"}]"#), CallStyle::Tools);
    assert_eq!(style(r#""functions":[]"#), CallStyle::Tools);
}

#[test]
fn unknown_fields_are_taken_anywhere_and_named_at_the_top() {
    let accepted = accept(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"a":[1]}}],"x":1}],
            "top_k":40,"chat_template_kwargs":{"a":{}},"absent":null,"w e\ni\u00f6rd":1,
            "tools":[{"type":"function","function":{"name":"f","defer_loading":true},"y":2}],
            "stream_options":{"z":0}}"#,
    )
    .unwrap();

    assert_eq!(accepted.ignored_header().unwrap(), "top_k, chat_template_kwargs, w_e_i_rd");
}

#[test]
fn images_are_counted_in_a_message_and_in_a_conversation() {
    let image = format!(r#"{{"type":"image_url","image_url":{{"url":"{GIF}"}}}}"#);
    let message = |images: usize| {
        format!(r#"{{"role":"user","content":[{}]}}"#, vec![image.as_str(); images].join(","))
    };

    assert!(accept(&messages(&message(20))).is_ok());
    let rejection = accept(&messages(&message(21))).unwrap_err();
    assert_eq!(rejection.to_string(), "messages[0].content: more than 20 images in one message");

    let full = vec![message(20); 10].join(",");
    assert!(accept(&messages(&full)).is_ok());
    let rejection = accept(&messages(&format!("{full},{}", message(1)))).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "messages[10].content[0].image_url.url: more than 200 images in the conversation"
    );
}

#[test]
fn remote_images_are_reported_and_taken_once_they_are_fetched() {
    let body = messages(&format!(
        r#"{HI},{{"role":"user","content":[{{"type":"image_url","image_url":"HTTPS://a/1.gif"}},
            {{"type":"image_url","image_url":{{"url":"{GIF}"}}}},
            {{"type":"text","text":"no image","image_url":"http://a/3.gif"}},
            {{"type":"image_url","image_url":{{"url":"http://a/2.gif"}}}}]}}"#
    ));
    let request = ChatCompletionRequest::parse(body.as_bytes()).unwrap();
    let remote = request.remote_images();
    let expected = [
        ("messages[1].content[0].image_url", "HTTPS://a/1.gif"),
        ("messages[1].content[3].image_url.url", "http://a/2.gif"),
    ];
    assert_eq!(
        remote,
        expected.map(|(param, url)| RemoteImage { param: param.to_owned(), url: url.to_owned() })
    );
    let rejection = request.accept(&FetchedImages::default()).unwrap_err();
    assert_eq!(rejection.param.as_deref(), Some("messages[1].content[0].image_url"));
    assert!(request.accept(&FetchedImages::stand_ins(&remote)).is_ok());

    let mut fetched = FetchedImages::default();
    for image in remote {
        fetched.insert(image.url, Bytes::from_static(b"GIF89a"));
    }
    let accepted = request.accept(&fetched).unwrap();

    assert_eq!(accepted.request.messages[1].parts.len(), 4);
}
