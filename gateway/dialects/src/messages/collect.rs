//! Folds the events of a turn into a whole answer. The same events give the same answer as the stream does.

use serde::Serialize;
use serde_json::value::RawValue;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{StreamChatResponse, ToolCall};

use super::answer::{AnswerHead, Calls, Stop, Usage};
use crate::dialect::Fold;
use crate::error::Problem;
use crate::held::{Held, cut_off};

/// One whole answer in the making.
#[derive(Debug)]
pub struct Collector {
    id: String,
    model: String,
    /// Whether a stream would have begun, and with it named the model.
    begun: bool,
    held: Held,
    content: Vec<Block>,
    calls: Calls,
    usage: Usage,
    stop: Option<Stop>,
}

impl Collector {
    /// An answer of which nothing is known yet.
    pub fn new(head: AnswerHead) -> Self {
        let AnswerHead { id, unique, model, call_ids } = head;
        Self {
            id,
            model,
            begun: false,
            held: Held::default(),
            content: Vec::new(),
            calls: Calls::new(&unique, call_ids),
            usage: Usage::default(),
            stop: None,
        }
    }

    fn text(&mut self, piece: &str) -> Result<(), Problem> {
        self.held.grow(piece.len())?;
        match self.content.last_mut() {
            _ if piece.is_empty() => {}
            Some(Block::Text { text }) => text.push_str(piece),
            _ => self.content.push(Block::Text { text: piece.to_owned() }),
        }
        Ok(())
    }

    fn call(&mut self, call: &ToolCall) -> Result<(), Problem> {
        self.held.grow(call.id.len() + call.name.len() + call.arguments_json.len() + 1)?;
        let call = self.calls.admit(call)?;
        let (id, name, input) = (call.id, call.name.to_owned(), call.input.to_owned());
        self.content.push(Block::ToolUse { id, name, input });
        Ok(())
    }
}

impl Fold for Collector {
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem> {
        let Some(event) = event.event.as_ref().filter(|_| self.stop.is_none()) else { return Ok(()) };
        match event {
            Event::Started(started) => {
                if !self.begun && !started.model.is_empty() {
                    self.model.clone_from(&started.model);
                }
            }
            Event::TextDelta(delta) => self.text(&delta.text)?,
            // Without a signature it is no `thinking` of Anthropic's.
            Event::ReasoningDelta(_) => {}
            Event::ToolCall(call) => self.call(call)?,
            Event::UsageReported(report) => self.usage = Usage::from_report(report),
            Event::Finished(finished) => self.stop = Some(self.calls.stop(finished)),
        }
        self.begun |= !matches!(event, Event::UsageReported(_));
        Ok(())
    }

    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem> {
        outcome?;
        let message = Message {
            id: &self.id,
            kind: "message",
            role: "assistant",
            model: &self.model,
            content: &self.content,
            stop: self.stop.ok_or_else(cut_off)?,
            usage: self.usage,
        };
        Ok(serde_json::to_vec(&message).expect("writing to memory does not fail"))
    }
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    role: &'a str,
    model: &'a str,
    content: &'a [Block],
    #[serde(flatten)]
    stop: Stop,
    usage: Usage,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text { text: String },
    ToolUse { id: String, name: String, input: Box<RawValue> },
}
