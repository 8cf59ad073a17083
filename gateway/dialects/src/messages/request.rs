//! The body of `POST /v1/messages` as callers send it. Every field of the reference is here, read leniently; what the
//! fields mean together is decided in `accept`.
//!
//! Text borrows from the body: an image of megabytes is not copied before it is decoded.

mod block;
mod tool;

use serde::de::MapAccess;
use serde_json::value::RawValue;

pub(super) use block::{Block, Message, Source};
pub(super) use tool::{Tool, ToolChoice};

use crate::json::{
    Entries, Flag, Integer, List, Object, Real, Skipped, Text, TextOrList, entries, read_body, skip,
};
use crate::rejection::Rejection;
use crate::unknown::Unknown;

/// A request that was read, and not yet looked at.
#[derive(Debug, Default)]
pub struct MessagesRequest<'a> {
    pub(super) model: Option<Text<'a>>,
    pub(super) max_tokens: Option<Integer>,
    pub(super) system: Option<TextOrList<'a, Object<Block<'a>>>>,
    pub(super) messages: Option<List<Object<Message<'a>>>>,
    pub(super) stream: Option<Flag>,
    pub(super) tools: Option<List<&'a RawValue>>,
    pub(super) tool_choice: Option<Object<ToolChoice<'a>>>,
    pub(super) stop_sequences: Option<List<Text<'a>>>,
    pub(super) output_config: Option<Object<OutputConfig<'a>>>,
    pub(super) thinking: Option<Object<Thinking<'a>>>,
    pub(super) temperature: Option<Real>,
    pub(super) top_p: Option<Real>,
    pub(super) top_k: Option<Integer>,
    pub(super) metadata: Option<Object<FreeForm>>,
    pub(super) context_management: Option<Object<FreeForm>>,
    pub(super) mcp_servers: Option<List<Skipped>>,
    pub(super) service_tier: Option<Text<'a>>,
    pub(super) speed: Option<Text<'a>>,
    pub(super) cache_control: Option<Object<Skipped>>,
    /// The names of fields the reference does not know, where they are not null.
    pub(super) unknown: Unknown,
}

impl<'a> MessagesRequest<'a> {
    /// Reads the body of a request.
    ///
    /// A body that is not JSON is rejected with line and column, a value of the wrong type with its path.
    pub fn parse(body: &'a [u8]) -> Result<Self, Rejection> {
        read_body(body).map_err(|error| Rejection::read("", error))
    }
}

impl<'de> Entries<'de> for MessagesRequest<'de> {
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "model" => self.model = map.next_value()?,
            "max_tokens" => self.max_tokens = map.next_value()?,
            "system" => self.system = map.next_value()?,
            "messages" => self.messages = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "tools" => self.tools = map.next_value()?,
            "tool_choice" => self.tool_choice = map.next_value()?,
            "stop_sequences" => self.stop_sequences = map.next_value()?,
            "output_config" => self.output_config = map.next_value()?,
            "thinking" => self.thinking = map.next_value()?,
            "temperature" => self.temperature = map.next_value()?,
            "top_p" => self.top_p = map.next_value()?,
            "top_k" => self.top_k = map.next_value()?,
            "metadata" => self.metadata = map.next_value()?,
            "context_management" => self.context_management = map.next_value()?,
            "mcp_servers" => self.mcp_servers = map.next_value()?,
            "service_tier" => self.service_tier = map.next_value()?,
            "speed" => self.speed = map.next_value()?,
            "cache_control" => self.cache_control = map.next_value()?,
            unknown => self.unknown.pass_over(unknown, map)?,
        }
        Ok(())
    }
}

/// What the answer is to be like.
#[derive(Debug, Default)]
pub(super) struct OutputConfig<'a> {
    pub(super) effort: Option<Text<'a>>,
    pub(super) format: Option<Skipped>,
    pub(super) task_budget: Option<Skipped>,
}

entries!(OutputConfig<'de> {
    "effort" => effort,
    "format" => format,
    "task_budget" => task_budget,
});

/// Whether the model is to think aloud.
#[derive(Debug, Default)]
pub(super) struct Thinking<'a> {
    pub(super) kind: Option<Text<'a>>,
}

entries!(Thinking<'de> {
    "type" => kind,
});

/// An object whose entries are not looked at.
#[derive(Debug, Default)]
pub(super) struct FreeForm {
    pub(super) any: bool,
}

impl<'de> Entries<'de> for FreeForm {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.any = true;
        skip(map)
    }
}
