//! The items of an output, and how each is said at its beginning and at its end.

use serde::Serialize;
use serde::ser::Serializer;
use warp2api_proto::warp_chat::v1::{Message, Role, ToolCall};

use super::names::Origin;
use crate::parts;

/// An item of an output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// What the model said.
    Message { id: String, text: String },
    /// What the model thought, in a summary of one part.
    Reasoning { id: String, text: String },
    /// A call the model made.
    Call(Call),
}

/// A call the model made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) call_id: String,
    /// The tool as the caller offered it.
    pub(super) origin: Origin,
    /// What it is called with, as the caller is told: arguments, or the text of a custom tool.
    pub(super) payload: String,
    /// The call in the contract's terms.
    pub(super) call: ToolCall,
}

impl Item {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Reasoning { id, .. } | Self::Call(Call { id, .. }) => id,
        }
    }

    /// The item in the contract's terms, for a conversation that goes on.
    pub(super) fn message(&self) -> Message {
        let part = match self {
            Self::Message { text, .. } => parts::text(text),
            Self::Reasoning { text, .. } => parts::reasoning(text),
            Self::Call(call) => parts::call(call.call.clone()),
        };
        Message { role: Role::Assistant.into(), parts: vec![part] }
    }
}

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was begun: nothing of it is told yet.
    Begun,
    /// It is whole.
    Done,
    /// It was cut off.
    Cut,
}

/// An item as it is said at a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a>(pub(super) &'a Item, pub(super) Stage);

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(item, stage) = self;
        let begun = *stage == Stage::Begun;
        let status = match stage {
            Stage::Begun => "in_progress",
            Stage::Done => "completed",
            Stage::Cut => "incomplete",
        };
        match item {
            Item::Message { id, text } => MessageView {
                id,
                kind: "message",
                status,
                role: "assistant",
                content: (!begun).then(|| TextPart::of(text)).as_slice(),
            }
            .serialize(serializer),
            Item::Reasoning { id, text } => ReasoningView {
                id,
                kind: "reasoning",
                summary: (!begun).then(|| SummaryPart::of(text)).as_slice(),
            }
            .serialize(serializer),
            Item::Call(Call { id, call_id, origin, payload, .. }) => {
                let payload = if begun { "" } else { payload };
                let (arguments, input) =
                    if origin.custom { (None, Some(payload)) } else { (Some(payload), None) };
                CallView {
                    id,
                    kind: if origin.custom { "custom_tool_call" } else { "function_call" },
                    status,
                    call_id,
                    namespace: origin.namespace.as_deref(),
                    name: &origin.name,
                    arguments,
                    input,
                }
                .serialize(serializer)
            }
        }
    }
}

#[derive(Debug, Serialize)]
struct MessageView<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
    role: &'a str,
    content: &'a [TextPart<'a>],
}

/// A part of a message.
#[derive(Debug, Serialize)]
pub(super) struct TextPart<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    annotations: [(); 0],
    logprobs: [(); 0],
    text: &'a str,
}

impl<'a> TextPart<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { kind: "output_text", annotations: [], logprobs: [], text }
    }
}

#[derive(Debug, Serialize)]
struct ReasoningView<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    summary: &'a [SummaryPart<'a>],
}

/// A part of a summary.
#[derive(Debug, Serialize)]
pub(super) struct SummaryPart<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    text: &'a str,
}

impl<'a> SummaryPart<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { kind: "summary_text", text }
    }
}

#[derive(Debug, Serialize)]
struct CallView<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
    call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
}
