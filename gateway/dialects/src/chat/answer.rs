//! What a streamed and a whole answer have in common: the head that every chunk repeats, the ids of calls, the
//! reason of the end, and usage.

use std::collections::HashSet;

use serde::Serialize;
use warp2api_proto::warp_chat::v1::FinishReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;

/// How the caller wants to be told of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallStyle {
    /// As `tool_calls`.
    #[default]
    Tools,
    /// As `function_call`, for a request that offers `functions` and no `tools`. It has room for one call.
    Function,
}

/// What is known of an answer before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The id of the completion, for example `chatcmpl-` and something unique.
    pub id: String,
    /// When the request came, in seconds since 1970.
    pub created: i64,
    /// The model as the caller named it. The answer names the one the service resolved it to, where it says so.
    pub model: String,
    /// Whether a stream ends with a chunk about usage.
    pub include_usage: bool,
    /// How the caller wants to be told of calls.
    pub call_style: CallStyle,
}

/// Gives the calls of an answer their places and makes sure that their ids are unique: clients key maps by them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    style: CallStyle,
    count: usize,
    ids: HashSet<String>,
}

impl Calls {
    pub(super) fn new(style: CallStyle) -> Self {
        Self { style, ..Self::default() }
    }

    /// The index and the id of the next call, or None where the caller's style has no room for it.
    pub(super) fn admit(&mut self, id: &str) -> Option<(usize, String)> {
        if self.style == CallStyle::Function && self.count > 0 {
            return None;
        }
        let index = self.count;
        self.count += 1;
        let mut unique = id.to_owned();
        let mut attempt = index;
        while unique.is_empty() || self.ids.contains(&unique) {
            let stem = if id.is_empty() { "call" } else { id };
            unique = format!("{stem}_{attempt}");
            attempt += 1;
        }
        self.ids.insert(unique.clone());
        Some((index, unique))
    }

    /// OpenAI's word for the end. Clients run calls only after `tool_calls`, so it stands wherever calls were made,
    /// and nowhere else.
    pub(super) fn finish_reason(&self, reason: FinishReason) -> &'static str {
        match (self.count, self.style, reason) {
            (1.., CallStyle::Tools, _) => "tool_calls",
            (1.., CallStyle::Function, _) => "function_call",
            (0, _, FinishReason::Length) => "length",
            (0, _, FinishReason::Unspecified | FinishReason::Stop | FinishReason::ToolCalls) => "stop",
        }
    }
}

/// Arguments as a client can parse them: a call without any has an empty object.
pub(super) fn arguments(arguments_json: &str) -> &str {
    if arguments_json.is_empty() { "{}" } else { arguments_json }
}

/// Token counts in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
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
    /// What the upstream reported, if it is enough: nothing is estimated, and SDKs want whole numbers everywhere.
    pub(super) fn from_report(report: &UsageReported) -> Option<Self> {
        let known = |tokens: Option<i64>| tokens.filter(|tokens| *tokens >= 0);
        let prompt_tokens = known(report.input_tokens)?;
        let completion_tokens = known(report.output_tokens)?;
        let cached = known(report.cached_input_tokens);
        Some(Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: cached.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_calls_are_unique_and_kept_where_they_are() {
        let mut calls = Calls::new(CallStyle::Tools);

        let ids: Vec<_> = ["a", "", "a", "a_2", ""].iter().filter_map(|id| calls.admit(id)).collect();

        let expected = [(0, "a"), (1, "call_1"), (2, "a_2"), (3, "a_2_3"), (4, "call_4")];
        assert_eq!(ids, expected.map(|(index, id)| (index, id.to_owned())));
    }

    #[test]
    fn the_older_style_has_room_for_one_call() {
        let mut calls = Calls::new(CallStyle::Function);

        assert!(calls.admit("a").is_some());
        assert!(calls.admit("b").is_none());
    }

    #[test]
    fn usage_is_whole_or_absent() {
        let report = |input, output, cached| UsageReported {
            input_tokens: input,
            output_tokens: output,
            cached_input_tokens: cached,
            total_tokens: Some(99),
            credits: Some(0.5),
        };

        assert_eq!(Usage::from_report(&report(None, Some(1), None)), None);
        assert_eq!(Usage::from_report(&report(Some(1), None, None)), None);
        assert_eq!(Usage::from_report(&report(Some(-1), Some(1), None)), None);
        let usage = Usage::from_report(&report(Some(i64::MAX), Some(1), None)).unwrap();
        assert_eq!(usage.total_tokens, i64::MAX);
        let usage = Usage::from_report(&report(Some(3), Some(4), Some(2))).unwrap();
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}"#
        );
    }
}
