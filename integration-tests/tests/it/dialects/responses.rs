//! Responses as House tests see them.

use serde_json::{Value, json};
use warp2api_dialects::error::ErrorStyle;

use super::messages::events;
use super::speaker::{End, Heard, Speaker};
use super::talk::{Said, Talk, Turn, image_url};

/// The dialect.
pub(crate) const RESPONSES: Speaker = Speaker {
    name: "responses",
    path: "/v1/responses",
    converses: true,
    say: responses,
    limit: |body, tokens| body["max_output_tokens"] = json!(tokens),
    spoil: |body| {
        body["temperature"] = json!("warm");
        "temperature"
    },
    hear: |body| {
        let events = events(body);
        let mut text = String::new();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], index);
            if event["type"] == "response.output_text.delta" {
                text.push_str(event["delta"].as_str().unwrap());
            }
        }
        let last = events.last().unwrap();
        let response = &last["response"];
        if last["type"] == "response.failed" {
            let error = response["error"]["code"].as_str().unwrap().to_owned();
            return Heard { text, error: Some(error), ..Heard::default() };
        }
        let heard = hear_whole(response);
        assert_eq!(heard.text, text);
        heard
    },
    hear_whole,
    errors: ErrorStyle::OpenAi,
    word: |body| body["error"]["code"].as_str().unwrap().to_owned(),
    word_of: |words| words.code,
};

fn hear_whole(response: &Value) -> Heard {
    let items = response["output"].as_array().unwrap();
    let of = |kind: &'static str| items.iter().filter(move |item| item["type"] == kind);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let calls: Vec<_> = of("function_call")
        .map(|call| (text(&call["call_id"]), text(&call["name"]), text(&call["arguments"])))
        .collect();
    let end = match response["status"].as_str().unwrap() {
        "completed" if calls.is_empty() => End::Stop,
        "completed" => End::Calls,
        "incomplete" => End::Length,
        other => panic!("{other}"),
    };
    let text = of("message").map(|message| text(&message["content"][0]["text"])).collect();
    Heard { text, calls, end: Some(end), error: None }
}

fn responses(talk: &Talk) -> Value {
    let mut input = Vec::new();
    for turn in &talk.turns {
        match turn {
            Turn::User(said) => {
                let parts = said.iter().map(|said| match said {
                    Said::Text(text) => json!({ "type": "input_text", "text": text }),
                    Said::Image(more) => json!({ "type": "input_image", "image_url": image_url(*more) }),
                });
                input.push(json!({ "role": "user", "content": parts.collect::<Vec<_>>() }));
            }
            Turn::Assistant { text, calls } => {
                if !text.is_empty() {
                    let part = json!({ "type": "output_text", "text": text, "annotations": [] });
                    input.push(json!({
                        "type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part],
                    }));
                }
                input.extend(calls.iter().map(|call| {
                    let (id, name, arguments) = (&call.id, &call.name, &call.arguments);
                    json!({ "type": "function_call", "call_id": id, "name": name, "arguments": arguments })
                }));
            }
            Turn::Results(results) => input.extend(results.iter().map(|result| {
                let parts = result.texts.iter().map(|text| json!({ "type": "input_text", "text": text }));
                let parts: Vec<Value> = parts.collect();
                json!({ "type": "function_call_output", "call_id": result.id, "output": parts })
            })),
        }
    }
    let tools = talk.tools.iter().map(|tool| {
        let parameters: Value = serde_json::from_str(&tool.parameters).unwrap();
        let (name, description) = (&tool.name, &tool.description);
        json!({ "type": "function", "name": name, "description": description, "parameters": parameters })
    });
    let mut body = json!({ "model": "auto", "input": input, "tools": tools.collect::<Vec<_>>() });
    if let Some(instructions) = &talk.instructions {
        body["instructions"] = json!(instructions);
    }
    body
}
