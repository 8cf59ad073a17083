//! The body of `POST /v1/completions` as callers send it, read leniently.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::json::{Entries, Flag, Integer, Object, Real, Text, TextOrList, entries, read_body};
use crate::rejection::Rejection;
use crate::unknown::Unknown;

/// A request that was read, and not yet looked at.
#[derive(Debug, Default)]
pub struct CompletionRequest<'a> {
    pub(super) model: Option<Text<'a>>,
    pub(super) prompt: Option<TextOrList<'a, &'a RawValue>>,
    pub(super) stream: Option<Flag>,
    pub(super) stream_options: Option<Object<StreamOptions>>,
    pub(super) max_tokens: Option<Integer>,
    pub(super) stop: Option<TextOrList<'a, Text<'a>>>,
    pub(super) echo: Option<Flag>,
    pub(super) suffix: Option<Text<'a>>,
    pub(super) n: Option<Integer>,
    pub(super) best_of: Option<Integer>,
    pub(super) logprobs: Option<Integer>,
    pub(super) temperature: Option<Real>,
    pub(super) top_p: Option<Real>,
    pub(super) frequency_penalty: Option<Real>,
    pub(super) presence_penalty: Option<Real>,
    pub(super) logit_bias: Option<Object<Biases>>,
    pub(super) seed: Option<Integer>,
    pub(super) user: Option<Text<'a>>,
    /// The names of fields the reference does not know, where they are not null.
    pub(super) unknown: Unknown,
}

impl<'a> CompletionRequest<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When the body is not JSON, with line and column, or a value is of the wrong type, with its path.
    pub fn parse(body: &'a [u8]) -> Result<Self, Rejection> {
        read_body(body).map_err(|error| Rejection::read("", error))
    }
}

impl<'de> Entries<'de> for CompletionRequest<'de> {
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "model" => self.model = map.next_value()?,
            "prompt" => self.prompt = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "stream_options" => self.stream_options = map.next_value()?,
            "max_tokens" => self.max_tokens = map.next_value()?,
            "stop" => self.stop = map.next_value()?,
            "echo" => self.echo = map.next_value()?,
            "suffix" => self.suffix = map.next_value()?,
            "n" => self.n = map.next_value()?,
            "best_of" => self.best_of = map.next_value()?,
            "logprobs" => self.logprobs = map.next_value()?,
            "temperature" => self.temperature = map.next_value()?,
            "top_p" => self.top_p = map.next_value()?,
            "frequency_penalty" => self.frequency_penalty = map.next_value()?,
            "presence_penalty" => self.presence_penalty = map.next_value()?,
            "logit_bias" => self.logit_bias = map.next_value()?,
            "seed" => self.seed = map.next_value()?,
            "user" => self.user = map.next_value()?,
            unknown => self.unknown.pass_over(unknown, map)?,
        }
        Ok(())
    }
}

/// How to stream.
#[derive(Debug, Default)]
pub(super) struct StreamOptions {
    pub(super) include_usage: Option<Flag>,
    pub(super) include_obfuscation: Option<Flag>,
}

entries!(StreamOptions {
    "include_usage" => include_usage,
    "include_obfuscation" => include_obfuscation,
});

/// Biases by token. They cannot be honoured.
#[derive(Debug, Default)]
pub(super) struct Biases {
    pub(super) any: bool,
}

impl<'de> Entries<'de> for Biases {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        self.any = true;
        map.next_value::<Real>().map(drop)
    }
}
