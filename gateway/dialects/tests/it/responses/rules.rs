//! The rules of a streamed response that clients break on, one test each.

use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use warp2api_dialects::responses::Responses;
use warp2api_dialects::{KeepAliveForm, Plan as _, Problem, Writer as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::FinishReason::{Length, Stop, ToolCalls};
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;

use super::{plan, strict};
use crate::support::script::{Script, called, finished, response, said, started, thought, used};
use crate::support::stamp;

fn events(script: &Script) -> Vec<Value> {
    let bytes = script.stream::<Responses>(plan(r#"{"input":"hi"}"#));
    let (_, _) = strict::stream(&bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let data = text.split_terminator("\n\n").map(|frame| frame.split_once("\ndata: ").unwrap().1);
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn told(events: impl IntoIterator<Item = Event>) -> Vec<Value> {
    self::events(&Script::of(events))
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

/// The response of the last event.
fn last(events: &[Value]) -> &Value {
    &events.last().unwrap()["response"]
}

#[test]
fn a_response_ends_with_completed_that_has_its_id() {
    let events = told([started("m"), said("a"), used(3, 4), finished(Stop)]);

    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!((&last(&events)["id"], &last(&events)["model"]), (&json!("resp_1"), &json!("m")));
    assert_eq!(last(&events)["usage"]["total_tokens"], 7);
}

#[test]
fn usage_that_is_not_known_is_null() {
    assert_eq!(last(&told([said("a"), finished(Stop)]))["usage"], Value::Null);
}

#[test]
fn a_limit_makes_it_incomplete() {
    let events = told([said("a"), finished(Length)]);

    assert_eq!(kinds(&events).last(), Some(&"incomplete"));
    assert_eq!(last(&events)["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    assert_eq!(last(&events)["output"][0]["status"], "incomplete");
}

#[test]
fn calls_make_it_complete_whatever_the_limit() {
    let events = told([said("a"), called("c", "f", "{}"), finished(Length)]);

    assert_eq!(kinds(&events).last(), Some(&"completed"));
    assert_eq!(last(&events)["output"][1]["call_id"], "c");
}

#[test]
fn a_failure_is_response_failed_with_the_words_that_agents_act_on() {
    for (reason, code) in [
        (ErrorReason::ContextTooLong, "context_length_exceeded"),
        (ErrorReason::UpstreamQuotaExhausted, "insufficient_quota"),
        (ErrorReason::UpstreamRateLimited, "rate_limit_exceeded"),
    ] {
        let problem = Problem::new(reason, "slow down").with_retry_after(Duration::from_secs(7));
        let events = events(&Script { events: vec![said("a")], outcome: Err(problem) });

        assert_eq!(kinds(&events).last(), Some(&"failed"));
        assert_eq!(
            (&last(&events)["status"], &last(&events)["error"]["code"]),
            (&json!("failed"), &json!(code))
        );
        let message = last(&events)["error"]["message"].as_str().unwrap();
        assert_eq!(message.contains("try again in 7s"), code == "rate_limit_exceeded", "{message}");
        assert_eq!(last(&events)["output"][0]["status"], "incomplete");
    }
}

#[test]
fn a_fault_of_our_own_is_told_without_detail() {
    let problem = Problem::new(ErrorReason::Bug, "secret in src/main.rs");
    let events = events(&Script { events: vec![], outcome: Err(problem) });

    assert_eq!(kinds(&events), ["created", "in_progress", "failed"]);
    assert_eq!(last(&events)["error"], json!({ "code": "internal_error", "message": "internal error" }));
}

#[test]
fn a_turn_without_an_end_has_failed() {
    let events = told([said("a")]);

    assert_eq!(last(&events)["error"]["code"], "upstream_interrupted");
}

#[test]
fn where_nothing_is_said_there_is_an_empty_message() {
    for events in [vec![finished(Stop)], vec![thought("hm"), finished(Stop)]] {
        let events = told(events);
        let message = last(&events)["output"].as_array().unwrap().last().unwrap();
        assert_eq!((&message["type"], &message["content"][0]["text"]), (&json!("message"), &json!("")));
    }
}

#[test]
fn thinking_and_text_that_take_turns_are_items_of_their_own() {
    let events = told([thought("a"), said("b"), thought("c"), thought("d"), said("e"), finished(Stop)]);

    let output = last(&events)["output"].as_array().unwrap();
    let types: Vec<_> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["reasoning", "message", "reasoning", "message"]);
    assert_eq!(output[2]["summary"], json!([{ "type": "summary_text", "text": "cd" }]));
}

#[test]
fn ids_of_calls_are_unique() {
    let events = told([called("a", "f", ""), called("a", "f", ""), called("", "f", ""), finished(ToolCalls)]);

    let output = last(&events)["output"].as_array().unwrap();
    let ids: Vec<_> = output.iter().map(|item| item["call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "a_1", "call_1_2"]);
    assert_eq!(output[0]["arguments"], "{}");
}

#[test]
fn a_sign_of_life_is_a_comment_or_the_beginning_and_then_an_event_of_its_own() {
    let mut stream = plan(r#"{"input":"hi"}"#).writer(stamp());
    let mut out = BytesMut::new();
    stream.keep_alive(KeepAliveForm::Comment, &mut out);
    assert_eq!(out.split(), ": keep-alive\n\n");

    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    assert!(out.starts_with(b"event: response.created\n"));
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    let event = b"event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":2}\n\n";
    assert!(out.ends_with(event), "{out:?}");

    stream.step(&response(finished(Stop)), &mut out).unwrap();
    stream.finish(Ok(()), &mut out);
    let whole = out.len();
    stream.keep_alive(KeepAliveForm::Chunk, &mut out);
    assert_eq!(out.len(), whole, "a sign of life after the end");
    let (_, end) = strict::stream(&out).unwrap();
    assert_eq!(end, Ok(()));
}

#[test]
fn an_answer_too_large_to_hold_fails() {
    let mut stream = plan(r#"{"input":"hi"}"#).writer(stamp());
    let mut out = BytesMut::new();
    let large = response(said(&"x".repeat(40 * 1024 * 1024)));
    stream.step(&large, &mut out).unwrap();

    let problem = stream.step(&large, &mut out).unwrap_err();

    assert_eq!(problem.reason, ErrorReason::UpstreamFailed);
}

#[test]
fn a_request_written_over_many_lines_does_not_break_a_frame() {
    let body = "{\"input\":\"hi\",\n\"metadata\":{\n\"a\":\r\n\"b \\n c\"},\"tools\":[\n]}";
    let bytes = Script::of([finished(Stop)]).stream::<Responses>(plan(body));

    let (response, _) = strict::stream(&bytes).unwrap();
    assert_eq!(response["metadata"]["a"], "b \n c");
}

#[test]
fn the_strict_reader_misses_no_frame_and_no_order() {
    let events = [thought("a"), said("b"), said("c"), called("d", "f", ""), finished(Stop)];
    let bytes = Script::of(events).stream::<Responses>(plan(r#"{"input":"hi"}"#));
    let text = String::from_utf8(bytes).unwrap();
    let frames: Vec<&str> = text.split_terminator("\n\n").collect();
    // With right numbers: it is not those that tell.
    let reads = |frames: &[&str]| {
        let numbered = frames.iter().enumerate().map(|(number, frame)| {
            let (start, rest) = frame.split_once("\"sequence_number\":").unwrap();
            let end = rest.find([',', '}']).unwrap();
            format!("{start}\"sequence_number\":{number}{}\n\n", &rest[end..])
        });
        strict::stream(numbered.collect::<String>().as_bytes()).is_ok()
    };
    assert!(reads(&frames));
    for index in 0..frames.len() {
        let mut without = frames.clone();
        without.remove(index);
        assert!(!reads(&without), "without {}", frames[index]);
        let mut twice = frames.clone();
        twice.insert(index, frames[index]);
        assert!(!reads(&twice), "twice {}", frames[index]);
        // Two deltas of one item may change places, but then the text is another.
        let mut swapped = frames.clone();
        swapped.swap(index, (index + 1) % frames.len());
        assert!(!reads(&swapped), "later {}", frames[index]);
    }
}
