//! `POST /v1/chat/completions`: read, map, call, answer.
//!
//! The first useful event of the upstream decides the status line: the call is answered when it is there. A streamed
//! request that waits for longer gets its head all the same, so that nothing on the way gives up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::{Status, Streaming};
use warp2api_dialects::error::Problem;
use warp2api_dialects::{Accepted, AnswerHead, ChatCompletionRequest, ChunkStream, Collector, FetchedImages};
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{StreamChatRequest, StreamChatResponse};
use warp2api_rpc::CallContext;

use crate::body;
use crate::conversation::Conversation;
use crate::failure::{Refusal, problem_of};
use crate::router::Edge;
use crate::stream::{Call, ChatBody, Source};

static IGNORED_HEADER: HeaderName = HeaderName::from_static("x-warp2api-ignored");

/// Answers a chat completion, streamed or whole.
pub(crate) async fn create(State(edge): State<Edge>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let config = edge.config();
    let conversation = Conversation::read(&head.headers)?;
    let bytes = body::read(&head.headers, body, config.max_body_bytes, config.body_timeout).await?;
    let accepted = accept(&edge, &bytes).await?;
    // A conversation may be large; from here on only its mapped form is needed.
    drop(bytes);
    let ignored = accepted.ignored_header().and_then(|names| HeaderValue::try_from(names).ok());
    let answer = accepted.head(format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()), unix_seconds());
    let Accepted { mut request, stream, .. } = accepted;
    request.resume = conversation.resume(&config.api_keys, &head.headers);
    let call = start(&edge, &head.headers, request);
    let mut response = if stream {
        streamed(&edge, call, answer, &conversation).await?
    } else {
        whole(&edge, call, answer, &conversation).await?
    };
    if let Some(ignored) = ignored {
        response.headers_mut().insert(&IGNORED_HEADER, ignored);
    }
    Ok(response)
}

/// Takes a request on, with its remote images if the operator has them fetched.
async fn accept(edge: &Edge, bytes: &[u8]) -> Result<Accepted, Problem> {
    let request = ChatCompletionRequest::parse(bytes)?;
    let remote = request.remote_images();
    let fetched = match edge.fetcher() {
        Some(fetcher) if !remote.is_empty() => {
            // What is refused anyway is refused before a stranger is asked for anything.
            request.accept(&FetchedImages::stand_ins(&remote))?;
            fetcher.fetch(remote).await?
        }
        _ => FetchedImages::default(),
    };
    Ok(request.accept(&fetched)?)
}

fn start(edge: &Edge, headers: &HeaderMap, request: StreamChatRequest) -> Call {
    let context = CallContext::from_headers(headers, Instant::now());
    let request = context.request(request);
    let mut client = edge.warp_chat();
    Box::pin(async move { client.stream_chat(request).await })
}

async fn streamed(
    edge: &Edge,
    mut call: Call,
    answer: AnswerHead,
    conversation: &Conversation,
) -> Result<Response, Refusal> {
    let config = edge.config();
    let chunks = ChunkStream::new(answer);
    let (source, first) = match tokio::time::timeout(config.commit_after, &mut call).await {
        Ok(answered) => {
            let (events, first) = begin(edge, answered).await?;
            (Source::Answering(Box::new(events)), first)
        }
        Err(_) => (Source::Waiting(call), None),
    };
    let mut body = ChatBody::new(source, chunks, config);
    if let Some(first) = &first {
        body.push(first);
    }
    let mut response = Response::new(axum::body::Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.extend(conversation.headers(first.as_ref()));
    Ok(response)
}

async fn whole(
    edge: &Edge,
    call: Call,
    answer: AnswerHead,
    conversation: &Conversation,
) -> Result<Response, Refusal> {
    let (mut events, first) = begin(edge, call.await).await?;
    let named = conversation.headers(first.as_ref());
    let mut collector = Collector::new(answer);
    if let Some(first) = &first {
        collector.step(first)?;
    }
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => collector.step(&event)?,
            Err(status) => return Err(problem_of(&status).into()),
        }
    }
    let body: Bytes = collector.finish(Ok(()))?.into();
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    response.headers_mut().extend(named);
    Ok(response)
}

/// The stream of an answered call and its first event, which tells where the chat runs.
async fn begin(
    edge: &Edge,
    answered: Result<tonic::Response<Streaming<StreamChatResponse>>, Status>,
) -> Result<(Streaming<StreamChatResponse>, Option<StreamChatResponse>), Problem> {
    let mut events = answered.map_err(|status| problem_of(&status))?.into_inner();
    let first = events.message().await.map_err(|status| problem_of(&status))?;
    if let Some(Event::Started(started)) = first.as_ref().and_then(|first| first.event.as_ref()) {
        edge.learn_upstream(&started.upstream);
    }
    Ok((events, first))
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(0)
}
