//! The parts of messages in the contract's terms.

use warp2api_proto::warp_chat::v1::{Part, ToolCall, ToolResult, part};

/// Text, to the byte.
pub(crate) fn text(text: &str) -> Part {
    Part { content: Some(part::Content::Text(text.to_owned())) }
}

/// What the model thought.
pub(crate) fn reasoning(text: &str) -> Part {
    Part { content: Some(part::Content::Reasoning(text.to_owned())) }
}

/// A call the model made.
pub(crate) fn call(call: ToolCall) -> Part {
    Part { content: Some(part::Content::ToolCall(call)) }
}

/// What a tool answered.
pub(crate) fn result(result: ToolResult) -> Part {
    Part { content: Some(part::Content::ToolResult(result)) }
}
