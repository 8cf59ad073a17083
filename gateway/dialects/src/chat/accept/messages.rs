//! The messages of a request, one to one: the message at an index stays at that index, so that what the service says
//! of one names the caller's own.

use std::collections::{HashMap, VecDeque};

use warp2api_proto::warp_chat::v1::{Message as Mapped, Part, Role, ToolCall as MappedCall, ToolResult};

use super::Context;
use crate::chat::request::{CalledFunction, Message, ToolCall};
use crate::checks::present;
use crate::content::Vocabulary;
use crate::json::{Object, Text, read};
use crate::parts;
use crate::rejection::Rejection;
use crate::tools::arguments;

/// The calls of the `function_call` days, which had no ids. They get some here, the same for the same conversation.
#[derive(Debug, Default)]
pub(super) struct FunctionCalls {
    count: usize,
    /// The ids of those that still wait for their result, by name.
    open: HashMap<String, VecDeque<String>>,
}

impl FunctionCalls {
    fn call(&mut self, name: &str) -> String {
        self.count += 1;
        let id = format!("call_function_{}", self.count);
        self.open.entry(name.to_owned()).or_default().push_back(id.clone());
        id
    }

    /// The id of the oldest open call of that name, or one that no call has.
    fn result(&mut self, name: &str) -> String {
        let open = self.open.get_mut(name).and_then(VecDeque::pop_front);
        open.unwrap_or_else(|| format!("call_function_{name}"))
    }
}

impl Context<'_> {
    fn said(
        &mut self,
        message: &Message<'_>,
        path: &str,
        vocabulary: Vocabulary,
    ) -> Result<Vec<Part>, Rejection> {
        self.content.parts(message.content.as_ref(), &format!("{path}.content"), vocabulary)
    }
}

/// Maps the message at `path`.
pub(super) fn message(
    message: &Message<'_>,
    path: &str,
    context: &mut Context<'_>,
) -> Result<Mapped, Rejection> {
    let role = message.role.as_ref().map(Text::as_str).unwrap_or_default();
    let (role, parts) = match role {
        "system" => (Role::System, context.said(message, path, Vocabulary::Text)?),
        "developer" => (Role::Developer, context.said(message, path, Vocabulary::Text)?),
        "user" => (Role::User, context.said(message, path, Vocabulary::TextAndImages)?),
        "assistant" => (Role::Assistant, assistant(message, path, context)?),
        "tool" => {
            let id = present(message.tool_call_id.as_ref(), path, "tool_call_id")?.to_owned();
            (Role::Tool, vec![result(id, message, path, context)?])
        }
        "function" => {
            let name = present(message.name.as_ref(), path, "name")?;
            let id = context.functions.result(name);
            (Role::Tool, vec![result(id, message, path, context)?])
        }
        _ => {
            return Err(Rejection::invalid(
                format!("{path}.role"),
                "expected one of system, developer, user, assistant, tool, function",
            ));
        }
    };
    let named = message.name.as_ref().is_some_and(|name| !name.as_str().is_empty());
    context.content.ignored.note_if(named && role != Role::Tool, "messages.name");
    Ok(Mapped { role: role.into(), parts })
}

fn assistant(message: &Message<'_>, path: &str, context: &mut Context<'_>) -> Result<Vec<Part>, Rejection> {
    if message.audio.is_some() {
        return Err(Rejection::unsupported(format!("{path}.audio"), "audio is not supported"));
    }
    let mut said = Vec::new();
    said.extend(thinking(message).map(|text| parts::reasoning(&text.0)));
    said.extend(context.said(message, path, Vocabulary::TextAndReasoning)?);
    let refusal = message.refusal.as_ref().map(Text::as_str).filter(|text| !text.is_empty());
    said.extend(refusal.map(parts::text));
    if let Some(Object(call)) = &message.function_call {
        let path = format!("{path}.function_call");
        let mut call = called(call, &path)?;
        call.id = context.functions.call(&call.name);
        said.push(parts::call(call));
    }
    for (index, Object(call)) in message.tool_calls.iter().flat_map(|calls| &calls.0).enumerate() {
        let call = tool_call(call, &format!("{path}.tool_calls[{index}]"))?;
        said.push(parts::call(call));
    }
    Ok(said)
}

/// What the model thought, under either of its names. Some servers have something else under the second.
fn thinking<'m>(message: &'m Message<'_>) -> Option<Text<'m>> {
    let named = message.reasoning_content.clone();
    let other = || message.reasoning.and_then(|raw| read::<Text<'_>>(raw.get().as_bytes()).ok());
    named.or_else(other).filter(|text| !text.as_str().is_empty())
}

fn tool_call(call: &ToolCall<'_>, path: &str) -> Result<MappedCall, Rejection> {
    if call.kind.as_ref().is_some_and(|kind| kind.as_str() != "function") {
        return Err(Rejection::unsupported(format!("{path}.type"), "only calls of functions are supported"));
    }
    let id = present(call.id.as_ref(), path, "id")?.to_owned();
    let Some(Object(function)) = &call.function else {
        return Err(Rejection::invalid(format!("{path}.function"), "expected an object"));
    };
    Ok(MappedCall { id, ..called(function, &format!("{path}.function"))? })
}

/// A call without its id.
fn called(function: &CalledFunction<'_>, path: &str) -> Result<MappedCall, Rejection> {
    let name = present(function.name.as_ref(), path, "name")?.to_owned();
    let arguments_json = arguments(function.arguments, &format!("{path}.arguments"))?;
    Ok(MappedCall { id: String::new(), name, arguments_json })
}

fn result(
    tool_call_id: String,
    message: &Message<'_>,
    path: &str,
    context: &mut Context<'_>,
) -> Result<Part, Rejection> {
    let said = context.said(message, path, Vocabulary::TextAndImages)?;
    Ok(parts::result(ToolResult { tool_call_id, parts: said, error: false }))
}
