//! The tools of a request and the choice among them, as callers send them.

use serde_json::value::RawValue;

use crate::json::{Flag, Skipped, Text, entries};

/// An offered tool of any type.
#[derive(Debug, Default)]
pub(crate) struct Tool<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    /// The JSON Schema, to the byte.
    pub(crate) input_schema: Option<&'a RawValue>,
    pub(crate) strict: Option<Flag>,
    pub(crate) defer_loading: Option<Flag>,
    pub(crate) cache_control: Option<Skipped>,
}

entries!(Tool<'de> {
    "type" => kind,
    "name" => name,
    "description" => description,
    "input_schema" => input_schema,
    "strict" => strict,
    "defer_loading" => defer_loading,
    "cache_control" => cache_control,
});

/// A choice among the tools.
#[derive(Debug, Default)]
pub(crate) struct ToolChoice<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) disable_parallel_tool_use: Option<Flag>,
}

entries!(ToolChoice<'de> {
    "type" => kind,
    "disable_parallel_tool_use" => disable_parallel_tool_use,
});
