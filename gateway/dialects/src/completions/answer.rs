//! What a streamed and a whole completion have in common.

use serde::Serialize;
use warp2api_proto::warp_chat::v1::FinishReason;

use crate::chat::Usage;

/// What an answer needs to know of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The model as the caller named it.
    pub model: String,
    /// Whether a stream is to end with a chunk about usage.
    pub include_usage: bool,
    /// The prompt, if the answer is to begin with it.
    pub echo: Option<String>,
}

/// OpenAI's word for the end.
pub(super) fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::Unspecified | FinishReason::Stop | FinishReason::ToolCalls => "stop",
    }
}

/// A whole completion, or a chunk of one.
#[derive(Debug, Serialize)]
pub(super) struct Completion<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'a str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    pub(super) choices: &'a [Choice<'a>],
    /// Absent, null where it is still to come, or known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Option<Usage>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Choice<'a> {
    pub(super) text: &'a str,
    pub(super) index: u32,
    pub(super) logprobs: Option<()>,
    pub(super) finish_reason: Option<&'a str>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(text: &'a str, finish_reason: Option<&'a str>) -> Self {
        Self { text, index: 0, logprobs: None, finish_reason }
    }
}
