//! The floor: the least a bridge can do. One process, the same client for the upstream, the same conversion: a chat
//! request in, a request of the upstream's out, base64 and protobuf back in, chunks out.
//!
//! It has no gRPC, no pool, no clocks, no limits, and believes everything: messages are not checked, transactions
//! and subtasks are not looked at, a stream that breaks off just ends. Nobody should run it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body::{Body, Frame};
use memchr::{memmem, memrchr};
use prost::Message as _;
use serde::Deserialize;
use tower::ServiceExt as _;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::client_action::Action;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_proto::warp::multi_agent::v1::request::input::user_inputs::{UserInput, user_input};
use warp2api_proto::warp::multi_agent::v1::request::input::{self, UserInputs, UserQuery};
use warp2api_proto::warp::multi_agent::v1::request::settings::ModelConfig;
use warp2api_proto::warp::multi_agent::v1::request::{Input, Settings};
use warp2api_proto::warp::multi_agent::v1::response_event::Type;
use warp2api_rpc::http_endpoint::{self, RemoteHttp};
use warp2api_rpc::{HttpBody, HttpEndpoint};
use warp2api_upstream_sim::EmbeddedCredential;

/// How much is written before the connection gets a say, as in the house.
const ENOUGH_BYTES: usize = 32 * 1024;

#[derive(Clone)]
struct Bridge {
    upstream: HttpEndpoint,
    url: Arc<str>,
}

#[derive(Deserialize)]
struct ChatRequest {
    model: String,
    messages: Vec<ChatMessage>,
}

#[derive(Deserialize)]
struct ChatMessage {
    content: String,
}

/// Starts the bridge and tells where it listens.
pub(crate) async fn start(upstream: &str) -> anyhow::Result<String> {
    let bridge = Bridge {
        upstream: http_endpoint::remote(&RemoteHttp::default())?,
        url: format!("{upstream}/ai/multi-agent").into(),
    };
    let router = axum::Router::new().route("/v1/chat/completions", post(chat)).with_state(bridge);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let serving = async move { drop(axum::serve(listener, router).await) };
    drop(tokio::runtime::Handle::current().spawn(serving));
    Ok(address.to_string())
}

async fn chat(State(bridge): State<Bridge>, body: Bytes) -> Result<Response, (StatusCode, String)> {
    let request: ChatRequest =
        serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let model = request.model.clone();
    let gone = |error: String| (StatusCode::BAD_GATEWAY, error);
    let upstream = Request::post(&*bridge.url)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(AUTHORIZATION, format!("Bearer {}", EmbeddedCredential::API_KEY))
        .body(convert(request).encode_to_vec().into())
        .map_err(|error| gone(error.to_string()))?;
    let answer = bridge.upstream.oneshot(upstream).await.map_err(|error| gone(error.to_string()))?;
    if answer.status() != 200 {
        return Err(gone(format!("the upstream answered {}", answer.status())));
    }
    let body = ChunkBody {
        upstream: Some(answer.into_body()),
        read: BytesMut::with_capacity(4096),
        event: Vec::new(),
        written: BytesMut::with_capacity(4096),
        prefix: prefix(&model),
    };
    let mut response = Response::new(axum::body::Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// The latest message becomes the query; the benchmark asks nothing else.
fn convert(request: ChatRequest) -> warp::Request {
    let query = request.messages.into_iter().next_back().map(|message| message.content).unwrap_or_default();
    let query = user_input::Input::UserQuery(UserQuery { query, ..Default::default() });
    let inputs = vec![UserInput { input: Some(query) }];
    warp::Request {
        task_context: Some(Default::default()),
        input: Some(Input {
            context: Some(Default::default()),
            r#type: Some(input::Type::UserInputs(UserInputs { inputs })),
        }),
        settings: Some(Settings {
            model_config: Some(ModelConfig { base: request.model, ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn prefix(model: &str) -> Vec<u8> {
    let (id, model) = (uuid::Uuid::new_v4().simple(), serde_json::Value::from(model));
    let head =
        format!(r#""id":"chatcmpl-{id}","object":"chat.completion.chunk","created":0,"model":{model}"#);
    format!(r#"data: {{{head},"choices":[{{"index":0,"delta":{{"#).into_bytes()
}

/// Events of the upstream in, chunks out.
struct ChunkBody {
    upstream: Option<HttpBody>,
    read: BytesMut,
    event: Vec<u8>,
    written: BytesMut,
    prefix: Vec<u8>,
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.written.len() < ENOUGH_BYTES {
            let Some(upstream) = &mut self.upstream else { break };
            match Pin::new(upstream).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                    self.convert_events();
                }
                Poll::Ready(Some(Err(_)) | None) => self.upstream = None,
                Poll::Pending if self.written.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        let written = self.written.split().freeze();
        Poll::Ready((!written.is_empty()).then(|| Ok(Frame::data(written))))
    }
}

impl ChunkBody {
    fn convert_events(&mut self) {
        while let Some(end) = memmem::find(&self.read, b"\n\n") {
            let line = memrchr(b'\n', &self.read[..end]).map_or(0, |before| before + 1);
            let data = self.read[line..end].strip_prefix(b"data:").unwrap_or_default();
            self.event.clear();
            drop(URL_SAFE.decode_vec(data, &mut self.event));
            let event = warp::ResponseEvent::decode(&self.event[..]).unwrap_or_default();
            self.read.advance(end + 2);
            self.write(event);
        }
    }

    fn write(&mut self, event: warp::ResponseEvent) {
        match event.r#type {
            Some(Type::Init(_)) => {
                self.chunk(|out| out.put_slice(br#""role":"assistant","content":"""#), "null")
            }
            Some(Type::ClientActions(actions)) => {
                for action in actions.actions {
                    match action.action {
                        Some(Action::AddMessagesToTask(add)) => {
                            add.messages.iter().for_each(|message| self.text(message));
                        }
                        Some(Action::AppendToMessageContent(append)) => {
                            append.message.iter().for_each(|message| self.text(message));
                        }
                        _ => {}
                    }
                }
            }
            Some(Type::Finished(_)) => {
                self.chunk(|_| {}, "\"stop\"");
                self.written.put_slice(b"data: [DONE]\n\n");
            }
            None => {}
        }
    }

    fn text(&mut self, message: &warp::Message) {
        if let Some(Kind::AgentOutput(output)) = &message.message {
            self.chunk(
                |out| {
                    out.put_slice(b"\"content\":");
                    drop(serde_json::to_writer(out.writer(), &output.text));
                },
                "null",
            );
        }
    }

    fn chunk(&mut self, delta: impl FnOnce(&mut BytesMut), finish_reason: &str) {
        let out = &mut self.written;
        out.put_slice(&self.prefix);
        delta(out);
        out.put_slice(b"},\"logprobs\":null,\"finish_reason\":");
        out.put_slice(finish_reason.as_bytes());
        out.put_slice(b"}]}\n\n");
    }
}
