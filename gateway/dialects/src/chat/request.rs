//! The body of `POST /v1/chat/completions` as callers send it. Every field of the reference is here, read leniently;
//! what the fields mean together is decided in `accept`.
//!
//! Text borrows from the body: an image of megabytes is not copied before it is decoded.

mod message;
mod tool;

use serde::de::MapAccess;
use serde_json::value::RawValue;

pub(super) use message::{CalledFunction, Message, ToolCall};
pub(super) use tool::{AllowedTools, Function, Named, Tool, ToolChoice};

use crate::json::{
    Entries, Flag, Integer, List, Object, Real, Text, TextOrList, TextOrObject, entries, read_body, skip,
};
use crate::rejection::Rejection;
use crate::unknown::Unknown;

/// A request that was read, and not yet looked at.
#[derive(Debug, Default)]
pub struct ChatCompletionRequest<'a> {
    pub(crate) model: Option<Text<'a>>,
    pub(crate) messages: Option<List<Object<Message<'a>>>>,
    pub(crate) stream: Option<Flag>,
    pub(crate) stream_options: Option<Object<StreamOptions>>,
    pub(crate) tools: Option<List<&'a RawValue>>,
    pub(crate) tool_choice: Option<TextOrObject<'a, ToolChoice<'a>>>,
    pub(crate) parallel_tool_calls: Option<Flag>,
    pub(crate) functions: Option<List<Object<Function<'a>>>>,
    pub(crate) function_call: Option<TextOrObject<'a, Named<'a>>>,
    pub(crate) max_completion_tokens: Option<Integer>,
    pub(crate) max_tokens: Option<Integer>,
    pub(crate) stop: Option<TextOrList<'a, Text<'a>>>,
    pub(crate) reasoning_effort: Option<Text<'a>>,
    pub(crate) n: Option<Integer>,
    pub(crate) logprobs: Option<Flag>,
    pub(crate) top_logprobs: Option<Integer>,
    pub(crate) modalities: Option<List<Text<'a>>>,
    pub(crate) temperature: Option<Real>,
    pub(crate) top_p: Option<Real>,
    pub(crate) frequency_penalty: Option<Real>,
    pub(crate) presence_penalty: Option<Real>,
    pub(crate) logit_bias: Option<Object<LogitBias>>,
    pub(crate) seed: Option<Integer>,
    pub(crate) response_format: Option<Object<Typed<'a>>>,
    pub(crate) audio: Option<Object<FreeForm>>,
    pub(crate) prediction: Option<Object<FreeForm>>,
    pub(crate) web_search_options: Option<Object<FreeForm>>,
    pub(crate) moderation: Option<Object<FreeForm>>,
    pub(crate) metadata: Option<Object<FreeForm>>,
    pub(crate) prompt_cache_options: Option<Object<FreeForm>>,
    pub(crate) prompt_cache_key: Option<Text<'a>>,
    pub(crate) prompt_cache_retention: Option<Text<'a>>,
    pub(crate) safety_identifier: Option<Text<'a>>,
    pub(crate) user: Option<Text<'a>>,
    pub(crate) service_tier: Option<Text<'a>>,
    pub(crate) verbosity: Option<Text<'a>>,
    pub(crate) store: Option<Flag>,
    /// The names of fields the reference does not know, where they are not null.
    pub(crate) unknown: Unknown,
}

impl<'a> ChatCompletionRequest<'a> {
    /// Reads the body of a request.
    ///
    /// A body that is not JSON is rejected with line and column, a value of the wrong type with its path.
    pub fn parse(body: &'a [u8]) -> Result<Self, Rejection> {
        read_body(body).map_err(|error| Rejection::read("", error))
    }
}

impl<'de> Entries<'de> for ChatCompletionRequest<'de> {
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "model" => self.model = map.next_value()?,
            "messages" => self.messages = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "stream_options" => self.stream_options = map.next_value()?,
            "tools" => self.tools = map.next_value()?,
            "tool_choice" => self.tool_choice = map.next_value()?,
            "parallel_tool_calls" => self.parallel_tool_calls = map.next_value()?,
            "functions" => self.functions = map.next_value()?,
            "function_call" => self.function_call = map.next_value()?,
            "max_completion_tokens" => self.max_completion_tokens = map.next_value()?,
            "max_tokens" => self.max_tokens = map.next_value()?,
            "stop" => self.stop = map.next_value()?,
            "reasoning_effort" => self.reasoning_effort = map.next_value()?,
            "n" => self.n = map.next_value()?,
            "logprobs" => self.logprobs = map.next_value()?,
            "top_logprobs" => self.top_logprobs = map.next_value()?,
            "modalities" => self.modalities = map.next_value()?,
            "temperature" => self.temperature = map.next_value()?,
            "top_p" => self.top_p = map.next_value()?,
            "frequency_penalty" => self.frequency_penalty = map.next_value()?,
            "presence_penalty" => self.presence_penalty = map.next_value()?,
            "logit_bias" => self.logit_bias = map.next_value()?,
            "seed" => self.seed = map.next_value()?,
            "response_format" => self.response_format = map.next_value()?,
            "audio" => self.audio = map.next_value()?,
            "prediction" => self.prediction = map.next_value()?,
            "web_search_options" => self.web_search_options = map.next_value()?,
            "moderation" => self.moderation = map.next_value()?,
            "metadata" => self.metadata = map.next_value()?,
            "prompt_cache_options" => self.prompt_cache_options = map.next_value()?,
            "prompt_cache_key" => self.prompt_cache_key = map.next_value()?,
            "prompt_cache_retention" => self.prompt_cache_retention = map.next_value()?,
            "safety_identifier" => self.safety_identifier = map.next_value()?,
            "user" => self.user = map.next_value()?,
            "service_tier" => self.service_tier = map.next_value()?,
            "verbosity" => self.verbosity = map.next_value()?,
            "store" => self.store = map.next_value()?,
            unknown => self.unknown.pass_over(unknown, map)?,
        }
        Ok(())
    }
}

/// An object of which only its `type` matters.
#[derive(Debug, Default)]
pub(crate) struct Typed<'a> {
    pub(crate) kind: Option<Text<'a>>,
}

entries!(Typed<'de> {
    "type" => kind,
});

/// How to stream.
#[derive(Debug, Default)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<Flag>,
    pub(crate) include_obfuscation: Option<Flag>,
}

entries!(StreamOptions {
    "include_usage" => include_usage,
    "include_obfuscation" => include_obfuscation,
});

/// Biases by token. Only checked, since they cannot be honoured.
#[derive(Debug, Default)]
pub(crate) struct LogitBias {
    pub(crate) any: bool,
    pub(crate) out_of_range: bool,
}

impl<'de> Entries<'de> for LogitBias {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        let Real(bias) = map.next_value()?;
        self.any = true;
        self.out_of_range |= !(-100.0..=100.0).contains(&bias);
        Ok(())
    }
}

/// An object whose entries are not looked at.
#[derive(Debug, Default)]
pub(crate) struct FreeForm {
    pub(crate) any: bool,
}

impl<'de> Entries<'de> for FreeForm {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.any = true;
        skip(map)
    }
}
