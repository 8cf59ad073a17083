//! Writes the events of a turn as the events of a streamed message, ready to send.
//!
//! The order is Anthropic's own: `message_start`; for each block of content `content_block_start`, deltas and
//! `content_block_stop`; `message_delta` with the reason of the end and usage; `message_stop`. Text goes on in its block
//! until a call comes. What the upstream thought is left out: without a signature it is no `thinking`.

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};
use warp2api_proto::warp_chat::v1::{StreamChatResponse, ToolCall};

use super::answer::{AnswerHead, Calls, Stop, Usage};
use crate::dialect::{KeepAliveForm, Writer};
use crate::error::{ErrorStyle, Problem};
use crate::held::cut_off;
use crate::json::write_json;

/// The events of one streamed answer.
#[derive(Debug)]
pub struct EventStream {
    id: String,
    model: String,
    calls: Calls,
    usage: Usage,
    /// How many blocks were begun.
    blocks: usize,
    /// A delta of the open block of text up to the text itself. Empty while none is open.
    text_prefix: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was written.
    Waiting,
    /// The message was begun.
    Answering,
    /// The reason of the end was written.
    Finished,
    /// Nothing more is written.
    Closed,
}

impl EventStream {
    /// A stream of which nothing is written yet.
    pub fn new(head: AnswerHead) -> Self {
        let AnswerHead { id, unique, model, call_ids } = head;
        Self {
            id,
            model,
            calls: Calls::new(&unique, call_ids),
            usage: Usage::default(),
            blocks: 0,
            text_prefix: Vec::new(),
            state: State::Waiting,
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if self.state == State::Waiting {
            self.state = State::Answering;
            let message = EmptyMessage {
                id: &self.id,
                kind: "message",
                role: "assistant",
                model: &self.model,
                content: [],
                stop_reason: None,
                stop_sequence: None,
                usage: Usage::default(),
            };
            put_event("message_start", out, |out| {
                out.put_slice(b",\"message\":");
                write_json(&message, out);
            });
        }
    }

    fn text(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if self.text_prefix.is_empty() {
            let index = self.begin_block(br#"{"type":"text","text":""}"#, out);
            self.text_prefix = format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\
                 \"delta\":{{\"type\":\"text_delta\",\"text\":"
            )
            .into_bytes();
        }
        out.reserve(self.text_prefix.len() + text.len() + 16);
        out.put_slice(&self.text_prefix);
        write_json(text, out);
        out.put_slice(b"}}\n\n");
    }

    /// Writes a call as a block of its own.
    fn call(&mut self, call: &ToolCall, out: &mut BytesMut) -> Result<(), Problem> {
        let call = self.calls.admit(call)?;
        self.end_text(out);
        let mut block = BytesMut::new();
        block.put_slice(br#"{"type":"tool_use","id":"#);
        write_json(&call.id, &mut block);
        block.put_slice(br#","name":"#);
        write_json(call.name, &mut block);
        block.put_slice(br#","input":{}}"#);
        let index = self.begin_block(&block, out);
        put_event("content_block_delta", out, |out| {
            put_index(index, out);
            out.put_slice(br#","delta":{"type":"input_json_delta","partial_json":"#);
            write_json(call.input.get(), out);
            out.put_slice(b"}");
        });
        end_block(index, out);
        Ok(())
    }

    fn end(&mut self, finished: &Finished, out: &mut BytesMut) {
        self.end_text(out);
        self.state = State::Finished;
        let Stop { stop_reason, stop_sequence } = self.calls.stop(finished);
        put_event("message_delta", out, |out| {
            out.put_slice(br#","delta":{"stop_reason":"#);
            write_json(stop_reason, out);
            out.put_slice(br#","stop_sequence":"#);
            write_json(&stop_sequence, out);
            out.put_slice(br#"},"usage":"#);
            write_json(&self.usage, out);
        });
    }

    /// Begins a block and gives its index.
    fn begin_block(&mut self, block: &[u8], out: &mut BytesMut) -> usize {
        let index = self.blocks;
        self.blocks += 1;
        put_event("content_block_start", out, |out| {
            put_index(index, out);
            out.put_slice(b",\"content_block\":");
            out.put_slice(block);
        });
        index
    }

    fn end_text(&mut self, out: &mut BytesMut) {
        if !self.text_prefix.is_empty() {
            self.text_prefix.clear();
            // It is the latest one: only text stays open.
            end_block(self.blocks.saturating_sub(1), out);
        }
    }
}

impl Writer for EventStream {
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem> {
        let Some(event) = &event.event else { return Ok(()) };
        if matches!(self.state, State::Finished | State::Closed) {
            return Ok(());
        }
        if let Event::UsageReported(report) = event {
            self.usage = Usage::from_report(report);
            return Ok(());
        }
        if let (Event::Started(started), State::Waiting) = (event, self.state)
            && !started.model.is_empty()
        {
            self.model.clone_from(&started.model);
        }
        self.begin(out);
        match event {
            Event::TextDelta(delta) => self.text(&delta.text, out),
            Event::ToolCall(call) => self.call(call, out)?,
            Event::Finished(finished) => self.end(finished, out),
            Event::Started(_) | Event::ReasoningDelta(_) | Event::UsageReported(_) => {}
        }
        Ok(())
    }

    /// `message_stop`; or an error and no `message_stop`.
    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut) {
        match (outcome, self.state) {
            (_, State::Closed) => {}
            (Err(problem), _) => put_error(problem, out),
            (Ok(()), State::Finished) => put_event("message_stop", out, |_| {}),
            (Ok(()), State::Waiting | State::Answering) => put_error(&cut_off(), out),
        }
        self.state = State::Closed;
    }

    /// A `ping`, which is Anthropic's own, whatever the form: its clients know it.
    fn keep_alive(&mut self, _: KeepAliveForm, out: &mut BytesMut) {
        if matches!(self.state, State::Waiting | State::Answering) {
            put_event("ping", out, |_| {});
        }
    }
}

/// A message before it has any content.
#[derive(Debug, Serialize)]
struct EmptyMessage<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    role: &'a str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    usage: Usage,
}

/// Writes an event of that type with the keys that `write` writes, each after a comma.
fn put_event(kind: &str, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    out.put_slice(b"event: ");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\ndata: {\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\"");
    write(out);
    out.put_slice(b"}\n\n");
}

fn put_error(problem: &Problem, out: &mut BytesMut) {
    out.put_slice(b"event: error\ndata: ");
    out.put_slice(&problem.body(ErrorStyle::Anthropic));
    out.put_slice(b"\n\n");
}

fn put_index(index: usize, out: &mut BytesMut) {
    out.put_slice(b",\"index\":");
    write_json(&index, out);
}

fn end_block(index: usize, out: &mut BytesMut) {
    put_event("content_block_stop", out, |out| put_index(index, out));
}
