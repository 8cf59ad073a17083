//! A tool call of the upstream as its caller sees it. Whose turn it is to see it is decided elsewhere.

use serde_json::{Map, Value};
use warp2api_proto::warp::multi_agent::v1::message::ToolCall as WarpCall;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::Tool;
use warp2api_proto::warp_chat::v1::ToolCall;

/// A call as the caller sees it; `None` for calls that are not the caller's.
pub(super) fn chat_call(message_id: &str, call: &WarpCall) -> Option<ToolCall> {
    match &call.tool {
        Some(Tool::CallMcpTool(tool)) => {
            let arguments: Map<String, Value> = tool.args.clone().unwrap_or_default().into();
            let id = if call.tool_call_id.is_empty() { message_id } else { &call.tool_call_id };
            Some(ToolCall {
                id: id.to_owned(),
                name: tool.name.clone(),
                arguments_json: Value::Object(arguments).to_string(),
            })
        }
        // The upstream resolves these itself.
        Some(Tool::Server(_) | Tool::Subagent(_)) | None => None,
        Some(_) => {
            tracing::warn!("the upstream called a tool that was not offered");
            None
        }
    }
}
