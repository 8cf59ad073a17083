//! What a streamed and a whole answer have in common: the head that every chunk repeats, the ids of calls, the
//! reason of the end, and usage.

use serde::Serialize;
use warp2api_proto::warp_chat::v1::FinishReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;

use crate::calls::CallIds;
use crate::dialect::Stamp;
use crate::usage::Tokens;

/// How the caller wants to be told of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallStyle {
    /// As `tool_calls`.
    #[default]
    Tools,
    /// As `function_call`, for a request that offers `functions` and no `tools`. It has room for one call.
    Function,
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The model as the caller named it.
    pub model: String,
    /// Whether a stream is to end with a chunk about usage.
    pub include_usage: bool,
    /// How the caller wants to be told of calls.
    pub call_style: CallStyle,
}

/// What is known of an answer before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The id of the completion: `chatcmpl-` and what is unique.
    pub id: String,
    /// What is unique about the answer.
    pub unique: String,
    /// When the request came, in seconds since 1970.
    pub created: i64,
    /// The model as the caller named it. The answer names the one the service resolved it to, where it says so.
    pub model: String,
    /// Whether a stream ends with a chunk about usage.
    pub include_usage: bool,
    /// How the caller wants to be told of calls.
    pub call_style: CallStyle,
}

impl Plan {
    pub(super) fn head(self, stamp: Stamp) -> AnswerHead {
        let Self { model, include_usage, call_style } = self;
        let Stamp { unique, created } = stamp;
        AnswerHead { id: format!("chatcmpl-{unique}"), unique, created, model, include_usage, call_style }
    }
}

/// Gives the calls of an answer their places.
#[derive(Debug)]
pub(super) struct Calls {
    style: CallStyle,
    ids: CallIds,
}

impl Calls {
    pub(super) fn new(head: &AnswerHead) -> Self {
        Self { style: head.call_style, ids: CallIds::of(&head.unique) }
    }

    /// The index and the id of the next call, or None where the caller's style has no room for it.
    pub(super) fn admit(&mut self, id: &str) -> Option<(usize, String)> {
        let room = self.style == CallStyle::Tools || self.ids.count() == 0;
        room.then(|| self.ids.admit(id))
    }

    /// OpenAI's word for the end. Clients run calls only after `tool_calls`, so it stands wherever calls were made,
    /// and nowhere else.
    pub(super) fn finish_reason(&self, reason: FinishReason) -> &'static str {
        match (self.ids.count(), self.style, reason) {
            (1.., CallStyle::Tools, _) => "tool_calls",
            (1.., CallStyle::Function, _) => "function_call",
            (0, _, FinishReason::Length) => "length",
            (0, _, FinishReason::Unspecified | FinishReason::Stop | FinishReason::ToolCalls) => "stop",
        }
    }
}

/// Token counts in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct PromptTokensDetails {
    cached_tokens: i64,
}

impl Usage {
    /// What the upstream reported, if it is enough.
    pub(crate) fn from_report(report: &UsageReported) -> Option<Self> {
        let tokens = Tokens::from_report(report)?;
        Some(Self {
            prompt_tokens: tokens.input,
            completion_tokens: tokens.output,
            total_tokens: tokens.total(),
            prompt_tokens_details: tokens.cached.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_style_has_room_for_one_call() {
        let plan = Plan { model: String::new(), include_usage: false, call_style: CallStyle::Function };
        let mut calls = Calls::new(&plan.head(Stamp { unique: "1".to_owned(), created: 0 }));

        assert!(calls.admit("a").is_some());
        assert!(calls.admit("b").is_none());
    }

    #[test]
    fn usage_is_said_in_openais_words() {
        let report = UsageReported {
            input_tokens: Some(3),
            output_tokens: Some(4),
            cached_input_tokens: Some(2),
            ..UsageReported::default()
        };

        assert_eq!(
            serde_json::to_string(&Usage::from_report(&report)).unwrap(),
            r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}"#
        );
        assert_eq!(Usage::from_report(&UsageReported::default()), None);
    }
}
