//! What every dialect's request goes through: read, map, call, answer.
//!
//! The first useful event of the upstream decides the status line: the call is answered when it is there. A streamed
//! request that waits for longer gets its head all the same, so that nothing on the way gives up.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};
use warp2api_dialects::error::Problem;
use warp2api_dialects::messages::estimate;
use warp2api_dialects::{Accepted, Dialect, FetchedImages, FieldNames, Fold, Plan, Request, Stamp, Writer};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Started};
use warp2api_proto::warp_chat::v1::{StreamChatRequest, StreamChatResponse};
use warp2api_rpc::context::CREDENTIAL;
use warp2api_rpc::meter::Reader;
use warp2api_rpc::trace::{Noted, Notes};
use warp2api_rpc::{CallContext, body};

use crate::access::{Client, Permit};
use crate::conversation::Conversation;
use crate::failure::{Refusal, problem_of};
use crate::router::Edge;
use crate::stream::{AnswerBody, Call, Source};

static IGNORED_HEADER: HeaderName = HeaderName::from_static("x-warp2api-ignored");

/// Answers a request of the dialect, streamed or whole.
pub(crate) async fn create<D: Dialect>(
    State(edge): State<Edge>,
    request: axum::extract::Request,
) -> Result<Response, Refusal> {
    let answer = async {
        let incoming = Incoming::read::<D>(&edge, request).await?;
        let accepted = take_on(&edge, &D::parse(&incoming.body)?).await?;
        answer(&edge, incoming.without_body(), accepted).await
    };
    answer.await.map_err(|problem| Refusal(problem, D::ERRORS))
}

/// A request whose body has arrived.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) body: Bytes,
    caller: Caller,
}

/// Who asks, and for which conversation.
#[derive(Debug)]
pub(crate) struct Caller {
    headers: HeaderMap,
    pub(crate) client: Client,
    conversation: Conversation,
    notes: Notes,
    /// Tells whether they read.
    reader: Reader,
}

impl Incoming {
    /// Reads a request within its bounds.
    pub(crate) async fn read<D: Dialect>(
        edge: &Edge,
        request: axum::extract::Request,
    ) -> Result<Self, Problem> {
        let (mut head, body): (_, Body) = request.into_parts();
        let client =
            head.extensions.remove().ok_or_else(|| Problem::new(ErrorReason::Bug, "nobody was let in"))?;
        let notes = Notes::of(&head.extensions);
        let reader = head.extensions.remove().unwrap_or_default();
        notes.note(|noted| noted.dialect = Some(D::NAME));
        let config = edge.config();
        let conversation = Conversation::read(&head.headers)?;
        let body = body::read(&head.headers, body, config.max_body_bytes, config.body_timeout)
            .await
            .map_err(|failure| Problem::new(failure.reason, failure.message))?;
        Ok(Self { body, caller: Caller { headers: head.headers, client, conversation, notes, reader } })
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is needed once the body is mapped: a conversation may be large.
    pub(crate) fn without_body(self) -> Caller {
        self.caller
    }
}

/// Takes a request on, with its remote images if the operator has them fetched.
pub(crate) async fn take_on<R: Request>(edge: &Edge, request: &R) -> Result<Accepted<R::Plan>, Problem> {
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

/// Runs the turn and answers as the plan says.
pub(crate) async fn answer<P: Plan>(
    edge: &Edge,
    caller: Caller,
    accepted: Accepted<P>,
) -> Result<Response, Problem> {
    let ignored = accepted.ignored_header().and_then(|names| HeaderValue::try_from(names).ok());
    let Accepted { mut request, stream, fields, plan, .. } = accepted;
    let Caller { headers, client, conversation, notes, reader } = caller;
    request.resume = conversation.resume(&client.owner);
    if let Some(permit) = client.permit.as_ref().filter(|permit| permit.counts_tokens()) {
        permit.reserve(estimate(&request))?;
    }
    let call = start(edge, &headers, request, reader);
    let stamp = Stamp { unique: uuid::Uuid::new_v4().simple().to_string(), created: unix_seconds() };
    let turn = Turn { edge, call, fields, conversation, permit: client.permit, notes };
    let mut response =
        if stream { turn.streamed(plan.writer(stamp)).await? } else { turn.whole(plan.fold(stamp)).await? };
    if let Some(ignored) = ignored {
        response.headers_mut().insert(&IGNORED_HEADER, ignored);
    }
    Ok(response)
}

fn start(edge: &Edge, headers: &HeaderMap, request: StreamChatRequest, reader: Reader) -> Call {
    let context = CallContext::from_headers(headers, Instant::now());
    let mut request = context.request(request);
    request.extensions_mut().insert(reader);
    let mut client = edge.warp_chat();
    Box::pin(async move { client.stream_chat(request).await })
}

/// A turn that was asked for.
struct Turn<'e> {
    edge: &'e Edge,
    call: Call,
    fields: FieldNames,
    conversation: Conversation,
    /// Ends with the answer.
    permit: Option<Arc<Permit>>,
    notes: Notes,
}

impl Turn<'_> {
    async fn streamed(mut self, writer: impl Writer) -> Result<Response, Problem> {
        let config = self.edge.config();
        let (source, first) = match tokio::time::timeout(config.commit_after, &mut self.call).await {
            Ok(answered) => {
                let Self { edge, fields, notes, permit, .. } = &self;
                let (events, first) = begin(edge, fields, notes, permit.as_ref(), answered).await?;
                (Source::Answering(Box::new(events)), first)
            }
            Err(_) => (Source::Waiting(self.call), None),
        };
        let mut body = AnswerBody::new(source, writer, self.fields, config, self.permit, self.notes);
        if let Some(first) = &first {
            body.push(first);
        }
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        headers.extend(self.conversation.headers(first.as_ref()));
        Ok(response)
    }

    async fn whole(self, mut fold: impl Fold) -> Result<Response, Problem> {
        let (answered, permit) = (self.call.await, self.permit.as_ref());
        let (mut events, first) = begin(self.edge, &self.fields, &self.notes, permit, answered).await?;
        let named = self.conversation.headers(first.as_ref());
        let saw = |event: &_| self.permit.iter().for_each(|permit| permit.saw(event));
        if let Some(first) = &first {
            saw(first);
            fold.step(first)?;
        }
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    saw(&event);
                    fold.step(&event)?;
                }
                Err(status) => return Err(problem_of(&status, &self.fields)),
            }
        }
        let body: Bytes = fold.finish(Ok(()))?.into();
        let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
        response.headers_mut().extend(named);
        Ok(response)
    }
}

/// The stream of an answered call and its first event, which tells where the chat runs.
async fn begin(
    edge: &Edge,
    fields: &FieldNames,
    notes: &Notes,
    permit: Option<&Arc<Permit>>,
    answered: Result<tonic::Response<Streaming<StreamChatResponse>>, Status>,
) -> Result<(Streaming<StreamChatResponse>, Option<StreamChatResponse>), Problem> {
    let failed = |status| {
        permit.into_iter().for_each(|permit| permit.failed());
        problem_of(&status, fields)
    };
    let answered = answered.map_err(failed)?;
    note_credential(notes, answered.metadata());
    let mut events = answered.into_inner();
    let first = events.message().await.map_err(failed)?;
    if let Some(Event::Started(started)) = first.as_ref().and_then(|first| first.event.as_ref()) {
        edge.learn_upstream(&started.upstream);
        note_start(notes, started);
    }
    Ok((events, first))
}

/// Notes which credential the chat service says it has.
pub(crate) fn note_credential(notes: &Notes, metadata: &MetadataMap) {
    let id = metadata.get(CREDENTIAL).and_then(|id| id.to_str().ok());
    notes.note(|noted| noted.credential = id.and_then(Noted::text));
}

/// Notes where a turn runs.
pub(crate) fn note_start(notes: &Notes, started: &Started) {
    notes.note(|noted| {
        noted.model = Noted::text(&started.model);
        noted.upstream = Noted::text(&started.upstream);
    });
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(0)
}
