//! The rules of a streamed answer that clients break on, one test each.

use bytes::BytesMut;
use serde_json::Value;
use warp2api_dialects::chat::{AnswerHead, CallStyle, ChunkStream};
use warp2api_dialects::{KeepAliveForm, Problem, Writer as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::FinishReason::{Length, Stop, ToolCalls, Unspecified};
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, UsageReported};

use super::{collect, head};
use crate::support::script::{Script, called, finished, response, said, started, thought, used};

/// The frames of a script that ended well, without the `data: ` before them.
fn frames(head: AnswerHead, events: impl IntoIterator<Item = Event>) -> Vec<String> {
    payloads(&Script::of(events).write(ChunkStream::new(head)))
}

fn payloads(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_terminator("\n\n");
    frames.map(|frame| frame.strip_prefix("data: ").unwrap().to_owned()).collect()
}

/// The same, without `[DONE]`, parsed.
fn chunks(head: AnswerHead, events: impl IntoIterator<Item = Event>) -> Vec<Value> {
    let frames = frames(head, events);
    let chunks = frames.iter().filter(|frame| *frame != "[DONE]");
    chunks.map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

fn deltas(head: AnswerHead, events: impl IntoIterator<Item = Event>) -> Vec<String> {
    let chunks = chunks(head, events);
    chunks.iter().map(|chunk| chunk["choices"][0]["delta"].to_string()).collect()
}

fn with_usage() -> AnswerHead {
    AnswerHead { include_usage: true, ..head() }
}

#[test]
fn rule_1_every_chunk_has_the_same_id_created_model_and_object() {
    let events = [
        started("claude-4.1-opus"),
        said("a"),
        started("another"),
        called("c", "f", "{}"),
        used(1, 2),
        finished(ToolCalls),
    ];
    let chunks = chunks(with_usage(), events);

    assert_eq!(chunks.len(), 6);
    for chunk in chunks {
        assert_eq!(chunk["id"], "chatcmpl-1");
        assert_eq!(chunk["created"], 1_700_000_000);
        assert_eq!(chunk["model"], "claude-4.1-opus");
        assert_eq!(chunk["object"], "chat.completion.chunk");
    }
}

#[test]
fn rule_1_the_callers_model_stands_where_the_service_names_none() {
    for events in [vec![started(""), finished(Stop)], vec![said("a"), started("late"), finished(Stop)]] {
        assert!(chunks(head(), events).iter().all(|chunk| chunk["model"] == "gpt-5"));
    }
}

#[test]
fn rule_2_index_delta_and_finish_reason_are_in_every_choice() {
    let chunks = chunks(head(), [said("a"), thought("b"), called("c", "f", "{}"), finished(Stop)]);

    let (last, others) = chunks.split_last().unwrap();
    for chunk in others {
        let choice = chunk["choices"][0].as_object().unwrap();
        assert_eq!(choice["index"], 0);
        assert!(choice["delta"].is_object());
        assert!(choice.contains_key("finish_reason") && choice["finish_reason"].is_null());
        assert!(choice.contains_key("logprobs") && choice["logprobs"].is_null());
    }
    assert!(last["choices"][0]["finish_reason"].is_string());
}

#[test]
fn rule_3_the_role_comes_first_and_only_there() {
    let first = r#"{"role":"assistant","content":""}"#;
    for event in [started("m"), said("a"), said(""), thought("b"), called("c", "f", "{}"), finished(Stop)] {
        let deltas = deltas(head(), [event, said("more"), finished(Stop)]);
        assert_eq!(deltas[0], first);
        assert!(deltas[1..].iter().all(|delta| !delta.contains("role")), "{deltas:?}");
    }
}

#[test]
fn rule_4_calls_have_an_index_and_begin_with_id_type_and_name() {
    let deltas = deltas(head(), [called("a", "f", r#"{"x":1}"#), called("b", "g", ""), finished(ToolCalls)]);

    assert_eq!(
        deltas[1..5],
        [
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        ]
    );
}

#[test]
fn rule_5_ids_of_calls_are_unique_and_kept() {
    let chunks = chunks(head(), [called("a", "f", ""), called("a", "f", ""), called("", "f", "")]);

    let ids: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["id"].as_str())
        .collect();
    assert_eq!(ids, ["a", "a_1", "call_1_2"]);
}

#[test]
fn rule_6_calls_end_with_tool_calls_and_nothing_else_does() {
    let cases = [
        (vec![called("a", "f", "{}")], Stop, "tool_calls"),
        (vec![called("a", "f", "{}")], Length, "tool_calls"),
        (vec![said("x"), called("a", "f", "{}")], Unspecified, "tool_calls"),
        (vec![said("x")], ToolCalls, "stop"),
        (vec![said("x")], Stop, "stop"),
        (vec![said("x")], Length, "length"),
        (vec![], Unspecified, "stop"),
    ];
    for (mut events, reason, word) in cases {
        events.push(finished(reason));
        let chunks = chunks(head(), events);
        let last = &chunks.last().unwrap()["choices"][0];
        assert_eq!(last["finish_reason"], word);
        assert_eq!(last["delta"].to_string(), "{}");
    }
}

#[test]
fn rule_7_a_stream_never_closes_in_silence() {
    for events in [vec![], vec![started("m")], vec![said("a")], vec![called("a", "f", "{}")]] {
        let frames = frames(head(), events);
        let last: Value = serde_json::from_str(frames.last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "upstream_interrupted");
        assert!(!frames.contains(&"[DONE]".to_owned()));
    }
}

#[test]
fn rule_8_usage_is_on_the_last_chunk_alone() {
    let chunks = chunks(with_usage(), [said("a"), used(3, 4), finished(Stop)]);

    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["choices"].to_string(), "[]");
    assert_eq!(last["usage"].to_string(), r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#);
    assert!(others.iter().all(|chunk| chunk["usage"].is_null()));
}

#[test]
fn rule_8_usage_that_is_not_known_is_not_made_up() {
    let partial = Event::UsageReported(UsageReported { total_tokens: Some(9), ..UsageReported::default() });
    for events in [vec![finished(Stop)], vec![partial, finished(Stop)]] {
        let chunks = chunks(with_usage(), events);
        assert!(chunks.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"][0].is_object()));
    }
}

#[test]
fn rule_9_usage_is_not_sent_unasked() {
    let frames = frames(head(), [said("a"), used(3, 4), finished(Stop)]);

    assert!(frames.iter().all(|frame| !frame.contains("usage")), "{frames:?}");
}

#[test]
fn rule_10_choices_are_in_every_chunk() {
    let events = [thought("t"), said("a"), called("c", "f", "{}"), used(1, 1), finished(Stop)];
    for chunk in chunks(with_usage(), events) {
        assert!(chunk["choices"].is_array(), "{chunk}");
    }
}

#[test]
fn rule_11_a_whole_message_always_has_content_and_refusal() {
    let message = |events: Vec<Event>| {
        let whole = collect(&Script::of(events), head()).unwrap();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        whole["choices"][0]["message"].clone()
    };

    let calls = message(vec![called("a", "f", "{}"), finished(Stop)]);
    let both = message(vec![said("text"), called("a", "f", "{}"), finished(Stop)]);
    let none = message(vec![finished(Stop)]);

    assert!(
        calls.to_string().starts_with(r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":["#)
    );
    assert!(
        both.to_string().starts_with(r#"{"role":"assistant","content":"text","refusal":null,"tool_calls":["#)
    );
    assert_eq!(none.to_string(), r#"{"role":"assistant","content":"","refusal":null}"#);
}

#[test]
fn rule_12_thinking_is_reasoning_content() {
    let deltas = deltas(head(), [thought("hm"), said("yes"), finished(Stop)]);

    assert_eq!(deltas[1..3], [r#"{"reasoning_content":"hm"}"#, r#"{"content":"yes"}"#]);
}

#[test]
fn rule_13_done_is_said_after_success_alone() {
    assert_eq!(frames(head(), [finished(Stop)]).last().unwrap(), "[DONE]");

    let failed = Script {
        events: vec![said("a")],
        outcome: Err(Problem::new(ErrorReason::UpstreamFailed, "it broke")),
    };
    let frames = payloads(&failed.write(ChunkStream::new(head())));

    assert_eq!(
        frames.last().unwrap(),
        r#"{"error":{"message":"it broke","type":"server_error","param":null,"code":"upstream_failed"}}"#
    );
    assert!(frames.iter().all(|frame| frame != "[DONE]"));
}

#[test]
fn rule_13_a_failure_after_the_end_is_still_told() {
    let script = Script {
        events: vec![said("a"), finished(Stop)],
        outcome: Err(Problem::new(ErrorReason::Bug, "detail")),
    };

    let frames = payloads(&script.write(ChunkStream::new(head())));

    assert!(frames.last().unwrap().contains("internal error"));
}

#[test]
fn rule_14_usage_is_whole_numbers_that_add_up() {
    let report = UsageReported {
        input_tokens: Some(10),
        output_tokens: Some(5),
        total_tokens: Some(15_702),
        cached_input_tokens: Some(4),
        credits: Some(0.25),
    };
    let chunks = chunks(with_usage(), [Event::UsageReported(report), finished(Stop)]);

    assert_eq!(
        chunks.last().unwrap()["usage"].to_string(),
        concat!(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"#,
            r#""prompt_tokens_details":{"cached_tokens":4}}"#
        )
    );
}

#[test]
fn text_survives_to_the_byte_and_never_breaks_a_frame() {
    let text = "  data: [DONE]\n\n\r\n\"\\\u{0}\u{2028}\u{1F600} \t";
    let chunks = chunks(head(), [said(text), finished(Stop)]);

    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], text);
}

#[test]
fn nothing_follows_the_end() {
    let mut stream = ChunkStream::new(head());
    let mut out = BytesMut::new();
    stream.step(&response(finished(Stop)), &mut out).unwrap();
    let end = out.len();

    for event in [said("late"), called("c", "f", "{}"), finished(Length), started("m")] {
        stream.step(&response(event), &mut out).unwrap();
    }
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    assert_eq!(out.len(), end);

    stream.finish(Ok(()), &mut out);
    let end = out.len();
    stream.finish(Ok(()), &mut out);
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    assert_eq!(out.len(), end);
}

#[test]
fn what_a_later_contract_says_is_passed_over() {
    let mut out = BytesMut::new();
    ChunkStream::new(head()).step(&StreamChatResponse { event: None }, &mut out).unwrap();

    assert!(out.is_empty());
}

#[test]
fn a_chunk_that_keeps_a_stream_alive_changes_nothing() {
    let mut stream = ChunkStream::new(head());
    let mut out = BytesMut::new();
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    stream.step(&response(said("a")), &mut out).unwrap();
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    stream.step(&response(finished(Stop)), &mut out).unwrap();
    stream.finish(Ok(()), &mut out);

    let (answer, end) = super::strict::stream(&out, false).unwrap();
    assert_eq!((answer.content.as_str(), end), ("a", Ok(())));
    assert_eq!(payloads(&out).len(), 5);
}

#[test]
fn a_caller_of_the_function_days_is_answered_in_their_words() {
    let head = AnswerHead { call_style: CallStyle::Function, ..head() };
    let events = [called("a", "f", r#"{"x":1}"#), called("b", "g", "{}"), finished(ToolCalls)];

    let chunks = chunks(head.clone(), events.clone());
    let deltas: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["delta"].to_string()).collect();
    assert_eq!(
        deltas[1..],
        [
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{\"x\":1}"}}"#,
            "{}"
        ]
    );
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "function_call");
    let whole = String::from_utf8(collect(&Script::of(events), head).unwrap()).unwrap();
    assert!(whole.contains(r#""function_call":{"name":"f","arguments":"{\"x\":1}"}"#), "{whole}");
    assert!(!whole.contains("tool_calls"), "{whole}");
}

#[test]
fn a_whole_answer_has_a_bound() {
    let large = said(&"x".repeat(40 * 1024 * 1024));

    let problem = collect(&Script::of([large.clone(), large, finished(Stop)]), head()).unwrap_err();

    assert_eq!(problem.reason, ErrorReason::UpstreamFailed);
}
