//! What was said, as attributes of the span of a turn: for operators who asked for it. The form is that of
//! OpenTelemetry's conventions for generative AI.
//!
//! Bounded: [`MOST_BYTES`] of text in each attribute, of questions the latest. Images are told by type and size. What looks
//! like a key or a token is left out (`redact`).

use std::fmt;

use serde_json::{Value, json};
use warp2api_proto::warp_chat::v1::part::Content;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{Part, Role, StreamChatRequest, ToolCall};

use crate::redact::{ENOUGH, redacted};

/// The most bytes of text in one attribute.
pub(crate) const MOST_BYTES: usize = 32 * 1024;
/// The most calls of tools in an answer.
const MOST_CALLS: usize = 64;

/// What a turn was asked.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    /// What the model is told to be, as JSON, if it is.
    pub(crate) instructions: Option<String>,
    /// The conversation as JSON.
    pub(crate) messages: String,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Asked {
    pub(crate) fn of(chat: &StreamChatRequest) -> Self {
        let (mut room, mut told_to_be) = (MOST_BYTES, MOST_BYTES);
        let (mut instructions, mut messages) = (Vec::new(), Vec::new());
        for message in chat.messages.iter().rev() {
            match message.role() {
                Role::System | Role::Developer => {
                    let parts = parts(&message.parts, &mut told_to_be);
                    instructions.extend(parts.into_iter().rev());
                }
                _ if room == 0 => {}
                role => messages.push(json!({"role": name(role), "parts": parts(&message.parts, &mut room)})),
            }
        }
        instructions.reverse();
        messages.reverse();
        Self {
            instructions: (!instructions.is_empty()).then(|| Value::Array(instructions).to_string()),
            messages: Value::Array(messages).to_string(),
        }
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::System | Role::Developer => "system",
        Role::User | Role::Unspecified => "user",
    }
}

fn parts(parts: &[Part], room: &mut usize) -> Vec<Value> {
    let parts = parts.iter().filter_map(|part| part.content.as_ref());
    parts.map_while(|content| (*room > 0).then(|| part(content, room))).collect()
}

fn part(content: &Content, room: &mut usize) -> Value {
    match content {
        Content::Text(text) => json!({"type": "text", "content": shown(text, room)}),
        Content::Reasoning(text) => json!({"type": "reasoning", "content": shown(text, room)}),
        Content::Image(image) => {
            let kind = shown(&image.mime_type, room);
            json!({"type": "image", "mime_type": kind, "bytes": image.data.len()})
        }
        Content::ToolCall(call) => json!({
            "type": "tool_call",
            "id": shown(&call.id, room),
            "name": shown(&call.name, room),
            "arguments": shown(&call.arguments_json, room),
        }),
        Content::ToolResult(result) => json!({
            "type": "tool_call_response",
            "id": shown(&result.tool_call_id, room),
            "response": parts(&result.parts, room),
        }),
    }
}

/// What a turn answered, so far.
#[derive(Default)]
pub(crate) struct Said {
    text: String,
    reasoning: String,
    calls: Vec<Part>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").finish_non_exhaustive()
    }
}

impl Said {
    /// Hears what the caller is told.
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::TextDelta(delta) => grow(&mut self.text, &delta.text),
            Event::ReasoningDelta(delta) => grow(&mut self.reasoning, &delta.text),
            Event::ToolCall(call) if self.calls.len() < MOST_CALLS => {
                let mut arguments_json = String::new();
                grow(&mut arguments_json, &call.arguments_json);
                let call = ToolCall { id: call.id.clone(), name: call.name.clone(), arguments_json };
                self.calls.push(Part { content: Some(Content::ToolCall(call)) });
            }
            Event::ToolCall(_) | Event::Started(_) | Event::UsageReported(_) | Event::Finished(_) => {}
        }
    }

    /// The answer as JSON; `reason` says why it ended.
    pub(crate) fn messages(&self, reason: &str) -> String {
        let mut room = MOST_BYTES;
        let mut answer = Vec::new();
        if !self.reasoning.is_empty() {
            answer.push(json!({"type": "reasoning", "content": shown(&self.reasoning, &mut room)}));
        }
        if !self.text.is_empty() {
            answer.push(json!({"type": "text", "content": shown(&self.text, &mut room)}));
        }
        answer.extend(parts(&self.calls, &mut room));
        json!([{"role": "assistant", "parts": answer, "finish_reason": reason}]).to_string()
    }
}

fn grow(text: &mut String, more: &str) {
    // A little more than is shown, so that what is cut off can be seen, and a secret that is cut in two be known.
    let room = (MOST_BYTES + ENOUGH).saturating_sub(text.len());
    text.push_str(&more[..more.floor_char_boundary(room)]);
}

/// As much of a text as there is room for, without what looks like a secret.
fn shown(text: &str, room: &mut usize) -> String {
    let mut shown = redacted(text);
    if shown.len() > *room {
        shown.truncate(shown.floor_char_boundary(*room));
        *room = 0;
        shown.push('\u{2026}');
    } else {
        *room -= shown.len();
    }
    shown
}

#[cfg(test)]
mod tests {
    use warp2api_proto::warp_chat::v1::stream_chat_response::TextDelta;
    use warp2api_proto::warp_chat::v1::{Image, Message, ToolResult};

    use super::*;

    fn message(role: Role, content: Content) -> Message {
        Message { role: role.into(), parts: vec![Part { content: Some(content) }] }
    }

    #[test]
    fn a_conversation_is_told_in_the_form_of_the_convention() {
        let text = |text: &str| Content::Text(text.to_owned());
        let call = ToolCall { id: "1".into(), name: "look".into(), arguments_json: "{\"q\":1}".into() };
        let result = ToolResult {
            tool_call_id: "1".into(),
            parts: vec![Part { content: Some(text("found")) }],
            ..ToolResult::default()
        };
        let image = Image { data: vec![0; 7].into(), mime_type: "image/png".into() };
        let chat = StreamChatRequest {
            messages: vec![
                message(Role::System, text("be kind")),
                message(Role::User, text("hello")),
                message(Role::Assistant, Content::ToolCall(call)),
                message(Role::Tool, Content::ToolResult(result)),
                message(Role::User, Content::Image(image)),
            ],
            ..StreamChatRequest::default()
        };

        let asked = Asked::of(&chat);

        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(json(&asked.instructions.unwrap()), json!([{"type": "text", "content": "be kind"}]));
        assert_eq!(
            json(&asked.messages),
            json!([
                {"role": "user", "parts": [{"type": "text", "content": "hello"}]},
                {"role": "assistant", "parts": [
                    {"type": "tool_call", "id": "1", "name": "look", "arguments": "{\"q\":1}"},
                ]},
                {"role": "tool", "parts": [
                    {"type": "tool_call_response", "id": "1", "response": [{"type": "text", "content": "found"}]},
                ]},
                {"role": "user", "parts": [{"type": "image", "mime_type": "image/png", "bytes": 7}]},
            ])
        );
    }

    #[test]
    fn the_latest_is_told_within_bounds() {
        let long = "ü".repeat(MOST_BYTES);
        let user = |text: &str| message(Role::User, Content::Text(text.to_owned()));
        let chat = StreamChatRequest {
            messages: vec![user("the first"), user(&long), user("the last")],
            ..StreamChatRequest::default()
        };
        let asked = Asked::of(&chat).messages;
        assert!(asked.len() < MOST_BYTES + 200 && asked.contains("the last") && !asked.contains("the first"));

        let mut said = Said::default();
        for _ in 0..3 {
            said.hear(&Event::TextDelta(TextDelta { text: long.clone() }));
        }
        let answer = said.messages("stop");
        assert!(answer.len() < MOST_BYTES + 200 && answer.contains('\u{2026}'));
    }

    #[test]
    fn what_looks_like_a_secret_is_left_out_of_everything() {
        let text = |text: &str| Content::Text(format!("{text} sk-proj-0123456789planted"));
        let call = ToolCall {
            id: "wk-planted-1".into(),
            name: "ghp_0123456789abcplanted".into(),
            arguments_json: "{\"file\":\"one\\nsk-proj-0123456789planted\\n\"}".into(),
        };
        let result = ToolResult {
            tool_call_id: "wk-planted-1".into(),
            parts: vec![Part { content: Some(text("found")) }],
            ..ToolResult::default()
        };
        let chat = StreamChatRequest {
            messages: vec![
                message(Role::System, text("be kind")),
                message(Role::User, text("hello")),
                message(Role::Assistant, Content::Reasoning("w2a-0123456789planted".into())),
                message(Role::Assistant, Content::ToolCall(call.clone())),
                message(Role::Tool, Content::ToolResult(result)),
            ],
            ..StreamChatRequest::default()
        };
        let asked = Asked::of(&chat);
        let mut said = Said::default();
        // One that comes in pieces, one that is cut off.
        for piece in [
            "sk-proj-0123",
            "456789planted ",
            &"a ".repeat(MOST_BYTES / 2 - 20),
            "sk-proj-planted-0123456789",
        ] {
            said.hear(&Event::TextDelta(TextDelta { text: piece.to_owned() }));
        }
        said.hear(&Event::ToolCall(call));

        let told = [asked.instructions.unwrap(), asked.messages, said.messages("stop")];

        for told in told {
            assert!(told.contains("[redacted]") && !told.contains("planted"), "{told}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let mut said = Said::default();
        said.hear(&Event::TextDelta(TextDelta { text: "planted".to_owned() }));
        let asked = Asked { instructions: Some("planted".to_owned()), messages: "planted".to_owned() };
        assert!(!format!("{said:?} {asked:?}").contains("planted"));
    }
}
