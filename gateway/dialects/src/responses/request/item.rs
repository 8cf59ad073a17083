//! The items of the input as callers send them: what was said, what was called, what came back, and much that only
//! OpenAI's own servers can make sense of.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::content::Content;
use crate::json::{List, Object, Text, TextOrList, entries, read};
use crate::rejection::Rejection;

/// An item of the input.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// Somebody spoke.
    Said(Said<'a>),
    /// The model called a function.
    FunctionCall(Called<'a>),
    /// The model called a tool that takes text.
    CustomCall(Called<'a>),
    /// A tool answered.
    Output(Output<'a>),
    /// The model thought.
    Reasoning(Reasoning<'a>),
    /// More tools.
    Tools(Vec<&'a RawValue>),
    /// What a tool of OpenAI's servers did.
    Hosted(Cow<'a, str>),
    /// An item that is only named.
    Reference(Option<Text<'a>>),
    /// Something that nobody but OpenAI's servers can read, or something unknown.
    Opaque,
}

/// What tools of OpenAI's servers leave in a conversation, and tools that are run elsewhere and not offered here.
const HOSTED: &[&str] = &[
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "configuration_update",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

impl<'a> Item<'a> {
    /// Reads the item at `path`.
    pub(crate) fn read(raw: &'a RawValue, path: &str) -> Result<Self, Rejection> {
        let json = raw.get().as_bytes();
        let at = |error| Rejection::read(path, error);
        let Object(Typed { id, kind, role, content }) = read::<Object<Typed<'_>>>(json).map_err(at)?;
        Ok(match kind.as_ref().map(Text::as_str) {
            None if role.is_none() && content.is_none() => Self::Reference(id),
            None | Some("message") => Self::Said(read::<Object<Said<'_>>>(json).map_err(at)?.0),
            Some("function_call") => Self::FunctionCall(read::<Object<Called<'_>>>(json).map_err(at)?.0),
            Some("custom_tool_call") => Self::CustomCall(read::<Object<Called<'_>>>(json).map_err(at)?.0),
            Some("function_call_output" | "custom_tool_call_output") => {
                Self::Output(read::<Object<Output<'_>>>(json).map_err(at)?.0)
            }
            Some("reasoning") => Self::Reasoning(read::<Object<Reasoning<'_>>>(json).map_err(at)?.0),
            Some("additional_tools") => {
                let Object(more) = read::<Object<MoreTools<'_>>>(json).map_err(at)?;
                Self::Tools(more.tools.map(|tools| tools.0).unwrap_or_default())
            }
            Some("item_reference") => Self::Reference(id),
            Some(kind) if HOSTED.contains(&kind) => Self::Hosted(kind.to_owned().into()),
            Some(_) => Self::Opaque,
        })
    }
}

/// What tells the kind of an item.
#[derive(Debug, Default)]
struct Typed<'a> {
    id: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    role: Option<&'a RawValue>,
    content: Option<&'a RawValue>,
}

entries!(Typed<'de> {
    "id" => id,
    "type" => kind,
    "role" => role,
    "content" => content,
});

/// What somebody said.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) role: Option<Text<'a>>,
    pub(crate) content: Option<Content<'a>>,
}

impl<'a> Said<'a> {
    /// What the person said.
    pub(crate) fn user(text: Cow<'a, str>) -> Self {
        Self { role: Some(Text("user".into())), content: Some(TextOrList::Text(text)) }
    }
}

entries!(Said<'de> {
    "role" => role,
    "content" => content,
});

/// A call of a function or of a tool that takes text.
#[derive(Debug, Default)]
pub(crate) struct Called<'a> {
    pub(crate) call_id: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) namespace: Option<Text<'a>>,
    /// A string of JSON, or from some clients the object itself.
    pub(crate) arguments: Option<&'a RawValue>,
    /// The text.
    pub(crate) input: Option<Text<'a>>,
}

entries!(Called<'de> {
    "call_id" => call_id,
    "name" => name,
    "namespace" => namespace,
    "arguments" => arguments,
    "input" => input,
});

/// What a tool answered.
#[derive(Debug, Default)]
pub(crate) struct Output<'a> {
    pub(crate) call_id: Option<Text<'a>>,
    /// A string or parts of content; from some clients any other JSON.
    pub(crate) output: Option<&'a RawValue>,
}

entries!(Output<'de> {
    "call_id" => call_id,
    "output" => output,
});

impl<'a> Output<'a> {
    /// What was answered. JSON that is no content is taken as text.
    pub(crate) fn content(&self, path: &str) -> Result<Option<Content<'a>>, Rejection> {
        let Some(raw) = self.output else { return Ok(None) };
        if !raw.get().starts_with(['"', '[']) {
            return Ok(Some(TextOrList::Text(raw.get().into())));
        }
        let content = read(raw.get().as_bytes()).map_err(|error| Rejection::read(path, error))?;
        Ok(Some(content))
    }
}

/// What the model thought: a summary, perhaps the whole, perhaps something that only OpenAI's servers can read.
#[derive(Debug, Default)]
pub(crate) struct Reasoning<'a> {
    pub(crate) summary: Option<List<Object<Thought<'a>>>>,
    pub(crate) content: Option<List<Object<Thought<'a>>>>,
}

entries!(Reasoning<'de> {
    "summary" => summary,
    "content" => content,
});

/// A piece of thinking.
#[derive(Debug, Default)]
pub(crate) struct Thought<'a> {
    pub(crate) text: Option<Text<'a>>,
}

entries!(Thought<'de> {
    "text" => text,
});

#[derive(Debug, Default)]
struct MoreTools<'a> {
    tools: Option<List<&'a RawValue>>,
}

entries!(MoreTools<'de> {
    "tools" => tools,
});
