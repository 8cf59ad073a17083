//! Conversations that every dialect can say, made at random, and how each says them. For whoever adds a dialect: write
//! a function from [`Talk`] to the body of a request beside [`chat`], and put it into the table of speakers
//! (`speaker.rs`). The properties of `dialects.rs` then hold it to what the others make the upstream receive, and the
//! House tests there to how the others behave.
//!
//! A talk begins with the person and ends with what the model is to answer: words of the person, or the results of all
//! calls of the last round. Results stand in the order of their calls.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A conversation up to the model's turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Talk {
    /// What the application says first.
    pub(crate) instructions: Option<String>,
    /// Who said what, oldest first.
    pub(crate) turns: Vec<Turn>,
    /// The functions the model may call.
    pub(crate) tools: Vec<Tool>,
}

/// Something said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// The person spoke. Never nothing.
    User(Vec<Said>),
    /// The model spoke, then called. Not both empty.
    Assistant {
        /// Empty if it only called.
        text: String,
        calls: Vec<Call>,
    },
    /// The tools answered all calls of the turn before, in their order.
    Results(Vec<Outcome>),
}

/// A piece of what a person said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Text(String),
    /// A GIF of so many bytes after its head.
    Image(u8),
}

/// A call of a function. Ids are unique in a talk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The text of a JSON object.
    pub(crate) arguments: String,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    /// Its text, in parts. At least one.
    pub(crate) texts: Vec<String>,
}

/// A function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The text of a JSON Schema.
    pub(crate) parameters: String,
}

/// A question and nothing else.
pub(crate) fn question(text: &str) -> Talk {
    Talk { turns: vec![Turn::User(vec![Said::Text(text.to_owned())])], ..Talk::default() }
}

/// A function that takes anything.
pub(crate) fn tool(name: &str) -> Tool {
    let parameters = r#"{"type":"object","properties":{"q":{"type":"string"}}}"#.to_owned();
    Tool { name: name.to_owned(), description: format!("Does {name}."), parameters }
}

/// The image as a `data:` URL.
pub(crate) fn image_url(more: u8) -> String {
    format!("data:image/gif;base64,{}", image_base64(more))
}

/// The image in base64.
pub(crate) fn image_base64(more: u8) -> String {
    use base64::Engine as _;
    let mut bytes = b"GIF89a".to_vec();
    bytes.resize(6 + usize::from(more), more);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 .,\n\"\\\\{}é√🦀-]{1,20}",
        1 => "\\PC{1,12}",
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        words().prop_map(|text| json!({ "path": text, "deep": { "list": [1, null, true, ""] } }).to_string()),
    ]
}

/// What follows a turn of the person, with ids to be given.
#[derive(Debug, Clone)]
struct Round {
    text: String,
    calls: Vec<(usize, String, Vec<String>)>,
    then: Vec<Said>,
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let piece = prop_oneof![5 => words().prop_map(Said::Text), 1 => (0u8..40).prop_map(Said::Image)];
    (words(), vec(piece, 0..3)).prop_map(|(first, rest)| [vec![Said::Text(first)], rest].concat())
}

/// Any talk.
pub(crate) fn any_talk() -> impl Strategy<Value = Talk> {
    let call = (0usize..3, arguments(), vec(words(), 1..3));
    let round = (words(), any::<bool>(), vec(call, 0..4), said()).prop_map(|(text, silent, calls, then)| {
        let text = if silent && !calls.is_empty() { String::new() } else { text };
        Round { text, calls, then }
    });
    let rounds = vec(round, 0..4);
    (option::of(words()), said(), rounds, any::<bool>()).prop_map(
        |(instructions, first, rounds, ends_with_results)| {
            let tools = ["read_file", "run", "list-tasks"].map(tool).to_vec();
            let mut turns = vec![Turn::User(first)];
            let (mut number, count) = (0, rounds.len());
            for (index, Round { text, calls, then }) in rounds.into_iter().enumerate() {
                let (mut made, mut results) = (Vec::new(), Vec::new());
                for (tool, arguments, texts) in calls {
                    let id = format!("call_{number}");
                    number += 1;
                    made.push(Call { id: id.clone(), name: tools[tool].name.clone(), arguments });
                    results.push(Outcome { id, texts });
                }
                let called = !made.is_empty();
                turns.push(Turn::Assistant { text, calls: made });
                if called {
                    turns.push(Turn::Results(results));
                    // The model goes on at once, or the person says something in between.
                    if index + 1 < count || ends_with_results {
                        continue;
                    }
                }
                turns.push(Turn::User(then));
            }
            Talk { instructions, turns, tools }
        },
    )
}

/// As chat completions say it.
pub(crate) fn chat(talk: &Talk) -> Value {
    let text = |text: &String| json!({ "type": "text", "text": text });
    let mut messages = Vec::new();
    messages.extend(talk.instructions.iter().map(|text| json!({ "role": "system", "content": text })));
    for turn in &talk.turns {
        match turn {
            Turn::User(said) => {
                let parts = said.iter().map(|said| match said {
                    Said::Text(said) => text(said),
                    Said::Image(more) => {
                        json!({ "type": "image_url", "image_url": { "url": image_url(*more) } })
                    }
                });
                messages.push(json!({ "role": "user", "content": parts.collect::<Vec<_>>() }));
            }
            Turn::Assistant { text, calls } => {
                let mut message = json!({ "role": "assistant", "content": text });
                let calls = calls.iter().map(|call| {
                    let function = json!({ "name": call.name, "arguments": call.arguments });
                    json!({ "id": call.id, "type": "function", "function": function })
                });
                let calls: Vec<Value> = calls.collect();
                if !calls.is_empty() {
                    message["tool_calls"] = calls.into();
                }
                messages.push(message);
            }
            Turn::Results(results) => messages.extend(results.iter().map(|result| {
                let parts: Vec<Value> = result.texts.iter().map(text).collect();
                json!({ "role": "tool", "tool_call_id": result.id, "content": parts })
            })),
        }
    }
    let tools = talk.tools.iter().map(|tool| {
        let parameters: Value = serde_json::from_str(&tool.parameters).unwrap();
        let function =
            json!({ "name": tool.name, "description": tool.description, "parameters": parameters });
        json!({ "type": "function", "function": function })
    });
    let mut body = json!({ "model": "auto", "messages": messages });
    let tools: Vec<Value> = tools.collect();
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    body
}
