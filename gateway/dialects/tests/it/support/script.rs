//! Scripts of events, and what the two sides make of them. As a file: one JSON object a line.

use bytes::BytesMut;
use serde_json::Value;
use warp2api_dialects::{AnswerHead, ChunkStream, Collector, Problem};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{
    Event, Finished, ReasoningDelta, Started, TextDelta, UsageReported,
};
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse, ToolCall};

/// The events of a turn and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) events: Vec<Event>,
    pub(crate) outcome: Result<(), Problem>,
}

impl Script {
    /// Events of a turn that ended well as far as gRPC is concerned.
    pub(crate) fn of(events: impl IntoIterator<Item = Event>) -> Self {
        Self { events: events.into_iter().collect(), outcome: Ok(()) }
    }

    /// Reads a file of events.
    pub(crate) fn parse(lines: &str) -> Self {
        let mut script = Self::of([]);
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).unwrap();
            let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
            if kind == "failed" {
                let reason = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", text(&value["reason"])));
                script.outcome = Err(Problem::new(reason.unwrap(), text(&value["message"])));
            } else {
                script.events.push(event(kind, value));
            }
        }
        script
    }

    /// The streamed answer.
    pub(crate) fn stream(&self, head: AnswerHead) -> Vec<u8> {
        let mut stream = ChunkStream::new(head);
        let mut out = BytesMut::new();
        for event in &self.events {
            stream.step(&response(event.clone()), &mut out);
        }
        stream.finish(self.outcome.as_ref().copied(), &mut out);
        out.to_vec()
    }

    /// The whole answer.
    pub(crate) fn collect(&self, head: AnswerHead) -> Result<Vec<u8>, Problem> {
        let mut collector = Collector::new(head);
        for event in &self.events {
            collector.step(&response(event.clone()))?;
        }
        collector.finish(self.outcome.clone())
    }
}

pub(crate) fn response(event: Event) -> StreamChatResponse {
    StreamChatResponse { event: Some(event) }
}

pub(crate) fn started(model: &str) -> Event {
    Event::Started(Started { model: model.to_owned(), ..Started::default() })
}

pub(crate) fn said(text: &str) -> Event {
    Event::TextDelta(TextDelta { text: text.to_owned() })
}

pub(crate) fn thought(text: &str) -> Event {
    Event::ReasoningDelta(ReasoningDelta { text: text.to_owned() })
}

pub(crate) fn called(id: &str, name: &str, arguments_json: &str) -> Event {
    Event::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments_json: arguments_json.to_owned(),
    })
}

pub(crate) fn used(input_tokens: i64, output_tokens: i64) -> Event {
    Event::UsageReported(UsageReported {
        input_tokens: Some(input_tokens),
        output_tokens: Some(output_tokens),
        ..UsageReported::default()
    })
}

pub(crate) fn finished(reason: FinishReason) -> Event {
    Event::Finished(Finished { reason: reason.into(), stop_sequence: String::new() })
}

fn event(kind: &str, value: &Value) -> Event {
    match kind {
        "started" => started(text(value)),
        "text" => said(text(value)),
        "reasoning" => thought(text(value)),
        "tool_call" => called(text(&value["id"]), text(&value["name"]), text(&value["arguments"])),
        "usage" => Event::UsageReported(UsageReported {
            input_tokens: value["input"].as_i64(),
            output_tokens: value["output"].as_i64(),
            total_tokens: value["total"].as_i64(),
            cached_input_tokens: value["cached"].as_i64(),
            credits: value["credits"].as_f64(),
        }),
        "finished" => {
            let reason = FinishReason::from_str_name(&format!("FINISH_REASON_{}", text(value)));
            finished(reason.unwrap())
        }
        other => panic!("no event is called {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
