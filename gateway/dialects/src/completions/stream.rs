//! Writes the text of a turn as the chunks of a completion, ready to send. Thinking has no place here.

use bytes::{BufMut as _, BytesMut};
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse};

use super::answer::{Choice, Completion, Plan, finish_reason};
use crate::chat::Usage;
use crate::dialect::{COMMENT, KeepAliveForm, Stamp, Writer};
use crate::error::Problem;
use crate::held::cut_off;
use crate::json::write_json;

/// The chunks of one streamed completion.
#[derive(Debug)]
pub struct TextStream {
    id: String,
    created: i64,
    plan: Plan,
    /// Whether anything was written. The model is settled then.
    begun: bool,
    usage: Option<Usage>,
    ended: bool,
    closed: bool,
}

impl TextStream {
    pub(super) fn new(plan: Plan, stamp: Stamp) -> Self {
        let Stamp { unique, created } = stamp;
        let id = format!("cmpl-{unique}");
        Self { id, created, plan, begun: false, usage: None, ended: false, closed: false }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if !self.begun {
            self.begun = true;
            if let Some(prompt) = self.plan.echo.take() {
                self.chunk(&[Choice::new(&prompt, None)], None, out);
            }
        }
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<Usage>, out: &mut BytesMut) {
        out.put_slice(b"data: ");
        let chunk = Completion {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.plan.model,
            choices,
            usage: self.plan.include_usage.then_some(usage),
        };
        write_json(&chunk, out);
        out.put_slice(b"\n\n");
    }
}

impl Writer for TextStream {
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem> {
        let Some(event) = event.event.as_ref().filter(|_| !self.ended && !self.closed) else { return Ok(()) };
        match event {
            Event::Started(started) => {
                if !self.begun && !started.model.is_empty() {
                    self.plan.model.clone_from(&started.model);
                }
                self.begin(out);
            }
            Event::TextDelta(delta) => {
                self.begin(out);
                if !delta.text.is_empty() {
                    self.chunk(&[Choice::new(&delta.text, None)], None, out);
                }
            }
            Event::UsageReported(report) => self.usage = Usage::from_report(report),
            Event::Finished(finished) => {
                self.begin(out);
                self.ended = true;
                let reason = finish_reason(FinishReason::try_from(finished.reason).unwrap_or_default());
                self.chunk(&[Choice::new("", Some(reason))], None, out);
            }
            Event::ReasoningDelta(_) | Event::ToolCall(_) => self.begin(out),
        }
        Ok(())
    }

    /// Usage if it was asked for and is known, then `[DONE]`; or an error frame and no `[DONE]`.
    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        match outcome {
            Err(problem) => problem.write_frame(out),
            Ok(()) if !self.ended => cut_off().write_frame(out),
            Ok(()) => {
                if let Some(usage) = self.usage.filter(|_| self.plan.include_usage) {
                    self.chunk(&[], Some(usage), out);
                }
                out.put_slice(b"data: [DONE]\n\n");
            }
        }
    }

    /// The frame is a chunk of no text.
    fn keep_alive(&mut self, form: KeepAliveForm, out: &mut BytesMut) {
        match form {
            KeepAliveForm::Comment => out.put_slice(COMMENT),
            KeepAliveForm::Chunk if self.ended || self.closed => {}
            KeepAliveForm::Chunk => {
                self.begin(out);
                self.chunk(&[Choice::new("", None)], None, out);
            }
        }
    }
}
