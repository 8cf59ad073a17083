//! `/api/warp/send`, `/api/warp/send_stream` and `/api/warp/send_stream_sse`: one packet to the upstream, through the
//! pool, and what it answered: as text, with all its events, or event by event as they come.
//!
//! The first event decides the status; what fails after it is the last event of the stream. A client that leaves ends
//! the upstream's request: the body holds the call, and no task stands between.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prost::Message as _;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic::{Status, Streaming};
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::{DecodeMessageRequest, EncodeMessageRequest, FieldNaming};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp::multi_agent::v1::ResponseEvent;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::{event_type, opaque};
use warp2api_rpc::{Failure, GrpcEndpoint, Guard, MAX_MESSAGE_BYTES};

use super::caller::Admitted;
use super::event;
use super::failure::{Refusal, object};
use super::packet::{self, Packet, REQUEST_TYPE};
use super::text::Text;
use crate::Services;

const METHOD: &str = "/warp2api.warp_chat.v1.WarpChat/StreamWarp";
const EVENT_TYPE: &str = "messageTypes/warp.multi_agent.v1.ResponseEvent";
/// The most bytes of events that a whole answer holds.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The services that a packet goes through.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    codec: CodecClient<GrpcEndpoint>,
    warp_chat: WarpChatClient<GrpcEndpoint>,
    guard: Guard,
}

/// An event as the original shows it.
#[derive(Debug, Serialize)]
struct ParsedEvent {
    event_number: usize,
    event_type: String,
    parsed_data: Value,
}

/// A packet that is being answered: its first event has come.
struct Answering {
    codec: CodecClient<GrpcEndpoint>,
    admitted: Admitted,
    events: Streaming<opaque::ResponseEvent>,
    first: Option<opaque::ResponseEvent>,
    request_size: usize,
    count: usize,
}

/// `POST /api/warp/send`: the text of the answer.
pub(crate) async fn whole(State(sender): State<Sender>, request: Request) -> Result<Response, Refusal> {
    let answer = sender.start(request).await?.collect().await?;
    Ok(axum::Json(answer.summary()).into_response())
}

/// `POST /api/warp/send_stream`: the same with every event.
pub(crate) async fn whole_with_events(
    State(sender): State<Sender>,
    request: Request,
) -> Result<Response, Refusal> {
    let answer = sender.start(request).await?.collect().await?;
    let mut summary = answer.summary();
    let mut counts = Map::new();
    for parsed in &answer.events {
        let count = counts.entry(parsed.event_type.clone()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    summary["events_count"] = json!(answer.events.len());
    summary["events_summary"] = counts.into();
    summary["parsed_events"] = json!(answer.events);
    Ok(axum::Json(summary).into_response())
}

/// `POST /api/warp/send_stream_sse`: every event as it comes, then `[DONE]`.
pub(crate) async fn streamed(State(sender): State<Sender>, request: Request) -> Result<Response, Refusal> {
    let answering = sender.start(request).await?;
    let frames = stream::unfold(Some(answering), |answering| async {
        let mut answering = answering?;
        let (frame, rest) = match answering.next().await {
            Ok(Some(event)) => (frame(&json!(event)), Some(answering)),
            Ok(None) => ("data: [DONE]\n\n".to_owned(), None),
            // No `[DONE]`: what was cut off must not look complete.
            Err(failure) => (frame(&object(&failure)), None),
        };
        Some((Ok::<_, std::convert::Infallible>(frame), rest))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn frame(value: &Value) -> String {
    format!("data: {value}\n\n")
}

impl Sender {
    pub(crate) fn new(services: &Services) -> Option<Self> {
        let codec = CodecClient::new(services.codec.clone()?);
        let warp_chat = WarpChatClient::new(services.warp_chat.clone()?);
        Some(Self {
            codec: codec
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            warp_chat: warp_chat
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            guard: services.guard.clone(),
        })
    }

    /// Encodes the packet of a request, sends it and waits for the first event.
    async fn start(&self, request: Request) -> Result<Answering, Failure> {
        let mut admitted = Admitted::read(&self.guard, METHOD, request).await?;
        // A packet may be large; from here on only its encoded form is needed.
        let body = std::mem::take(&mut admitted.body);
        let Packet { json, message_type } = packet::read(&body)?;
        drop(body);
        if message_type != REQUEST_TYPE {
            return Err(Failure::invalid("message_type", format!("only {REQUEST_TYPE} can be sent")));
        }
        let request = EncodeMessageRequest {
            name: format!("messageTypes/{REQUEST_TYPE}"),
            json: Value::Object(json).to_string(),
            ..Default::default()
        };
        let encoded = self.codec.clone().encode_message(admitted.call(request)).await;
        let data = encoded.map_err(|status| Failure::from(&status))?.into_inner().data;
        let request_size = data.len();
        let request = admitted.call(opaque::Request::from(data));
        let answered = self.warp_chat.clone().stream_warp(request).await;
        let mut events = answered.map_err(|status| Failure::from(&status))?.into_inner();
        let first = events.message().await.map_err(|status| Failure::from(&status))?;
        Ok(Answering { codec: self.codec.clone(), admitted, events, first, request_size, count: 0 })
    }
}

impl Answering {
    /// The next event, decoded; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<ParsedEvent>, Failure> {
        let event = match self.first.take() {
            Some(first) => Some(first),
            None => self.events.message().await.map_err(|status: Status| Failure::from(&status))?,
        };
        let Some(event) = event else { return Ok(None) };
        let event_type = match ResponseEvent::decode(event.bytes.clone()) {
            Ok(event) => event_type::of(&event),
            Err(_) => event_type::MALFORMED.to_owned(),
        };
        let request = DecodeMessageRequest {
            name: EVENT_TYPE.to_owned(),
            data: event.bytes,
            field_naming: FieldNaming::SnakeCase.into(),
            ..Default::default()
        };
        let decoded = self.codec.decode_message(self.admitted.call(request)).await;
        let json = decoded.map_err(|status| Failure::from(&status))?.into_inner().json;
        let parsed_data: Value = serde_json::from_str(&json)
            .map_err(|_| Failure::bug("an event was decoded into something that is not JSON"))?;
        self.count += 1;
        Ok(Some(ParsedEvent { event_number: self.count, event_type, parsed_data }))
    }

    async fn collect(mut self) -> Result<Collected, Failure> {
        let mut collected = Collected { request_size: self.request_size, ..Collected::default() };
        let mut held = 0;
        while let Some(parsed) = self.next().await? {
            let data = &parsed.parsed_data;
            held += data.to_string().len();
            if held > MAX_ANSWER_BYTES {
                return Err(Failure::new(
                    ErrorReason::UpstreamFailed,
                    "the answer is larger than can be held",
                ));
            }
            collected.text.apply(data);
            if let Some(id) = event::conversation_id(data) {
                collected.conversation_id = Some(id.to_owned());
            }
            if collected.task_id.is_none() {
                collected.task_id = event::task_id(data).map(str::to_owned);
            }
            collected.events.push(parsed);
        }
        Ok(collected)
    }
}

/// A whole answer.
#[derive(Default)]
struct Collected {
    request_size: usize,
    text: Text,
    conversation_id: Option<String>,
    task_id: Option<String>,
    events: Vec<ParsedEvent>,
}

impl Collected {
    fn summary(&self) -> Value {
        let response = self.text.whole();
        json!({
            "response_size": response.chars().count(),
            "response": response,
            "conversation_id": self.conversation_id,
            "task_id": self.task_id,
            "request_size": self.request_size,
            "message_type": REQUEST_TYPE,
        })
    }
}
