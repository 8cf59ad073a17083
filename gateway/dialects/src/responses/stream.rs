//! Writes a response as it grows: events with names and numbers, ready to send. Deltas are written straight into the
//! caller's buffer.

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use warp2api_proto::warp_chat::v1::StreamChatResponse;

use super::answer::{Answer, Audience};
use super::item::{Item, Stage, SummaryPart, TextPart, View};
use super::object::{self, Status};
use crate::dialect::{COMMENT, KeepAliveForm, Writer};
use crate::error::Problem;
use crate::held::cut_off;
use crate::json::write_json;

/// The events of one streamed response.
#[derive(Debug)]
pub struct EventStream {
    answer: Answer,
    /// The number of the next event.
    sequence: u64,
    closed: bool,
}

impl EventStream {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, sequence: 0, closed: false }
    }

    /// The response as it stands.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    fn begin(&mut self, out: &mut BytesMut) {
        self.answer.begun = true;
        let response = object::json(&self.answer, Status::InProgress, None);
        let mut frames = Frames { out, sequence: &mut self.sequence };
        frames.response("response.created", &response);
        frames.response("response.in_progress", &response);
    }

    fn end(&mut self, status: Status, problem: Option<&Problem>, out: &mut BytesMut) {
        let response = object::json(&self.answer, status, problem);
        let kind = match status {
            Status::Completed | Status::InProgress => "response.completed",
            Status::Incomplete => "response.incomplete",
            Status::Failed => "response.failed",
        };
        Frames { out, sequence: &mut self.sequence }.response(kind, &response);
    }
}

impl Writer for EventStream {
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem> {
        if self.closed {
            return Ok(());
        }
        if self.answer.begin(event) {
            self.begin(out);
        }
        self.answer.step(event, &mut Frames { out, sequence: &mut self.sequence })
    }

    /// `response.completed` or `response.incomplete`; or `response.failed`, since some agents pass over `error`.
    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        if !self.answer.begun {
            self.begin(out);
        }
        match (outcome, self.answer.end) {
            (Err(problem), _) => self.end(Status::Failed, Some(problem), out),
            (Ok(()), Some(status)) => self.end(status, None, out),
            (Ok(()), None) => self.end(Status::Failed, Some(&cut_off()), out),
        }
    }

    /// The event is `keepalive`: OpenAI sends it, and its clients pass over it, though its reference does not have it.
    fn keep_alive(&mut self, form: KeepAliveForm, out: &mut BytesMut) {
        match form {
            KeepAliveForm::Comment => out.put_slice(COMMENT),
            KeepAliveForm::Chunk if self.closed => {}
            KeepAliveForm::Chunk if !self.answer.begun => self.begin(out),
            KeepAliveForm::Chunk => {
                Frames { out, sequence: &mut self.sequence }.event("keepalive", 0, |_| {});
            }
        }
    }
}

/// Writes events, each with its number.
struct Frames<'o> {
    out: &'o mut BytesMut,
    sequence: &'o mut u64,
}

impl Frames<'_> {
    /// An event of about `size` bytes with what `write` writes after its type and number, which begins with a comma.
    fn event(&mut self, kind: &str, size: usize, write: impl FnOnce(&mut BytesMut)) {
        let out = &mut *self.out;
        out.reserve(2 * kind.len() + size + 60);
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\ndata: {\"type\":\"");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\",\"sequence_number\":");
        write_json(self.sequence, out);
        *self.sequence += 1;
        write(out);
        out.put_slice(b"}\n\n");
    }

    fn response(&mut self, kind: &str, response: &[u8]) {
        self.event(kind, response.len() + 20, |out| {
            out.put_slice(b",\"response\":");
            out.put_slice(response);
        });
    }

    fn item(&mut self, kind: &str, place: usize, view: View<'_>) {
        self.event(kind, 200, |out| {
            out.put_slice(b",\"output_index\":");
            write_json(&place, out);
            put(out, "item", &view);
        });
    }

    /// An event about the inside of an item: where it is, the index of the part if it has parts, and one thing more.
    fn inside<T: Serialize + ?Sized>(
        &mut self,
        kind: &str,
        place: usize,
        item: &Item,
        size: usize,
        (key, value): (&str, &T),
    ) {
        self.event(kind, item.id().len() + size + 120, |out| {
            put(out, "item_id", item.id());
            put(out, "output_index", &place);
            match item {
                Item::Message { .. } => out.put_slice(b",\"content_index\":0"),
                Item::Reasoning { .. } => out.put_slice(b",\"summary_index\":0"),
                Item::Call(_) => {}
            }
            put(out, key, value);
            if matches!(item, Item::Message { .. }) && key != "part" {
                out.put_slice(b",\"logprobs\":[]");
            }
        });
    }
}

impl Audience for Frames<'_> {
    fn opened(&mut self, place: usize, item: &Item) {
        self.item("response.output_item.added", place, View(item, Stage::Begun));
        match item {
            Item::Message { .. } => {
                let part = TextPart::of("");
                self.inside("response.content_part.added", place, item, 80, ("part", &part));
            }
            Item::Reasoning { .. } => {
                let part = SummaryPart::of("");
                self.inside("response.reasoning_summary_part.added", place, item, 60, ("part", &part));
            }
            Item::Call(_) => {}
        }
    }

    fn grew(&mut self, place: usize, item: &Item, by: &str) {
        let kind = match item {
            Item::Message { .. } => "response.output_text.delta",
            Item::Reasoning { .. } => "response.reasoning_summary_text.delta",
            Item::Call(call) if call.origin.custom => "response.custom_tool_call_input.delta",
            Item::Call(_) => "response.function_call_arguments.delta",
        };
        self.inside(kind, place, item, by.len(), ("delta", by));
    }

    fn closed(&mut self, place: usize, item: &Item, stage: Stage) {
        match item {
            Item::Message { text, .. } => {
                self.inside("response.output_text.done", place, item, text.len(), ("text", text));
                let part = TextPart::of(text);
                self.inside("response.content_part.done", place, item, text.len() + 80, ("part", &part));
            }
            Item::Reasoning { text, .. } => {
                let done = "response.reasoning_summary_text.done";
                self.inside(done, place, item, text.len(), ("text", text));
                let (done, part) = ("response.reasoning_summary_part.done", SummaryPart::of(text));
                self.inside(done, place, item, text.len() + 60, ("part", &part));
            }
            Item::Call(call) => {
                let (kind, key) = match call.origin.custom {
                    true => ("response.custom_tool_call_input.done", "input"),
                    false => ("response.function_call_arguments.done", "arguments"),
                };
                self.inside(kind, place, item, call.payload.len(), (key, &call.payload));
            }
        }
        self.item("response.output_item.done", place, View(item, stage));
    }
}

fn put<T: Serialize + ?Sized>(out: &mut BytesMut, key: &str, value: &T) {
    out.put_slice(b",\"");
    out.put_slice(key.as_bytes());
    out.put_slice(b"\":");
    write_json(value, out);
}
