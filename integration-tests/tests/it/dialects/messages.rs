//! Anthropic's messages as House tests see them.

use serde_json::{Value, json};
use warp2api_dialects::error::ErrorStyle;

use super::speaker::{End, Heard, Speaker};
use super::talk::{Said, Talk, Turn, image_base64};

/// The dialect.
pub(crate) const MESSAGES: Speaker = Speaker {
    name: "messages",
    path: "/v1/messages",
    converses: true,
    say: messages,
    limit: |body, tokens| body["max_tokens"] = json!(tokens),
    spoil: |body| {
        body["temperature"] = json!("warm");
        "temperature"
    },
    hear: |body| {
        let mut heard = Heard::default();
        let mut stopped = false;
        for event in events(body) {
            assert!(!stopped && heard.error.is_none(), "an event after the end: {event}");
            match event["type"].as_str().unwrap() {
                "content_block_start" => heard.calls.extend(call(&event["content_block"])),
                "content_block_delta" => {
                    let text = |key: &str| event["delta"][key].as_str().unwrap_or_default();
                    heard.text.push_str(text("text"));
                    if let Some((_, _, arguments)) = heard.calls.last_mut() {
                        arguments.push_str(text("partial_json"));
                    }
                }
                "message_delta" => heard.end = event["delta"]["stop_reason"].as_str().map(end),
                "message_stop" => stopped = true,
                "error" => heard.error = Some(word(&event)),
                _ => {}
            }
        }
        assert_eq!((stopped, heard.end.is_some()), (heard.error.is_none(), heard.error.is_none()));
        heard
    },
    hear_whole: |answer| {
        let blocks = answer["content"].as_array().unwrap();
        let text = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        let calls = blocks
            .iter()
            .filter_map(|block| call(block).map(|(id, name, _)| (id, name, block["input"].to_string())));
        let (calls, end) = (calls.collect(), answer["stop_reason"].as_str().map(end));
        Heard { text, calls, end, error: None }
    },
    errors: ErrorStyle::Anthropic,
    word,
    word_of: |words| words.kind,
};

/// The events of a stream, each under its own name.
pub(crate) fn events(body: &str) -> Vec<Value> {
    let frames = body.split_terminator("\n\n").map(|frame| {
        let (name, data) = frame.split_once('\n').expect("a name and data");
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), event["type"].as_str());
        event
    });
    frames.collect()
}

fn word(body: &Value) -> String {
    assert_eq!(body["type"], "error");
    body["error"]["type"].as_str().unwrap().to_owned()
}

/// Id and name of a call, if the block is one.
fn call(block: &Value) -> Option<(String, String, String)> {
    let text = |key: &str| block[key].as_str().unwrap().to_owned();
    (block["type"] == "tool_use").then(|| (text("id"), text("name"), String::new()))
}

fn end(reason: &str) -> End {
    match reason {
        "end_turn" | "stop_sequence" => End::Stop,
        "max_tokens" => End::Length,
        "tool_use" => End::Calls,
        other => panic!("{other}"),
    }
}

/// A talk as this dialect says it: results and what the person says next are one message.
fn messages(talk: &Talk) -> Value {
    let text = |text: &String| json!({ "type": "text", "text": text });
    let mut messages: Vec<Value> = Vec::new();
    for (index, turn) in talk.turns.iter().enumerate() {
        let (role, blocks): (_, Vec<Value>) = match turn {
            Turn::User(said) => {
                let blocks = said.iter().map(|said| match said {
                    Said::Text(said) => text(said),
                    Said::Image(more) => {
                        let data = image_base64(*more);
                        let source = json!({ "type": "base64", "media_type": "image/gif", "data": data });
                        json!({ "type": "image", "source": source })
                    }
                });
                ("user", blocks.collect())
            }
            Turn::Assistant { text: said, calls } => {
                let said = (!said.is_empty()).then(|| text(said));
                let calls = calls.iter().map(|call| {
                    let input: Value = serde_json::from_str(&call.arguments).unwrap();
                    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
                });
                ("assistant", said.into_iter().chain(calls).collect())
            }
            Turn::Results(results) => {
                let blocks = results.iter().map(|result| {
                    let content: Vec<Value> = result.texts.iter().map(text).collect();
                    json!({ "type": "tool_result", "tool_use_id": result.id, "content": content })
                });
                ("user", blocks.collect())
            }
        };
        let after_results = index > 0 && matches!(talk.turns[index - 1], Turn::Results(_));
        match messages.last_mut() {
            Some(last) if after_results && role == "user" => {
                last["content"].as_array_mut().unwrap().extend(blocks);
            }
            _ => messages.push(json!({ "role": role, "content": blocks })),
        }
    }
    let tools = talk.tools.iter().map(|tool| {
        let schema: Value = serde_json::from_str(&tool.parameters).unwrap();
        json!({ "name": tool.name, "description": tool.description, "input_schema": schema })
    });
    let mut body = json!({ "model": "auto", "messages": messages });
    body["tools"] = tools.collect();
    if let Some(instructions) = &talk.instructions {
        body["system"] = json!(instructions);
    }
    body
}
