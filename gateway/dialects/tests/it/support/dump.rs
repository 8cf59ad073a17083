//! An accepted request as text that is pleasant to review. Says everything that is set.

use std::fmt::Write as _;

use warp2api_dialects::Accepted;
use warp2api_proto::warp_chat::v1::{Delivery, Part, Role, part, tool_choice};

/// `plan` is what the dialect has to say besides, in lines.
pub(crate) fn accepted<P>(accepted: &Accepted<P>, plan: &str) -> String {
    let request = &accepted.request;
    let mut out = String::new();
    writeln!(out, "model: {:?}", request.model).unwrap();
    writeln!(out, "stream: {}", accepted.stream).unwrap();
    if !plan.is_empty() {
        writeln!(out, "{plan}").unwrap();
    }
    writeln!(out, "delivery: {}", Delivery::try_from(request.delivery).unwrap().as_str_name()).unwrap();
    for (index, message) in request.messages.iter().enumerate() {
        writeln!(out, "message {index}: {}", Role::try_from(message.role).unwrap().as_str_name()).unwrap();
        for part in &message.parts {
            write_part(part, 2, &mut out);
        }
    }
    for tool in &request.tools {
        writeln!(out, "tool {:?}: {:?}", tool.name, tool.description).unwrap();
        writeln!(out, "  parameters: {}", tool.parameters_json).unwrap();
    }
    if let Some(choice) = &request.tool_choice {
        let mode = tool_choice::Mode::try_from(choice.mode).unwrap().as_str_name();
        writeln!(out, "tool choice: {mode} {:?}", choice.tool_names).unwrap();
    }
    if let Some(parallel) = request.parallel_tool_calls {
        writeln!(out, "parallel tool calls: {parallel}").unwrap();
    }
    if let Some(limits) = &request.limits {
        writeln!(out, "limits: {} tokens, stop {:?}", limits.max_output_tokens, limits.stop_sequences)
            .unwrap();
    }
    if !request.reasoning_effort.is_empty() {
        writeln!(out, "reasoning effort: {}", request.reasoning_effort).unwrap();
    }
    if let Some(header) = accepted.ignored_header() {
        writeln!(out, "ignored: {header}").unwrap();
    }
    out
}

fn write_part(part: &Part, indent: usize, out: &mut String) {
    write!(out, "{:indent$}", "").unwrap();
    match part.content.as_ref().unwrap() {
        part::Content::Text(text) => writeln!(out, "text {text:?}").unwrap(),
        part::Content::Reasoning(text) => writeln!(out, "reasoning {text:?}").unwrap(),
        part::Content::Image(image) => {
            writeln!(out, "image {}, {} bytes", image.mime_type, image.data.len()).unwrap();
        }
        part::Content::ToolCall(call) => {
            writeln!(out, "call {:?} of {:?}: {}", call.id, call.name, call.arguments_json).unwrap();
        }
        part::Content::ToolResult(result) => {
            writeln!(out, "result of {:?}, error: {}", result.tool_call_id, result.error).unwrap();
            for part in &result.parts {
                write_part(part, indent + 2, out);
            }
        }
    }
}
