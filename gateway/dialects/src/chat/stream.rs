//! Writes the events of a turn as the frames of a streamed answer, ready to send.
//!
//! What every chunk repeats is serialised once; the rest is written straight into the caller's buffer.

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse, ToolCall};

use super::answer::{AnswerHead, CallStyle, Calls, Usage};
use crate::calls::arguments;
use crate::dialect::{COMMENT, KeepAliveForm, Writer};
use crate::error::Problem;
use crate::held::cut_off;
use crate::json::write_json;

/// The frames of one streamed answer.
#[derive(Debug)]
pub struct ChunkStream {
    head: AnswerHead,
    /// Everything up to the value of `choices`, the same in every chunk. Empty until the model is known.
    prefix: Vec<u8>,
    calls: Calls,
    usage: Option<Usage>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was written.
    Waiting,
    /// The role was written.
    Answering,
    /// The reason of the end was written.
    Finished,
    /// Nothing more is written.
    Closed,
}

impl ChunkStream {
    /// A stream of which nothing is written yet.
    pub fn new(head: AnswerHead) -> Self {
        let calls = Calls::new(&head);
        Self { head, prefix: Vec::new(), calls, usage: None, state: State::Waiting }
    }

    /// Writes the first chunk, which alone has the role.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.state == State::Waiting {
            self.state = State::Answering;
            self.prefix = prefix(&self.head);
            self.delta(0, out, |out| out.put_slice(br#""role":"assistant","content":"""#));
        }
    }

    fn text(&mut self, key: &str, text: &str, out: &mut BytesMut) {
        self.begin(out);
        if !text.is_empty() {
            self.delta(text.len(), out, |out| {
                out.put_slice(key.as_bytes());
                write_json(text, out);
            });
        }
    }

    /// Writes a call in two chunks: who is called, then with what.
    fn call(&mut self, call: &ToolCall, out: &mut BytesMut) {
        self.begin(out);
        let Some((index, id)) = self.calls.admit(&call.id) else { return };
        let arguments = arguments(&call.arguments_json);
        match self.head.call_style {
            CallStyle::Tools => {
                self.delta(id.len() + call.name.len() + 80, out, |out| {
                    put_call_index(index, out);
                    out.put_slice(b",\"id\":");
                    write_json(&id, out);
                    out.put_slice(br#","type":"function","function":{"name":"#);
                    write_json(&call.name, out);
                    out.put_slice(br#","arguments":""}}]"#);
                });
                self.delta(arguments.len() + 60, out, |out| {
                    put_call_index(index, out);
                    out.put_slice(br#","function":{"arguments":"#);
                    write_json(arguments, out);
                    out.put_slice(b"}}]");
                });
            }
            CallStyle::Function => {
                self.delta(call.name.len() + 40, out, |out| {
                    out.put_slice(br#""function_call":{"name":"#);
                    write_json(&call.name, out);
                    out.put_slice(br#","arguments":""}"#);
                });
                self.delta(arguments.len() + 40, out, |out| {
                    out.put_slice(br#""function_call":{"arguments":"#);
                    write_json(arguments, out);
                    out.put_slice(b"}");
                });
            }
        }
    }

    fn end(&mut self, finished: &Finished, out: &mut BytesMut) {
        self.begin(out);
        self.state = State::Finished;
        let reason = self.calls.finish_reason(FinishReason::try_from(finished.reason).unwrap_or_default());
        out.put_slice(&self.prefix);
        out.put_slice(br#"[{"index":0,"delta":{},"logprobs":null,"finish_reason":"#);
        write_json(reason, out);
        out.put_slice(b"}]");
        out.put_slice(self.tail());
    }

    /// Writes a chunk whose delta is what `write` writes, of about `size` bytes.
    fn delta(&self, size: usize, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        out.reserve(self.prefix.len() + size + 120);
        out.put_slice(&self.prefix);
        out.put_slice(br#"[{"index":0,"delta":{"#);
        write(out);
        out.put_slice(br#"},"logprobs":null,"finish_reason":null}]"#);
        out.put_slice(self.tail());
    }

    /// With usage to come, every other chunk says that it is not the one.
    fn tail(&self) -> &'static [u8] {
        if self.head.include_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" }
    }
}

impl Writer for ChunkStream {
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem> {
        let Some(event) = &event.event else { return Ok(()) };
        if matches!(self.state, State::Finished | State::Closed) {
            return Ok(());
        }
        match event {
            Event::Started(started) => {
                // Every chunk names the same model, so it is settled before the first.
                if self.state == State::Waiting && !started.model.is_empty() {
                    self.head.model.clone_from(&started.model);
                }
                self.begin(out);
            }
            Event::TextDelta(delta) => self.text("\"content\":", &delta.text, out),
            Event::ReasoningDelta(delta) => self.text("\"reasoning_content\":", &delta.text, out),
            Event::ToolCall(call) => self.call(call, out),
            Event::UsageReported(report) => self.usage = Usage::from_report(report),
            Event::Finished(finished) => self.end(finished, out),
        }
        Ok(())
    }

    /// Usage if it was asked for and is known, then `[DONE]`; or an error frame and no `[DONE]`.
    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut) {
        match (outcome, self.state) {
            (_, State::Closed) => {}
            (Err(problem), _) => problem.write_frame(out),
            (Ok(()), State::Finished) => {
                if let Some(usage) = self.usage.filter(|_| self.head.include_usage) {
                    out.put_slice(&self.prefix);
                    out.put_slice(b"[],\"usage\":");
                    write_json(&usage, out);
                    out.put_slice(b"}\n\n");
                }
                out.put_slice(b"data: [DONE]\n\n");
            }
            (Ok(()), State::Waiting | State::Answering) => cut_off().write_frame(out),
        }
        self.state = State::Closed;
    }

    /// The frame is a chunk that says nothing.
    fn keep_alive(&mut self, form: KeepAliveForm, out: &mut BytesMut) {
        match (form, self.state) {
            (KeepAliveForm::Comment, _) => out.put_slice(COMMENT),
            (KeepAliveForm::Chunk, State::Waiting) => self.begin(out),
            (KeepAliveForm::Chunk, State::Answering) => self.delta(0, out, |_| {}),
            (KeepAliveForm::Chunk, State::Finished | State::Closed) => {}
        }
    }
}

fn prefix(head: &AnswerHead) -> Vec<u8> {
    #[derive(Serialize)]
    struct Prefix<'a> {
        id: &'a str,
        object: &'a str,
        created: i64,
        model: &'a str,
    }
    let AnswerHead { id, created, model, .. } = head;
    let mut prefix = b"data: ".to_vec();
    let object = Prefix { id, object: "chat.completion.chunk", created: *created, model };
    serde_json::to_writer(&mut prefix, &object).expect("writing to memory does not fail");
    // The object stays open.
    prefix.pop();
    prefix.extend_from_slice(b",\"choices\":");
    prefix
}

fn put_call_index(index: usize, out: &mut BytesMut) {
    out.put_slice(br#""tool_calls":[{"index":"#);
    write_json(&index, out);
}
