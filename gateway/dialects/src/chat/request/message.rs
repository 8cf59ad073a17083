//! The messages of a request and their parts, as callers send them.

use serde_json::value::RawValue;

use super::FreeForm;
use crate::content::Content;
use crate::json::{List, Object, Text, entries};

/// One message of the conversation, of any role.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub(crate) role: Option<Text<'a>>,
    pub(crate) content: Option<Content<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) tool_calls: Option<List<Object<ToolCall<'a>>>>,
    pub(crate) tool_call_id: Option<Text<'a>>,
    pub(crate) function_call: Option<Object<CalledFunction<'a>>>,
    pub(crate) refusal: Option<Text<'a>>,
    pub(crate) reasoning_content: Option<Text<'a>>,
    /// What some servers call `reasoning_content`. Others put an object here, so it is looked at later.
    pub(crate) reasoning: Option<&'a RawValue>,
    pub(crate) audio: Option<Object<FreeForm>>,
}

entries!(Message<'de> {
    "role" => role,
    "content" => content,
    "name" => name,
    "tool_calls" => tool_calls,
    "tool_call_id" => tool_call_id,
    "function_call" => function_call,
    "refusal" => refusal,
    "reasoning_content" => reasoning_content,
    "reasoning" => reasoning,
    "audio" => audio,
});

/// A call an assistant message made.
#[derive(Debug, Default)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Option<Text<'a>>,
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) function: Option<Object<CalledFunction<'a>>>,
}

entries!(ToolCall<'de> {
    "id" => id,
    "type" => kind,
    "function" => function,
});

/// The function of a call, with its arguments: a string of JSON, or from some clients the object itself.
#[derive(Debug, Default)]
pub(crate) struct CalledFunction<'a> {
    pub(crate) name: Option<Text<'a>>,
    pub(crate) arguments: Option<&'a RawValue>,
}

entries!(CalledFunction<'de> {
    "name" => name,
    "arguments" => arguments,
});
