//! What becomes of requests that clients send, as tables.

use bytes::Bytes;
use warp2api_dialects::chat::{CallStyle, ChatCompletionRequest};
use warp2api_dialects::{FetchedImages, RemoteImage, Request as _};
use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Delivery, Message, Role, part};

use super::accept;

pub(super) const HI: &str = r#"{"role":"user","content":"hi"}"#;
pub(super) const GIF: &str = "data:image/gif;base64,R0lGODlhAQABAA==";

pub(super) fn with(fields: &str) -> String {
    format!(r#"{{"messages":[{HI}],{fields}}}"#)
}

pub(super) fn messages(messages: &str) -> String {
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
