//! Large things: a conversation of hours, and an answer that nobody reads.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, ask, received};
use warp2api_proto::warp::multi_agent::v1::Request;

/// Text that looks like the work of an agent and is nowhere the same.
fn words(seed: usize, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut line = 0;
    while text.len() < bytes {
        line += 1;
        writeln!(
            text,
            "    {seed}.{line}: let value_{} = \"tab\\t \u{1f980} {}\";  ",
            line * 7 % 13,
            seed * line
        )
        .unwrap();
    }
    text
}

/// An agent's conversation and the lines it must arrive as.
fn conversation(rounds: usize, bytes: usize) -> (Value, Vec<String>) {
    let mut messages = vec![json!({ "role": "system", "content": words(0, bytes) })];
    let mut lines = Vec::new();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    for round in 0..rounds {
        let question = words(round * 10 + 1, bytes);
        lines.push(format!("user {}", quoted(&question)));
        messages.push(json!({ "role": "user", "content": question }));
        let thought = words(round * 10 + 2, bytes / 4);
        let mut calls = Vec::new();
        let mut results = Vec::new();
        lines.push(format!("assistant {}", quoted(&thought)));
        for call in 0..2 {
            let id = format!("call_{round}_{call}");
            let arguments = json!({ "zebra": words(round * 10 + 3, bytes / 4), "empty": "", "n": 7, "list": [], "deep": { "b": 1, "a": {} } }).to_string();
            let result = words(round * 10 + 4 + call, bytes);
            lines.push(format!("call {id} edit {arguments}"));
            lines.push(format!("result {id} {}", quoted(&result)));
            calls.push(json!({ "id": id, "type": "function", "function": { "name": "edit", "arguments": arguments } }));
            results.push(json!({ "role": "tool", "tool_call_id": id, "content": result }));
        }
        messages.push(json!({ "role": "assistant", "content": thought, "tool_calls": calls }));
        // Results in the other order than the calls.
        results.reverse();
        messages.extend(results);
        let summary = words(round * 10 + 8, bytes / 4);
        lines.push(format!("assistant {}", quoted(&summary)));
        messages.push(json!({ "role": "assistant", "content": summary }));
    }
    messages.push(json!({ "role": "user", "content": "say exactly: all of it" }));
    lines.push("=> user \"say exactly: all of it\"".to_owned());
    (json!({ "model": "auto", "messages": messages }), lines)
}

fn arrived(request: &Request, instructions: &str) -> Vec<String> {
    let note = format!(" instructions {}", serde_json::to_string(instructions).unwrap());
    received::conversation(request).into_iter().map(|line| line.replace(&note, "")).collect()
}

#[tokio::test]
async fn an_agents_conversation_of_three_megabytes_arrives_to_the_byte() {
    let house = House::start().await;
    let (body, lines) = conversation(80, 10_000);
    let messages = body["messages"].as_array().unwrap();
    assert!(messages.len() >= 400 && body.to_string().len() > 3_000_000, "{}", body.to_string().len());

    let (status, answer) = house.chat(&body).await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "all of it");
    let request = house.last_request();
    let system = messages[0]["content"].as_str().unwrap();
    assert_eq!(received::instructions(&request), Some(system));
    let arrived = arrived(&request, system);
    for (index, (arrived, expected)) in arrived.iter().zip(&lines).enumerate() {
        assert_eq!(arrived, expected, "line {index}");
    }
    assert_eq!(arrived.len(), lines.len());
    house.close().await;
}

/// The memory of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[tokio::test]
async fn memory_stays_flat_while_a_client_does_not_read() {
    let house = House::start().await;
    let mut body = ask("stream 30000 chunks of 256 bytes every 0 ms");
    body["stream"] = json!(true);
    let mut live = Live::new(house.post(&body).await);
    live.first_text().await;
    let before = resident();

    // Not a wait for anything: this is the client being slow.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident();

    assert_eq!(house.record().running(), 1, "the upstream waits with it");
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after.saturating_sub(before);
        // The answer has 8 MB, its frames twice that. Other tests share the process; hence the room.
        assert!(grown < 48 * 1024 * 1024, "grew by {grown} bytes");
    }
    let bytes = live.rest().await.text().len();
    assert!(bytes >= 29_000 * 256, "{bytes} of the answer arrived");
    house.close().await;
}
