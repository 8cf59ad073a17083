//! Scripts of events, and what the two sides make of them. As a file: one JSON object a line.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use warp2api_dialects::{Dialect, Fold as _, Plan as _, Problem, Writer};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{
    Event, Finished, ReasoningDelta, Started, TextDelta, UsageReported,
};
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse, ToolCall};

use super::stamp;

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
    pub(crate) fn stream<D: Dialect>(&self, plan: D::Plan) -> Vec<u8> {
        self.write(plan.writer(stamp()))
    }

    /// What a writer makes of it.
    pub(crate) fn write(&self, mut writer: impl Writer) -> Vec<u8> {
        let mut out = BytesMut::new();
        for event in &self.events {
            writer.step(&response(event.clone()), &mut out).unwrap();
        }
        writer.finish(self.outcome.as_ref().copied(), &mut out);
        out.to_vec()
    }

    /// The whole answer.
    pub(crate) fn collect<D: Dialect>(&self, plan: D::Plan) -> Result<Vec<u8>, Problem> {
        let mut fold = plan.fold(stamp());
        for event in &self.events {
            fold.step(&response(event.clone()))?;
        }
        fold.finish(self.outcome.clone())
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
            let word = value.as_str().unwrap_or_else(|| text(&value["reason"]));
            let reason = FinishReason::from_str_name(&format!("FINISH_REASON_{word}")).unwrap();
            let stop_sequence = value["stop_sequence"].as_str().unwrap_or_default().to_owned();
            Event::Finished(Finished { reason: reason.into(), stop_sequence })
        }
        other => panic!("no event is called {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => "[a-z]{0,3}".prop_map(|model| started(&model)),
        5 => ".{0,12}".prop_map(|text| said(&text)),
        3 => ".{0,12}".prop_map(|text| thought(&text)),
        3 => ("(a|b|a_1|)", ".{0,5}", prop_oneof![Just(""), Just("{}"), Just(r#"{"k":"\n"}"#)])
            .prop_map(|(id, name, arguments)| called(&id, &name, arguments)),
        1 => (option::of(any::<i64>()), option::of(any::<i64>()), option::of(any::<i64>())).prop_map(
            |(input_tokens, output_tokens, cached_input_tokens)| Event::UsageReported(UsageReported {
                input_tokens,
                output_tokens,
                cached_input_tokens,
                ..UsageReported::default()
            })
        ),
        1 => (0..5, "(END|)").prop_map(|(reason, stop_sequence)| Event::Finished(Finished { reason, stop_sequence })),
    ]
}

/// Any events in any order, and any end.
pub(crate) fn any_script() -> impl Strategy<Value = Script> {
    let outcome = prop_oneof![
        3 => Just(Ok(())),
        1 => ".{0,9}".prop_map(|message| Err(Problem::new(ErrorReason::UpstreamTimeout, message))),
    ];
    (vec(any_event(), 0..12), outcome).prop_map(|(events, outcome)| Script { events, outcome })
}
