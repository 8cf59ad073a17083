//! The items of the input, one to one. What only OpenAI's servers make sense of is left out and named; what cannot be
//! read and would be missed is refused.

use warp2api_proto::warp_chat::v1::{Message, Part, Role, ToolCall, ToolResult};

use crate::checks::present;
use crate::content::{Reader, Vocabulary};
use crate::json::{Object, Text};
use crate::parts;
use crate::rejection::Rejection;
use crate::responses::names::{arguments_of_text, flat};
use crate::responses::request::{Called, Item, Output, Reasoning, Said};
use crate::tools::arguments;

/// Maps the item at `path`.
pub(super) fn message(item: &Item<'_>, path: &str, reader: &mut Reader<'_>) -> Result<Message, Rejection> {
    let (role, parts) = match item {
        Item::Said(item) => said(item, path, reader)?,
        Item::FunctionCall(item) => (Role::Assistant, vec![function_call(item, path)?]),
        Item::CustomCall(item) => (Role::Assistant, vec![custom_call(item, path)?]),
        Item::Output(item) => (Role::Tool, vec![output(item, path, reader)?]),
        Item::Reasoning(item) => (Role::Assistant, thinking(item).into_iter().collect()),
        // They are with the other tools.
        Item::Tools(_) => (Role::Assistant, Vec::new()),
        Item::Hosted(kind) => {
            reader.ignored.note(&format!("input.{kind}"));
            (Role::Assistant, Vec::new())
        }
        Item::Reference(_) => {
            return Err(Rejection::unsupported(
                path,
                "no item of that id is kept for this key, or no longer; send the item itself",
            ));
        }
        Item::Opaque => {
            return Err(Rejection::unsupported(
                format!("{path}.type"),
                "not a supported type of item; supported are message, function_call, function_call_output, \
                 custom_tool_call, custom_tool_call_output and reasoning",
            ));
        }
    };
    Ok(Message { role: role.into(), parts })
}

fn said(item: &Said<'_>, path: &str, reader: &mut Reader<'_>) -> Result<(Role, Vec<Part>), Rejection> {
    let (role, vocabulary) = match item.role.as_ref().map(Text::as_str) {
        Some("system") => (Role::System, Vocabulary::Text),
        Some("developer") => (Role::Developer, Vocabulary::Text),
        Some("user") => (Role::User, Vocabulary::TextAndImages),
        Some("assistant") => (Role::Assistant, Vocabulary::TextAndReasoning),
        _ => {
            return Err(Rejection::invalid(
                format!("{path}.role"),
                "expected one of system, developer, user, assistant",
            ));
        }
    };
    let parts = reader.parts(item.content.as_ref(), &format!("{path}.content"), vocabulary)?;
    Ok((role, parts))
}

fn function_call(item: &Called<'_>, path: &str) -> Result<Part, Rejection> {
    let arguments_json = arguments(item.arguments, &format!("{path}.arguments"))?;
    call(item, path, arguments_json)
}

fn custom_call(item: &Called<'_>, path: &str) -> Result<Part, Rejection> {
    let text = item.input.as_ref().map(Text::as_str).unwrap_or_default();
    call(item, path, arguments_of_text(text))
}

fn call(item: &Called<'_>, path: &str, arguments_json: String) -> Result<Part, Rejection> {
    let id = present(item.call_id.as_ref(), path, "call_id")?.to_owned();
    let name = present(item.name.as_ref(), path, "name")?;
    let name = flat(item.namespace.as_ref().map(Text::as_str), name).into_owned();
    Ok(parts::call(ToolCall { id, name, arguments_json }))
}

fn output(item: &Output<'_>, path: &str, reader: &mut Reader<'_>) -> Result<Part, Rejection> {
    let tool_call_id = present(item.call_id.as_ref(), path, "call_id")?.to_owned();
    let path = format!("{path}.output");
    let content = item.content(&path)?;
    let parts = reader.parts(content.as_ref(), &path, Vocabulary::TextAndImages)?;
    Ok(parts::result(ToolResult { tool_call_id, parts, error: false }))
}

/// What was thought, if it can be read.
fn thinking(item: &Reasoning<'_>) -> Option<Part> {
    let texts = |thoughts: &crate::json::List<Object<crate::responses::request::Thought<'_>>>| {
        let texts = thoughts.0.iter().filter_map(|Object(thought)| thought.text.as_ref().map(Text::as_str));
        texts.collect::<Vec<_>>().join("\n\n")
    };
    let whole = item.content.as_ref().map(texts).filter(|text| !text.is_empty());
    let text = whole.or_else(|| item.summary.as_ref().map(texts)).filter(|text| !text.is_empty())?;
    Some(parts::reasoning(&text))
}
