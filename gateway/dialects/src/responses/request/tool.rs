//! The tools of a request and the choice among them, as callers send them.

use serde_json::value::RawValue;

use crate::json::{Flag, List, Object, Text, entries};

/// An offered tool of any type.
#[derive(Debug, Default)]
pub(crate) struct Tool<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    /// The JSON Schema of a function's arguments, to the byte.
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<Flag>,
    /// What the text of a custom tool is to be like.
    pub(crate) format: Option<Object<Format<'a>>>,
    /// The tools of a namespace.
    pub(crate) tools: Option<List<&'a RawValue>>,
}

entries!(Tool<'de> {
    "type" => kind,
    "name" => name,
    "description" => description,
    "parameters" => parameters,
    "strict" => strict,
    "format" => format,
    "tools" => tools,
});

/// What a text is to be like.
#[derive(Debug, Default)]
pub(crate) struct Format<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) syntax: Option<Text<'a>>,
    pub(crate) definition: Option<Text<'a>>,
}

entries!(Format<'de> {
    "type" => kind,
    "syntax" => syntax,
    "definition" => definition,
});

/// A choice of tools that is more than a word.
#[derive(Debug, Default)]
pub(crate) struct ToolChoice<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) mode: Option<Text<'a>>,
    pub(crate) tools: Option<List<Object<AllowedTool<'a>>>>,
}

entries!(ToolChoice<'de> {
    "type" => kind,
    "mode" => mode,
    "tools" => tools,
});

/// One tool the model is to keep to.
#[derive(Debug, Default)]
pub(crate) struct AllowedTool<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) namespace: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
}

entries!(AllowedTool<'de> {
    "type" => kind,
    "namespace" => namespace,
    "name" => name,
});
