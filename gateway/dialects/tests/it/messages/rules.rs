//! The rules of a streamed message that clients break on, one test each.

use bytes::BytesMut;
use serde_json::Value;
use warp2api_dialects::messages::{Messages, Plan};
use warp2api_dialects::{KeepAliveForm, Plan as _, Problem, Writer as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::FinishReason::{Length, Stop, ToolCalls, Unspecified};
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse};

use super::strict;
use crate::dialects::Tested as _;
use crate::support::script::{Script, called, finished, response, said, started, thought, used};
use crate::support::stamp;

fn plan() -> Plan {
    Messages::plan()
}

/// The data of the events of a script that ended well.
fn events(script: impl IntoIterator<Item = Event>) -> Vec<String> {
    data(&Script::of(script).stream::<Messages>(plan()))
}

fn data(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_terminator("\n\n");
    frames.map(|frame| frame.split_once("\ndata: ").unwrap().1.to_owned()).collect()
}

fn types(events: &[String]) -> Vec<String> {
    let types = events.iter().map(|event| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["type"].as_str().unwrap().to_owned()
    });
    types.collect()
}

fn whole(script: impl IntoIterator<Item = Event>) -> Value {
    serde_json::from_slice(&Script::of(script).collect::<Messages>(plan()).unwrap()).unwrap()
}

fn ended(reason: FinishReason, stop_sequence: &str) -> Event {
    Event::Finished(Finished { reason: reason.into(), stop_sequence: stop_sequence.to_owned() })
}

#[test]
fn events_come_in_anthropics_order_with_each_block_closed() {
    let script = [
        started("m"),
        thought("hm"),
        said("a"),
        thought("hm"),
        said("b"),
        called("c", "f", r#"{"x":1}"#),
        called("d", "g", ""),
        used(3, 4),
        finished(ToolCalls),
    ];

    assert_eq!(
        events(script),
        [
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_w2a_c","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_w2a_d","name":"g","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":4}}"#,
            r#"{"type":"message_stop"}"#,
        ]
    );
}

#[test]
fn an_answer_of_calls_alone_has_no_block_of_text() {
    let script = [called("c", "f", "{}"), finished(ToolCalls)];

    let content = &whole(script.clone())["content"];
    assert_eq!(content.to_string(), r#"[{"type":"tool_use","id":"toolu_w2a_c","name":"f","input":{}}]"#);
    assert!(events(script).iter().all(|event| !event.contains(r#""type":"text""#)));
}

#[test]
fn text_after_a_call_is_a_block_of_its_own() {
    let message = whole([said("a"), called("c", "f", "{}"), said("b"), said("c"), finished(Stop)]);

    let content = message["content"].as_array().unwrap();
    assert_eq!(content.len(), 3);
    assert_eq!(content[2].to_string(), r#"{"type":"text","text":"bc"}"#);
}

#[test]
fn an_answer_of_nothing_has_no_content() {
    assert_eq!(whole([finished(Stop)])["content"].to_string(), "[]");
    let types = types(&events([said(""), finished(Stop)]));
    assert_eq!(types, ["message_start", "message_delta", "message_stop"]);
}

#[test]
fn the_end_says_why() {
    let call = || called("c", "f", "{}");
    for (script, reason, sequence) in [
        (vec![said("a"), finished(Stop)], "end_turn", Value::Null),
        (vec![finished(Unspecified)], "end_turn", Value::Null),
        (vec![said("a"), finished(ToolCalls)], "end_turn", Value::Null),
        (vec![said("a"), finished(Length)], "max_tokens", Value::Null),
        (vec![said("a"), ended(Stop, "END")], "stop_sequence", "END".into()),
        (vec![call(), finished(Stop)], "tool_use", Value::Null),
        (vec![call(), finished(Length)], "tool_use", Value::Null),
        (vec![call(), ended(Stop, "END")], "tool_use", Value::Null),
    ] {
        let message = whole(script);
        assert_eq!((&message["stop_reason"], &message["stop_sequence"]), (&reason.into(), &sequence));
    }
}

#[test]
fn thinking_without_a_signature_is_not_told() {
    let script = [thought("a secret thought"), said("yes"), finished(Stop)];

    assert!(!events(script.clone()).concat().contains("thought"));
    assert!(!whole(script).to_string().contains("thought"));
}

#[test]
fn ids_of_calls_are_unique_in_the_conversation() {
    let taken = Plan { call_ids: ["a".to_owned(), "b".to_owned()].into(), ..plan() };
    let script =
        Script::of([called("a", "f", ""), called("c", "f", ""), called("c", "f", ""), finished(Stop)]);

    let whole = script.collect::<Messages>(taken).unwrap();
    let whole: Value = serde_json::from_slice(&whole).unwrap();

    let ids: Vec<_> =
        whole["content"].as_array().unwrap().iter().map(|block| block["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["toolu_w2a_a_5f0", "toolu_w2a_c", "toolu_w2a_c_5f2"]);
}

#[test]
fn the_model_is_the_one_that_answers() {
    assert_eq!(whole([started("m"), started("n"), finished(Stop)])["model"], "m");
    for script in [vec![started(""), finished(Stop)], vec![said("a"), started("late"), finished(Stop)]] {
        assert_eq!(whole(script.clone())["model"], "claude-4-5-sonnet");
        assert!(events(script)[0].contains(r#""model":"claude-4-5-sonnet""#));
    }
}

#[test]
fn a_stream_never_closes_in_silence() {
    for script in [vec![], vec![started("m")], vec![said("a")], vec![called("a", "f", "{}")]] {
        let events = events(script);
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert_eq!((&last["type"], &last["error"]["type"]), (&"error".into(), &"api_error".into()));
        assert!(!types(&events).contains(&"message_stop".to_owned()));
    }
}

#[test]
fn a_failure_is_an_event_of_its_own_even_after_the_end() {
    for script in [vec![said("a")], vec![said("a"), finished(Stop)]] {
        let failed =
            Script { events: script, outcome: Err(Problem::new(ErrorReason::UpstreamUnavailable, "busy")) };
        let bytes = failed.stream::<Messages>(plan());
        let text = std::str::from_utf8(&bytes).unwrap();
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
        assert!(text.ends_with(error) && !text.contains("message_stop"), "{text}");
    }
}

#[test]
fn a_call_without_an_object_ends_the_answer() {
    let script = Script::of([said("a"), called("c", "f", "[1]"), finished(Stop)]);

    assert_eq!(script.collect::<Messages>(plan()).unwrap_err().reason, ErrorReason::UpstreamMalformed);
    let mut writer = plan().writer(stamp());
    let mut out = BytesMut::new();
    writer.step(&response(said("a")), &mut out).unwrap();
    let problem = writer.step(&response(called("c", "f", "[1]")), &mut out).unwrap_err();
    writer.finish(Err(&problem), &mut out);
    let (_, end) = strict::stream(&out).unwrap();
    assert_eq!(end.unwrap_err()["type"], "api_error");
}

#[test]
fn a_sign_of_life_is_a_ping_whatever_its_form() {
    let mut writer = plan().writer(stamp());
    let mut out = BytesMut::new();
    writer.keep_alive(KeepAliveForm::Comment, &mut out);
    assert_eq!(&out[..], b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    writer.step(&response(said("a")), &mut out).unwrap();
    writer.keep_alive(KeepAliveForm::Chunk, &mut out);
    writer.step(&response(said("b")), &mut out).unwrap();
    writer.step(&response(finished(Stop)), &mut out).unwrap();
    writer.keep_alive(KeepAliveForm::Chunk, &mut out);
    writer.finish(Ok(()), &mut out);

    let (message, end) = strict::stream(&out).unwrap();
    assert_eq!((&message["content"][0]["text"], end), (&"ab".into(), Ok(())));
    assert_eq!(types(&data(&out)).iter().filter(|kind| *kind == "ping").count(), 2);
}

#[test]
fn nothing_follows_the_end() {
    let mut writer = plan().writer(stamp());
    let mut out = BytesMut::new();
    writer.step(&StreamChatResponse { event: None }, &mut out).unwrap();
    assert!(out.is_empty());
    writer.step(&response(finished(Stop)), &mut out).unwrap();
    let end = out.len();
    for event in [said("late"), called("c", "f", "{}"), finished(Length), started("m")] {
        writer.step(&response(event), &mut out).unwrap();
    }
    assert_eq!(out.len(), end);

    writer.finish(Ok(()), &mut out);
    let end = out.len();
    writer.finish(Ok(()), &mut out);
    writer.keep_alive(KeepAliveForm::Chunk, &mut out);
    assert_eq!(out.len(), end);
}

#[test]
fn text_and_arguments_survive_to_the_byte() {
    let text = "  event: error\n\n\r\n\"\\\u{0}\u{2028}\u{1F600} \t";
    let arguments = r#"{ "b": 12345678901234567890, "a": 1.0, "z": {} }"#;
    let events = events([said(text), called("c", "f", arguments), finished(Stop)]);

    let delta: Value = serde_json::from_str(&events[2]).unwrap();
    assert_eq!(delta["delta"]["text"], text);
    let delta: Value = serde_json::from_str(&events[5]).unwrap();
    assert_eq!(delta["delta"]["partial_json"], arguments);
    let whole =
        Script::of([called("c", "f", arguments), finished(Stop)]).collect::<Messages>(plan()).unwrap();
    assert!(String::from_utf8(whole).unwrap().contains(arguments));
}

#[test]
fn a_whole_answer_has_a_bound() {
    let large = said(&"x".repeat(40 * 1024 * 1024));

    let problem = Script::of([large.clone(), large, finished(Stop)]).collect::<Messages>(plan()).unwrap_err();

    assert_eq!(problem.reason, ErrorReason::UpstreamFailed);
}
