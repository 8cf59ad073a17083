//! The messages of a request and the blocks of their content, as callers send them.

use serde_json::value::RawValue;

use crate::json::{Flag, Object, Skipped, Text, TextOrList, TextOrListOrElse, TextOrObject, entries};

/// One message of the conversation, of any role.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub(crate) role: Option<Text<'a>>,
    pub(crate) content: Option<TextOrList<'a, Object<Block<'a>>>>,
}

entries!(Message<'de> {
    "role" => role,
    "content" => content,
});

/// One block of content, of any type.
#[derive(Debug, Default)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) text: Option<Text<'a>>,
    pub(crate) thinking: Option<Text<'a>>,
    /// Where an image or a document is; of a search result, its address.
    pub(crate) source: Option<TextOrObject<'a, Source<'a>>>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) context: Option<Text<'a>>,
    pub(crate) id: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    /// The arguments of a call, to the byte.
    pub(crate) input: Option<&'a RawValue>,
    pub(crate) tool_use_id: Option<Text<'a>>,
    /// What a tool answered, or what a search result says. Blocks of Anthropic's own servers have objects here.
    pub(crate) content: Option<TextOrListOrElse<'a, Object<Self>>>,
    pub(crate) is_error: Option<Flag>,
    pub(crate) tool_name: Option<Text<'a>>,
    pub(crate) cache_control: Option<Skipped>,
}

entries!(Block<'de> {
    "type" => kind,
    "text" => text,
    "thinking" => thinking,
    "source" => source,
    "title" => title,
    "context" => context,
    "id" => id,
    "name" => name,
    "input" => input,
    "tool_use_id" => tool_use_id,
    "content" => content,
    "is_error" => is_error,
    "tool_name" => tool_name,
    "cache_control" => cache_control,
});

/// Where an image or a document is.
#[derive(Debug, Default)]
pub(crate) struct Source<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) data: Option<Text<'a>>,
    pub(crate) url: Option<Text<'a>>,
    pub(crate) content: Option<TextOrListOrElse<'a, Object<Block<'a>>>>,
}

entries!(Source<'de> {
    "type" => kind,
    "data" => data,
    "url" => url,
    "content" => content,
});
