//! What becomes of requests that clients send, as tables.

use bytes::Bytes;
use warp2api_dialects::messages::{Messages, count_tokens};
use warp2api_dialects::{Dialect as _, FetchedImages, Request as _};
use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Delivery, Message, Part, Role, part};

use super::accept;

pub(super) const HI: &str = r#"{"role":"user","content":"hi"}"#;
pub(super) const GIF: &str =
    r#"{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lGODlhAQABAA=="}}"#;

pub(super) fn with(fields: &str) -> String {
    format!(r#"{{"messages":[{HI}],{fields}}}"#)
}

pub(super) fn messages(messages: &str) -> String {
    format!(r#"{{"messages":[{messages}]}}"#)
}

pub(super) fn user(blocks: &str) -> String {
    messages(&format!(r#"{{"role":"user","content":[{blocks}]}}"#))
}

pub(super) fn assistant(blocks: &str) -> String {
    messages(&format!(r#"{{"role":"assistant","content":[{blocks}]}}"#))
}

fn mapped(body: &str) -> Vec<Message> {
    accept(body).unwrap().request.messages
}

/// A line for each message: who speaks, and what.
fn lines(messages: &[Message]) -> Vec<String> {
    let line = |message: &Message| {
        let parts: Vec<_> = message.parts.iter().map(shown).collect();
        format!("{:?} {}", message.role(), parts.join(" "))
    };
    messages.iter().map(line).collect()
}

fn shown(shown_part: &Part) -> String {
    match shown_part.content.as_ref().unwrap() {
        part::Content::Text(text) => format!("{text:?}"),
        part::Content::Reasoning(text) => format!("thought {text:?}"),
        part::Content::Image(image) => image.mime_type.clone(),
        part::Content::ToolCall(call) => format!("{} {}({})", call.id, call.name, call.arguments_json),
        part::Content::ToolResult(result) => {
            let parts: Vec<_> = result.parts.iter().map(shown).collect();
            let error = if result.error { "!" } else { "" };
            format!("{}{error} = {}", result.tool_call_id, parts.join(" "))
        }
    }
}

#[test]
fn results_of_tools_become_messages_of_their_own() {
    let body = user(&format!(
        r#"{{"type":"tool_result","tool_use_id":"toolu_w2a_call_5f1","content":[{{"type":"text","text":"x"}},{GIF}]}},
        {{"type":"tool_result","tool_use_id":"toolu_01A","content":"no","is_error":true}},
        {{"type":"text","text":"go on"}},{GIF},
        {{"type":"tool_result","tool_use_id":"call_9"}}"#
    ));

    assert_eq!(
        lines(&mapped(&body)),
        [r#"Tool call_1 = "x" image/gif toolu_01A! = "no""#, r#"User "go on" image/gif"#, "Tool call_9 = ",]
    );
}

#[test]
fn fields_of_the_contract_are_named_as_the_caller_knows_them() {
    let body = format!(
        r#"{{"system":"s","messages":[{HI},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a"}},
        {{"type":"text","text":"b"}}]}},{HI}]}}"#
    );
    let fields = accept(&body).unwrap().fields;

    let named = (0..5).map(|message| fields.param(&format!("messages[{message}].parts[0].image")));
    assert_eq!(
        named.collect::<Vec<_>>(),
        ["system", "messages[0]", "messages[1]", "messages[1]", "messages[2]"]
    );
    assert_eq!(fields.param("limits.max_output_tokens"), "max_tokens");
    assert_eq!(fields.param("limits.stop_sequences[1]"), "stop_sequences");
}

#[test]
fn what_the_model_said_comes_back_as_it_was() {
    let body = assistant(
        r#"{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},
        {"type":"text","text":"I look."},
        {"type":"tool_use","id":"toolu_w2a_1-2","name":"f","input":{"b": 1.0, "a":[]},"caller":{"type":"direct"}},
        {"type":"tool_use","id":"toolu_x","name":"g"}"#,
    );
    let accepted = accept(&body).unwrap();

    assert_eq!(
        lines(&accepted.request.messages),
        [r#"Assistant thought "hm" "I look." 1-2 f({"b": 1.0, "a":[]}) toolu_x g({})"#]
    );
    assert_eq!(accepted.plan.call_ids, ["1-2".to_owned(), "toolu_x".to_owned()].into());
    assert!(accepted.ignored.is_empty());
}

#[test]
fn documents_and_search_results_of_text_are_text() {
    let body = user(
        r#"{"type":"document","title":"T","context":"C","citations":{"enabled":true},
            "source":{"type":"text","media_type":"text/plain","data":"D"}},
        {"type":"document","source":{"type":"content","content":[{"type":"text","text":"in"}]}},
        {"type":"document","source":{"type":"content","content":"as it is"}},
        {"type":"search_result","source":"https://a","title":"S","content":[{"type":"text","text":"found"}]},
        {"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_reference","tool_name":"Read"},
            {"type":"document","source":{"type":"text","data":"E"}}]}"#,
    );

    assert_eq!(
        lines(&mapped(&body)),
        [r#"User "T" "C" "D" "in" "as it is" "S" "https://a" "found""#, r#"Tool a = "Read" "E""#]
    );
}

#[test]
fn the_system_prompt_is_a_string_or_blocks_and_may_stand_among_the_messages() {
    for (system, expected) in [
        (r#""be brief""#, vec![r#"System "be brief""#]),
        (
            r#"[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]"#,
            vec![r#"System "a" "b""#],
        ),
        (r#""""#, vec![]),
        ("[]", vec![]),
        (r#"[{"type":"text","text":""}]"#, vec![]),
        ("null", vec![]),
    ] {
        let accepted = accept(&with(&format!(r#""system":{system}"#))).unwrap();
        assert_eq!(accepted.fields.before, expected.len(), "{system}");
        assert_eq!(lines(&accepted.request.messages), [expected, vec![r#"User "hi""#]].concat());
    }
    let among = messages(&format!(r#"{HI},{{"role":"system","content":[{{"type":"text","text":"late"}}]}}"#));
    assert_eq!(lines(&mapped(&among)), [r#"User "hi""#, r#"System "late""#]);
}

#[test]
fn content_may_be_empty() {
    for content in ["null", "[]", r#""""#] {
        for role in ["user", "assistant", "system"] {
            let body = messages(&format!(r#"{{"role":"{role}","content":{content}}}"#));
            assert_eq!(mapped(&body).len(), 1, "{body}");
        }
    }
}

#[test]
fn what_agents_send_is_taken() {
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5-20250929","max_tokens":32000,"stream":true,"thinking":{{"type":"adaptive"}},
        "context_management":{{"edits":[{{"type":"clear_thinking_20251015","keep":"all"}}]}},
        "output_config":{{"effort":"medium"}},"metadata":{{"user_id":"u"}},"temperature":1,
        "system":[{{"type":"text","text":"You are an agent.","cache_control":{{"type":"ephemeral","ttl":"1h"}}}}],
        "tools":[{{"name":"Read","description":"Reads.","input_schema":{{"type":"object"}},"defer_loading":true,
            "eager_input_streaming":true}},{{"type":"web_search_20250305","name":"web_search","max_uses":8}}],
        "messages":[{HI},{{"role":"system","content":"Today is Monday."}}]}}"#
    );
    let accepted = accept(&body).unwrap();

    assert!(accepted.stream);
    assert_eq!(
        accepted.ignored_header().unwrap(),
        "thinking, context_management, metadata, cache_control, tools.defer_loading, tools.web_search_20250305"
    );
    let request = accepted.request;
    assert_eq!(
        (request.model.as_str(), request.reasoning_effort.as_str()),
        ("claude-sonnet-4-5-20250929", "medium")
    );
    assert_eq!((request.tools.len(), request.tools[0].parameters_json.as_str()), (1, r#"{"type":"object"}"#));
    assert_eq!(request.limits.unwrap().max_output_tokens, 32000);
    assert_eq!(request.delivery, i32::from(Delivery::Live));
    assert_eq!(
        request.messages.iter().map(Message::role).collect::<Vec<_>>(),
        [Role::System, Role::User, Role::System]
    );
}

#[test]
fn the_choice_among_tools_is_passed_on() {
    for (choice, mode, parallel) in [
        (r#"{"type":"auto"}"#, Mode::Auto, None),
        (r#"{"type":"none"}"#, Mode::None, None),
        (r#"{"type":"auto","disable_parallel_tool_use":true}"#, Mode::Auto, Some(false)),
        (r#"{"type":"auto","disable_parallel_tool_use":false}"#, Mode::Auto, Some(true)),
    ] {
        let request = accept(&with(&format!(r#""tool_choice":{choice}"#))).unwrap().request;
        assert_eq!(request.tool_choice.unwrap().mode(), mode);
        assert_eq!(request.parallel_tool_calls, parallel);
    }
    let request = accept(&with(r#""tool_choice":null"#)).unwrap().request;
    assert_eq!((request.tool_choice, request.parallel_tool_calls), (None, None));
}

#[test]
fn remote_images_are_found_wherever_they_stand() {
    let url =
        |name: &str| format!(r#"{{"type":"image","source":{{"type":"url","url":"https://a/{name}"}}}}"#);
    let body = user(&format!(
        r#"{},{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text","text":"x"}},{}]}},
        {{"type":"document","source":{{"type":"content","content":[{}]}}}}"#,
        url("1"),
        url("2"),
        url("3")
    ));
    let request = Messages::parse(body.as_bytes()).unwrap();

    let remote = request.remote_images();

    let found: Vec<_> = remote.iter().map(|image| (image.param.as_str(), image.url.as_str())).collect();
    assert_eq!(
        found,
        [
            ("messages[0].content[0].source.url", "https://a/1"),
            ("messages[0].content[1].content[1].source.url", "https://a/2"),
            ("messages[0].content[2].source.content[0].source.url", "https://a/3"),
        ]
    );
    let refused = request.accept(&FetchedImages::default()).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages[0].content[0].source.url"));
    assert!(request.accept(&FetchedImages::stand_ins(&remote)).is_ok());
    let mut fetched = FetchedImages::default();
    for image in remote {
        fetched.insert(image.url, Bytes::from_static(b"\x89PNG\r\n\x1a\n"));
    }
    let request = request.accept(&fetched).unwrap().request;
    assert_eq!(lines(&request.messages)[0], "User image/png");
}

#[test]
fn images_are_counted_and_the_rest_is_left_out() {
    let images = vec![GIF; 21].join(",");
    let rejection = accept(&user(&images)).unwrap_err();
    assert_eq!(rejection.param.as_deref(), Some("messages[0].content"));
    let rejection =
        accept(&user(&format!(r#"{{"type":"tool_result","tool_use_id":"a","content":[{images}]}}"#)))
            .unwrap_err();
    assert_eq!(rejection.param.as_deref(), Some("messages[0].content[0].content"));
    let error =
        user(&format!(r#"{{"type":"tool_result","tool_use_id":"a","is_error":true,"content":[{GIF}]}}"#));
    assert_eq!(accept(&error).unwrap().ignored, ["messages.content.tool_result.image"]);
}

#[test]
fn a_count_is_a_number_and_needs_no_limit() {
    let accepted = accept(&with(r#""system":"be brief""#)).unwrap();

    assert_eq!(accepted.request.limits, None);
    assert_eq!(count_tokens(&accepted.request), br#"{"input_tokens":11}"#);
}
