//! The tools of a request and the choice among them, as callers send them.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::json::{Entries, Flag, List, Object, Text, entries};

/// An offered tool of any type. What belongs to functions stays unread until the type is known.
#[derive(Debug, Default)]
pub(crate) struct Tool<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) function: Option<&'a RawValue>,
}

entries!(Tool<'de> {
    "type" => kind,
    "function" => function,
});

/// A function the model may call.
#[derive(Debug, Default)]
pub(crate) struct Function<'a> {
    pub(crate) name: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    /// The JSON Schema, to the byte.
    pub(crate) parameters: Option<&'a RawValue>,
    pub(crate) strict: Option<Flag>,
}

entries!(Function<'de> {
    "name" => name,
    "description" => description,
    "parameters" => parameters,
    "strict" => strict,
});

/// A choice of tools that is more than a word.
#[derive(Debug, Default)]
pub(crate) struct ToolChoice<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) allowed_tools: Option<Object<AllowedTools<'a>>>,
    /// `mode` and `tools` directly, as the Responses API writes them.
    pub(crate) flat: AllowedTools<'a>,
}

impl<'de> Entries<'de> for ToolChoice<'de> {
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = map.next_value()?,
            "allowed_tools" => self.allowed_tools = map.next_value()?,
            other => self.flat.entry(other, map)?,
        }
        Ok(())
    }
}

/// The tools the model is to keep to.
#[derive(Debug, Default)]
pub(crate) struct AllowedTools<'a> {
    pub(crate) mode: Option<Text<'a>>,
    pub(crate) tools: Option<List<Object<AllowedTool<'a>>>>,
}

entries!(AllowedTools<'de> {
    "mode" => mode,
    "tools" => tools,
});

/// One tool the model is to keep to.
#[derive(Debug, Default)]
pub(crate) struct AllowedTool<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) function: Option<Object<Named<'a>>>,
    pub(crate) name: Option<Text<'a>>,
}

entries!(AllowedTool<'de> {
    "type" => kind,
    "function" => function,
    "name" => name,
});

/// An object that names something.
#[derive(Debug, Default)]
pub(crate) struct Named<'a> {
    pub(crate) name: Option<Text<'a>>,
}

entries!(Named<'de> {
    "name" => name,
});
