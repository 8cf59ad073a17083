//! What is converted: a stream of small events, a request with a long history and many tools, a long text.

use serde_json::{Value, json};
use warp2api_codec::{MessageType, Options, Schema, Unknown, transcode};

/// The type of a sample's messages.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Request,
    ResponseEvent,
}

/// Messages of one type.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) messages: Vec<Message>,
}

/// A message in both forms.
pub(crate) struct Message {
    pub(crate) data: Vec<u8>,
    pub(crate) json: String,
}

impl Sample {
    fn new(name: &'static str, kind: Kind, messages: &[Value]) -> Self {
        let mut sample = Self { name, kind, messages: Vec::new() };
        let message_type = sample.message_type();
        for message in messages {
            let data = transcode::to_bytes(message_type, &message.to_string(), Unknown::Refuse).unwrap();
            let json = transcode::to_json(message_type, &data, Options::default()).unwrap();
            sample.messages.push(Message { data, json });
        }
        sample
    }

    pub(crate) fn message_type(&self) -> &'static MessageType {
        let name = match self.kind {
            Kind::Request => "Request",
            Kind::ResponseEvent => "ResponseEvent",
        };
        Schema::global().message_type(&format!("warp.multi_agent.v1.{name}")).unwrap()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.data.len()).sum()
    }

    pub(crate) fn json_bytes(&self) -> usize {
        self.messages.iter().map(|message| message.json.len()).sum()
    }
}

pub(crate) fn samples() -> [Sample; 3] {
    let events: Vec<_> = (0..200).map(event).collect();
    [
        Sample::new("a streamed reply", Kind::ResponseEvent, &events),
        Sample::new("a request with history and tools", Kind::Request, &[request()]),
        Sample::new(
            "a long text",
            Kind::ResponseEvent,
            &[add(&agent_output(&"All work and no play. \n".repeat(4000)))],
        ),
    ]
}

/// An event of a stream: mostly a few characters more.
fn event(index: usize) -> Value {
    match index {
        0 => json!({"init": {"conversation_id": ID, "request_id": ID, "run_id": ID}}),
        1 => add(&agent_output("Let me")),
        199 => json!({"finished": {"done": {}, "token_usage": [{
            "model_id": "claude-4-sonnet", "total_input": 12_345, "output": 678, "cost_in_cents": 1.25,
        }]}}),
        _ => json!({"client_actions": {"actions": [{"append_to_message_content": {
            "task_id": ID,
            "message": {"id": ID, "agent_output": {"text": " a few words"}, "task_id": ID},
            "mask": "agentOutput.text",
        }}]}}),
    }
}

fn request() -> Value {
    let messages: Vec<_> = (0..60).flat_map(|turn| [call(turn), result(turn), agent_output(PROSE)]).collect();
    let tools: Vec<_> = (0..40).map(tool).collect();
    json!({
        "task_context": {"tasks": [{"id": ID, "messages": messages}]},
        "input": {
            "context": {"directory": {"pwd": "/home/me", "home": "/home/me"}},
            "user_inputs": {"inputs": [{"user_query": {"query": PROSE}}]},
        },
        "settings": {"model_config": {"base": "auto"}, "supported_tools": [0, 1, 2, 3, 9, 10]},
        "metadata": {"conversation_id": ID, "logging": {"entrypoint": "USER_INITIATED", "is_autodetected": true}},
        "mcp_context": {"tools": tools},
    })
}

fn agent_output(text: &str) -> Value {
    json!({"id": ID, "task_id": ID, "timestamp": "2026-01-31T22:59:59.500Z", "server_message_data": DATA,
        "agent_output": {"text": text}})
}

fn call(turn: usize) -> Value {
    let args = json!({"path": format!("/src/{turn}.rs"), "limit": 100, "patterns": ["*.rs", "*.toml"], "deep": {"a": [1.5, null, true]}});
    json!({"id": ID, "task_id": ID, "tool_call": {"tool_call_id": ID, "call_mcp_tool": {"name": "search", "args": args}}})
}

fn result(_: usize) -> Value {
    json!({"id": ID, "task_id": ID, "tool_call_result": {"tool_call_id": ID, "call_mcp_tool": {
        "success": {"results": [{"text": {"text": PROSE.repeat(3)}}]}}}})
}

fn tool(index: usize) -> Value {
    let property = |description: &str| json!({"type": "string", "description": description});
    json!({"name": format!("tool_{index}"), "description": PROSE, "input_schema": {
        "type": "object",
        "properties": {"path": property(PROSE), "limit": {"type": "integer", "minimum": 1, "maximum": 1000}, "mode": {"enum": ["a", "b", "c"]}},
        "required": ["path"],
        "additionalProperties": false,
    }})
}

fn add(message: &Value) -> Value {
    json!({"client_actions": {"actions": [{"add_messages_to_task": {"task_id": ID, "messages": [message]}}]}})
}

const ID: &str = "0d5f6a2e-5a3b-4c7d-9e8f-1a2b3c4d5e6f";
const DATA: &str = "CiQwZDVmNmEyZS01YTNiLTRjN2QtOWU4Zi0xYTJiM2M0ZDVlNmYaCwiQzavLBhDAmu9R";
const PROSE: &str =
    "The quick brown fox said \"jump\" and jumped over the lazy dog,\nthen went on for a while \u{1f98a}.";
