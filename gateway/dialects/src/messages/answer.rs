//! What a streamed and a whole answer have in common: the head, the ids of calls, the reason of the end, and usage.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Finished, UsageReported};
use warp2api_proto::warp_chat::v1::{FinishReason, ToolCall};

use super::tool_id;
use crate::calls::{CallIds, arguments};
use crate::dialect::Stamp;
use crate::error::Problem;

/// What an answer needs to know of its request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The model as the caller named it.
    pub model: String,
    /// The upstream's ids of the calls in the conversation.
    pub call_ids: HashSet<String>,
}

/// What is known of an answer before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The id of the message: `msg_` and what is unique.
    pub id: String,
    /// What is unique about the answer.
    pub unique: String,
    /// The model as the caller named it. The answer names the one the service resolved it to, where it says so.
    pub model: String,
    /// The upstream's ids of the calls in the conversation, which no call of the answer gets.
    pub call_ids: HashSet<String>,
}

impl Plan {
    pub(super) fn head(self, stamp: Stamp) -> AnswerHead {
        let Self { model, call_ids } = self;
        AnswerHead { id: format!("msg_{}", stamp.unique), unique: stamp.unique, model, call_ids }
    }
}

/// A call as the caller is told of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) id: String,
    pub(super) name: &'a str,
    /// The text of a JSON object.
    pub(super) input: &'a RawValue,
}

/// The calls of an answer.
#[derive(Debug)]
pub(super) struct Calls(CallIds);

impl Calls {
    pub(super) fn new(answer: &str, taken: HashSet<String>) -> Self {
        Self(CallIds::beside(answer, taken))
    }

    /// Takes a call on.
    ///
    /// # Errors
    /// When its arguments are no object: the dialect has no form for such a call.
    pub(super) fn admit<'a>(&mut self, call: &'a ToolCall) -> Result<Call<'a>, Problem> {
        let input = serde_json::from_str::<&RawValue>(arguments(&call.arguments_json)).ok();
        let Some(input) = input.filter(|input| input.get().starts_with('{')) else {
            let words = "the upstream called a tool with arguments that are no JSON object";
            return Err(Problem::new(ErrorReason::UpstreamMalformed, words));
        };
        let (_, id) = self.0.admit(&call.id);
        Ok(Call { id: tool_id::encode(&id), name: &call.name, input })
    }

    /// Why the answer ends. Clients run calls only after `tool_use`, so it stands wherever calls were made, and nowhere
    /// else.
    pub(super) fn stop(&self, finished: &Finished) -> Stop {
        let reason = FinishReason::try_from(finished.reason).unwrap_or_default();
        let stop_reason = match reason {
            _ if self.0.count() > 0 => "tool_use",
            FinishReason::Length => "max_tokens",
            _ if !finished.stop_sequence.is_empty() => "stop_sequence",
            FinishReason::Unspecified | FinishReason::Stop | FinishReason::ToolCalls => "end_turn",
        };
        let stop_sequence = (stop_reason == "stop_sequence").then(|| finished.stop_sequence.clone());
        Stop { stop_reason, stop_sequence }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stop {
    pub(super) stop_reason: &'static str,
    pub(super) stop_sequence: Option<String>,
}

/// Token counts in Anthropic's words. The shape wants a number everywhere: what the upstream does not say is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Usage {
    /// Without those read from a cache.
    input_tokens: i64,
    /// The upstream does not tell.
    cache_creation_input_tokens: i64,
    cache_read_input_tokens: i64,
    output_tokens: i64,
}

impl Usage {
    /// What the upstream reported. Nothing is estimated.
    pub(super) fn from_report(report: &UsageReported) -> Self {
        let known = |tokens: Option<i64>| tokens.unwrap_or_default().max(0);
        let input_tokens = known(report.input_tokens);
        let cache_read_input_tokens = known(report.cached_input_tokens).min(input_tokens);
        Self {
            input_tokens: input_tokens - cache_read_input_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens,
            output_tokens: known(report.output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_what_was_said_and_0_elsewhere() {
        let json = |report: &UsageReported| serde_json::to_string(&Usage::from_report(report)).unwrap();
        let report = UsageReported {
            input_tokens: Some(10),
            output_tokens: Some(4),
            cached_input_tokens: Some(3),
            total_tokens: Some(99),
            credits: Some(0.5),
        };

        assert_eq!(
            json(&report),
            r#"{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":4}"#
        );
        let odd = UsageReported { input_tokens: Some(-1), cached_input_tokens: Some(5), ..report };
        for report in [odd, UsageReported { total_tokens: Some(9), ..UsageReported::default() }] {
            let usage = Usage { output_tokens: report.output_tokens.unwrap_or(0), ..Usage::default() };
            assert_eq!(Usage::from_report(&report), usage);
        }
    }

    #[test]
    fn a_call_gets_an_id_that_no_other_in_the_conversation_has() {
        let mut calls = Calls::new("x7", HashSet::from(["a".to_owned()]));
        let call = |id: &str| ToolCall { id: id.to_owned(), ..ToolCall::default() };

        let ids: Vec<_> = ["a", "b", "b", ""].map(|id| calls.admit(&call(id)).unwrap().id).into();

        assert_eq!(ids, ["toolu_w2a_a_5f0", "toolu_w2a_b", "toolu_w2a_b_5f2", "toolu_w2a_call_5fx7_5f3"]);
    }

    #[test]
    fn a_call_without_an_object_is_no_call() {
        for arguments in ["[]", "7", "{", "{}{}", "x"] {
            let call = ToolCall { id: "a".into(), arguments_json: arguments.into(), ..ToolCall::default() };
            let problem = Calls::new("x7", HashSet::new()).admit(&call).unwrap_err();
            assert_eq!(problem.reason, ErrorReason::UpstreamMalformed, "{arguments}");
        }
    }
}
