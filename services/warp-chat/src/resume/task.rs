//! One task of a conversation: what the upstream wrote, message by message, and what its edits made of that.

use bytes::Bytes;
use prost::Message as _;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::Tool;

use super::mask::{self, MaskError};
use super::tasks::StateError;
use super::wire::{self, Malformed};

/// Numbers of a task's fields.
const ID: u32 = 1;
pub(crate) const DESCRIPTION: u32 = 2;
const DEPENDENCIES: u32 = 3;
const MESSAGES: u32 = 5;
pub(crate) const SERVER_DATA: u32 = 8;
/// Numbers of a message's fields.
const MESSAGE_ID: u32 = 1;
const USER_QUERY: u32 = 2;
const TOOL_CALL: u32 = 4;
const TOOL_CALL_RESULT: u32 = 5;
const TASK_ID: u32 = 11;

/// A task as built so far. Clones share the bytes.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    is_root: bool,
    /// The task without its messages.
    shell: Bytes,
    messages: Vec<Message>,
}

#[derive(Clone)]
struct Message {
    id: String,
    bytes: Bytes,
    tail: Option<Tail>,
}

/// Text that is still to be appended: pieces are put together here, so that a long answer is not copied for each.
#[derive(Clone)]
struct Tail {
    path: String,
    text: String,
}

/// A tool call without a result.
pub(crate) struct OpenCall {
    pub(crate) id: String,
    /// The task that works on it, if it is one of the upstream's own agents.
    pub(crate) subtask: Option<String>,
    /// Whether the upstream answers it itself.
    pub(crate) is_the_upstreams: bool,
}

impl Task {
    pub(crate) fn parse(task: &[u8]) -> Result<Self, StateError> {
        let id = wire::text(task, ID)?.to_owned();
        if id.is_empty() {
            return Err(StateError::NoId);
        }
        let parent = wire::submessage(task, DEPENDENCIES)?;
        let messages = wire::contents(task, MESSAGES)?.into_iter().map(Message::parse);
        Ok(Self {
            id,
            is_root: wire::text(&parent, 1)?.is_empty(),
            shell: wire::replace(task, MESSAGES, |number| number == MESSAGES, &[])?.into(),
            messages: messages.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it has no parent.
    pub(crate) fn is_root(&self) -> bool {
        self.is_root
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut messages = Vec::new();
        for message in &self.messages {
            wire::put(&mut messages, MESSAGES, &message.whole()?);
        }
        Ok(wire::replace(&self.shell, MESSAGES, |_| false, &messages)?)
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        const EACH: usize = size_of::<Message>();
        let tail = |message: &Message| message.tail.as_ref().map_or(0, |tail| tail.text.len());
        let messages = self.messages.iter().map(|m| EACH + m.id.len() + m.bytes.len() + tail(m));
        self.id.len() + self.shell.len() + messages.sum::<usize>()
    }

    /// Sets a field of the task that holds text.
    pub(crate) fn set_text(&mut self, number: u32, text: &str) -> Result<(), StateError> {
        self.shell = wire::with_content(&self.shell, number, text.as_bytes())?.into();
        Ok(())
    }

    /// Adds a message. One that is there already is replaced: ids are unique.
    pub(crate) fn add(&mut self, message: &[u8]) -> Result<(), StateError> {
        let message = Message::parse(message)?;
        match self.messages.iter_mut().find(|known| known.id == message.id) {
            Some(known) => *known = message,
            None => self.messages.push(message),
        }
        Ok(())
    }

    /// Replaces what the paths name. A message that is not there is added whole.
    pub(crate) fn update(&mut self, patch: &[u8], paths: &[&str]) -> Result<(), StateError> {
        let Some(message) = self.find(patch)? else { return self.add(patch) };
        message.settle()?;
        for path in paths {
            if let Some(updated) = mask::update(&message.bytes, patch, path)? {
                message.bytes = updated.into();
            }
        }
        Ok(())
    }

    /// Appends to the texts that the paths name.
    pub(crate) fn append(&mut self, patch: &[u8], paths: &[&str]) -> Result<(), StateError> {
        let message = self.find(patch)?.ok_or(StateError::UnknownMessage)?;
        if let ([path], Some(tail)) = (paths, &mut message.tail)
            && tail.path == *path
            && let Some(text) = mask::text_at(patch, path)?
        {
            tail.text.push_str(&text);
            return Ok(());
        }
        message.settle()?;
        for path in paths {
            if let Some(appended) = mask::append(&message.bytes, patch, path)? {
                message.bytes = appended.into();
            }
        }
        if let [path] = paths
            && mask::text_at(patch, path)?.is_some()
        {
            message.tail = Some(Tail { path: (*path).to_owned(), text: String::new() });
        }
        Ok(())
    }

    /// Cuts the messages from `first` to `last` out and puts others in their place.
    pub(crate) fn cut(
        &mut self,
        first: &str,
        last: &str,
        expected: usize,
        replacement: &[&[u8]],
    ) -> Result<Vec<Bytes>, StateError> {
        let place = |id| self.messages.iter().position(|message| message.id == id);
        let (Some(first), Some(last)) = (place(first), place(last)) else {
            return Err(StateError::UnknownMessage);
        };
        if last < first || last - first + 1 != expected {
            return Err(StateError::Range);
        }
        let replacement: Vec<_> =
            replacement.iter().map(|message| Message::parse(message)).collect::<Result<_, _>>()?;
        let cut = self.messages.splice(first..=last, replacement);
        cut.map(|message| message.whole()).collect()
    }

    /// Adds a message of another task.
    pub(crate) fn take_over(&mut self, message: &[u8]) -> Result<(), StateError> {
        let message = wire::with_content(message, TASK_ID, self.id.as_bytes())?;
        self.add(&message)
    }

    /// The calls that have no result, in their order.
    pub(crate) fn open_calls(&self) -> Result<Vec<OpenCall>, StateError> {
        let mut open: Vec<OpenCall> = Vec::new();
        for message in &self.messages {
            let is_of_call = |field: Result<wire::Field<'_>, _>| {
                field.is_ok_and(|field| [TOOL_CALL, TOOL_CALL_RESULT].contains(&field.number))
            };
            if !wire::fields(&message.bytes).any(is_of_call) {
                continue;
            }
            match decode(&message.whole()?)?.message {
                Some(Kind::ToolCall(call)) => open.push(OpenCall {
                    id: call.tool_call_id,
                    is_the_upstreams: matches!(call.tool, Some(Tool::Server(_) | Tool::Subagent(_))),
                    subtask: match call.tool {
                        Some(Tool::Subagent(subagent)) => Some(subagent.task_id),
                        _ => None,
                    },
                }),
                Some(Kind::ToolCallResult(result)) => open.retain(|call| call.id != result.tool_call_id),
                _ => {}
            }
        }
        Ok(open)
    }

    /// The task with these attachments on the last thing the user said. `None` if the user said nothing.
    pub(crate) fn with_attachments(
        &self,
        wanted: &warp::message::UserQuery,
    ) -> Result<Option<Self>, StateError> {
        const ATTACHMENTS: u32 = 3;
        for (index, message) in self.messages.iter().enumerate().rev() {
            let bytes = message.whole()?;
            let Some(Kind::UserQuery(query)) = decode(&bytes)?.message else { continue };
            let mut task = self.clone();
            if query.referenced_attachments != wanted.referenced_attachments {
                let query = wire::submessage(&bytes, USER_QUERY)?;
                let attachments = wanted.encode_to_vec();
                let query = wire::replace(&query, ATTACHMENTS, |number| number == ATTACHMENTS, &attachments)?;
                task.messages[index].tail = None;
                task.messages[index].bytes = wire::with_content(&bytes, USER_QUERY, &query)?.into();
            }
            return Ok(Some(task));
        }
        Ok(None)
    }

    fn find(&mut self, patch: &[u8]) -> Result<Option<&mut Message>, StateError> {
        let id = wire::text(patch, MESSAGE_ID)?;
        Ok(self.messages.iter_mut().find(|message| message.id == id))
    }
}

impl Message {
    fn parse(message: &[u8]) -> Result<Self, StateError> {
        let id = wire::text(message, MESSAGE_ID)?.to_owned();
        if id.is_empty() {
            return Err(StateError::NoId);
        }
        // A copy, so that a small message does not keep the whole event alive.
        Ok(Self { id, bytes: Bytes::copy_from_slice(message), tail: None })
    }

    /// The message with all that was appended.
    fn whole(&self) -> Result<Bytes, StateError> {
        match &self.tail {
            Some(Tail { path, text }) if !text.is_empty() => {
                let appended = mask::append(&self.bytes, &mask::patch_with(text, path), path)?;
                Ok(appended.map_or_else(|| self.bytes.clone(), Bytes::from))
            }
            _ => Ok(self.bytes.clone()),
        }
    }

    fn settle(&mut self) -> Result<(), StateError> {
        self.bytes = self.whole()?;
        self.tail = None;
        Ok(())
    }
}

fn decode(message: &[u8]) -> Result<warp::Message, StateError> {
    warp::Message::decode(message).map_err(|_| MaskError::Malformed(Malformed).into())
}
