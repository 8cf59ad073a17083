//! Folds the events of a turn into a whole answer. The same events give the same answer as the stream does.

use serde::Serialize;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse, ToolCall};

use super::answer::{AnswerHead, CallStyle, Calls, Usage};
use crate::calls::arguments;
use crate::dialect::Fold;
use crate::error::Problem;
use crate::held::{Held, cut_off};

/// One whole answer in the making.
#[derive(Debug)]
pub struct Collector {
    head: AnswerHead,
    /// Whether a stream would have begun, and with it named the model.
    begun: bool,
    held: Held,
    text: String,
    reasoning: String,
    calls: Calls,
    made: Vec<Call>,
    usage: Option<Usage>,
    finish_reason: Option<&'static str>,
}

impl Collector {
    /// An answer of which nothing is known yet.
    pub fn new(head: AnswerHead) -> Self {
        let calls = Calls::new(&head);
        Self {
            head,
            begun: false,
            held: Held::default(),
            text: String::new(),
            reasoning: String::new(),
            calls,
            made: Vec::new(),
            usage: None,
            finish_reason: None,
        }
    }

    fn call(&mut self, call: &ToolCall) -> Result<(), Problem> {
        self.held.grow(call.id.len() + call.name.len() + call.arguments_json.len() + 1)?;
        if let Some((_, id)) = self.calls.admit(&call.id) {
            let arguments = arguments(&call.arguments_json).to_owned();
            self.made.push(Call {
                id,
                kind: "function",
                function: Function { name: call.name.clone(), arguments },
            });
        }
        Ok(())
    }
}

impl Fold for Collector {
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem> {
        let Some(event) = event.event.as_ref().filter(|_| self.finish_reason.is_none()) else {
            return Ok(());
        };
        match event {
            Event::Started(started) => {
                if !self.begun && !started.model.is_empty() {
                    self.head.model.clone_from(&started.model);
                }
            }
            Event::TextDelta(delta) => {
                self.held.grow(delta.text.len())?;
                self.text.push_str(&delta.text);
            }
            Event::ReasoningDelta(delta) => {
                self.held.grow(delta.text.len())?;
                self.reasoning.push_str(&delta.text);
            }
            Event::ToolCall(call) => self.call(call)?,
            Event::UsageReported(report) => self.usage = Usage::from_report(report),
            Event::Finished(finished) => {
                let reason = FinishReason::try_from(finished.reason).unwrap_or_default();
                self.finish_reason = Some(self.calls.finish_reason(reason));
            }
        }
        self.begun |= !matches!(event, Event::UsageReported(_));
        Ok(())
    }

    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem> {
        outcome?;
        let finish_reason = self.finish_reason.ok_or_else(cut_off)?;
        let mut message = Message {
            role: "assistant",
            // Text stays beside calls. Calls without text have null there, an answer without both has none.
            content: Some(self.text.as_str()).filter(|text| !text.is_empty() || self.made.is_empty()),
            refusal: None,
            reasoning_content: Some(self.reasoning.as_str()).filter(|text| !text.is_empty()),
            tool_calls: &[],
            function_call: None,
        };
        match self.head.call_style {
            CallStyle::Tools => message.tool_calls = &self.made,
            CallStyle::Function => message.function_call = self.made.first().map(|call| &call.function),
        }
        let completion = Completion {
            id: &self.head.id,
            object: "chat.completion",
            created: self.head.created,
            model: &self.head.model,
            choices: [Choice { index: 0, message, logprobs: None, finish_reason }],
            usage: self.usage,
        };
        Ok(serde_json::to_vec(&completion).expect("writing to memory does not fail"))
    }
}

#[derive(Debug, Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'a str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'a str,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'a str,
    content: Option<&'a str>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Call]>::is_empty")]
    tool_calls: &'a [Call],
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<&'a Function>,
}

#[derive(Debug, Serialize)]
struct Call {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    arguments: String,
}
