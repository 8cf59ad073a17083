//! Folds the text of a turn into a whole completion.

use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse};

use super::answer::{Choice, Completion, Plan, finish_reason};
use crate::chat::Usage;
use crate::dialect::{Fold, Stamp};
use crate::error::Problem;
use crate::held::{Held, cut_off};

/// One whole completion in the making.
#[derive(Debug)]
pub struct TextCollector {
    id: String,
    created: i64,
    model: String,
    /// Whether a stream would have begun, and with it named the model.
    begun: bool,
    text: String,
    held: Held,
    usage: Option<Usage>,
    end: Option<&'static str>,
}

impl TextCollector {
    pub(super) fn new(plan: Plan, stamp: Stamp) -> Self {
        Self {
            id: format!("cmpl-{}", stamp.unique),
            created: stamp.created,
            model: plan.model,
            begun: false,
            text: plan.echo.unwrap_or_default(),
            held: Held::default(),
            usage: None,
            end: None,
        }
    }
}

impl Fold for TextCollector {
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem> {
        let Some(event) = event.event.as_ref().filter(|_| self.end.is_none()) else { return Ok(()) };
        match event {
            Event::Started(started) => {
                if !self.begun && !started.model.is_empty() {
                    self.model.clone_from(&started.model);
                }
            }
            Event::TextDelta(delta) => {
                self.held.grow(delta.text.len())?;
                self.text.push_str(&delta.text);
            }
            Event::UsageReported(report) => self.usage = Usage::from_report(report),
            Event::Finished(finished) => {
                let reason = FinishReason::try_from(finished.reason).unwrap_or_default();
                self.end = Some(finish_reason(reason));
            }
            Event::ReasoningDelta(_) | Event::ToolCall(_) => {}
        }
        self.begun |= !matches!(event, Event::UsageReported(_));
        Ok(())
    }

    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem> {
        outcome?;
        let end = self.end.ok_or_else(cut_off)?;
        let completion = Completion {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.model,
            choices: &[Choice::new(&self.text, Some(end))],
            usage: self.usage.map(Some),
        };
        Ok(serde_json::to_vec(&completion).expect("writing to memory does not fail"))
    }
}
