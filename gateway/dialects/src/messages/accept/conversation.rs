//! The messages of a request, and the system prompt before them. A message of the user's may become several: results
//! of tools are messages of their own in the contract.

use std::collections::HashSet;

use warp2api_proto::warp_chat::v1::{Message as Mapped, Part, Role, part};

use super::Context;
use super::blocks::{self, Speaker};
use crate::json::{Object, Text, TextOrList};
use crate::messages::request::{Block, Message, MessagesRequest};
use crate::parts;
use crate::rejection::Rejection;

/// A conversation in the contract's terms.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Mapped>,
    /// How many messages the system prompt became.
    pub(super) before: usize,
    /// The caller's message that each of the others comes from.
    pub(super) items: Vec<usize>,
    /// The upstream's ids of all calls.
    pub(super) call_ids: HashSet<String>,
}

/// Maps the system prompt and the messages.
pub(super) fn conversation(
    request: &MessagesRequest<'_>,
    context: &mut Context<'_>,
) -> Result<Conversation, Rejection> {
    let mut conversation = Conversation::default();
    if let Some(system) = &request.system {
        let said = content(system, "system", Speaker::System, context)?;
        if said.iter().any(is_something) {
            conversation.messages.push(Mapped { role: Role::System.into(), parts: said });
        }
    }
    conversation.before = conversation.messages.len();
    let Some(messages) = request.messages.as_ref().filter(|messages| !messages.0.is_empty()) else {
        return Err(Rejection::invalid("messages", "expected an array with at least one message"));
    };
    for (index, Object(message)) in messages.0.iter().enumerate() {
        for mapped in map(message, &format!("messages[{index}]"), context)? {
            conversation.call_ids.extend(mapped.parts.iter().filter_map(call_id).map(str::to_owned));
            conversation.messages.push(mapped);
            conversation.items.push(index);
        }
    }
    Ok(conversation)
}

fn map(message: &Message<'_>, path: &str, context: &mut Context<'_>) -> Result<Vec<Mapped>, Rejection> {
    let speaker = match message.role.as_ref().map(Text::as_str) {
        Some("user") => Speaker::User,
        Some("assistant") => Speaker::Assistant,
        // Some agents put instructions among the messages.
        Some("system") => Speaker::System,
        _ => {
            let param = format!("{path}.role");
            return Err(Rejection::invalid(param, "expected one of user, assistant, system"));
        }
    };
    let path = format!("{path}.content");
    let said = match &message.content {
        None => Vec::new(),
        Some(said) => content(said, &path, speaker, context)?,
    };
    let role = match speaker {
        Speaker::User => return by_role(said, &path),
        Speaker::Assistant => Role::Assistant,
        Speaker::System => Role::System,
    };
    Ok(vec![Mapped { role: role.into(), parts: said }])
}

/// The parts of a message at `path`.
fn content(
    content: &TextOrList<'_, Object<Block<'_>>>,
    path: &str,
    speaker: Speaker,
    context: &mut Context<'_>,
) -> Result<Vec<Part>, Rejection> {
    match content {
        TextOrList::Text(text) => Ok(vec![parts::text(text)]),
        TextOrList::List(list) => blocks::parts(list, path, speaker, context),
    }
}

/// Splits what the user says where results of tools begin and end.
fn by_role(said: Vec<Part>, path: &str) -> Result<Vec<Mapped>, Rejection> {
    let mut messages: Vec<Mapped> = Vec::new();
    for part in said {
        let is_result = matches!(part.content, Some(part::Content::ToolResult(_)));
        let role = if is_result { Role::Tool } else { Role::User };
        match messages.last_mut() {
            Some(last) if last.role() == role => last.parts.push(part),
            _ => messages.push(Mapped { role: role.into(), parts: vec![part] }),
        }
    }
    if messages.is_empty() {
        messages.push(Mapped { role: Role::User.into(), parts: Vec::new() });
    }
    for message in messages.iter().filter(|message| message.role() == Role::User) {
        crate::images::check_message(&message.parts, path)?;
    }
    Ok(messages)
}

fn is_something(part: &Part) -> bool {
    !matches!(&part.content, Some(part::Content::Text(text)) if text.is_empty())
}

fn call_id(part: &Part) -> Option<&str> {
    match &part.content {
        Some(part::Content::ToolCall(call)) => Some(&call.id),
        _ => None,
    }
}
