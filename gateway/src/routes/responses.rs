//! `/v1/responses`: made as in every dialect, and kept for a while, to be gone on after, read and deleted.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::time::Instant;
use warp2api_dialects::error::Problem;
use warp2api_dialects::responses::{Answer, Collector, EventStream, Page, Plan, Responses, item_list};
use warp2api_dialects::{Accepted, Dialect, Fold, Json, KeepAliveForm, Stamp, Writer};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::{Message, StreamChatResponse};

use super::answer::{Incoming, answer, take_on};
use super::id::Id;
use crate::access::Client;
use crate::failure::Refusal;
use crate::kept::{Kept, Told, Turn};
use crate::router::Edge;

/// `POST /v1/responses`.
pub(crate) async fn create(State(edge): State<Edge>, request: Request) -> Result<Response, Refusal> {
    let answer = async {
        let incoming = Incoming::read::<Responses>(&edge, request).await?;
        let scope = incoming.caller().client.owner.to_string();
        let mut request = Responses::parse(&incoming.body)?;
        if !edge.kept().keeps() {
            request.keep_nothing();
        }
        let before = match request.previous_response_id() {
            None => None,
            Some(id) => Some(edge.kept().find(&scope, id, Instant::now()).ok_or_else(|| no_previous(id))?),
        };
        let before = before.map(|kept| kept.turn.clone());
        if let Some(before) = &before {
            request.go_on_after(before.messages());
        }
        for (response, ids) in request.references() {
            if let Some(kept) = edge.kept().find(&scope, &response, Instant::now()) {
                request.take_from(&kept.turn.as_told(), kept.turn.said(), &ids);
            }
        }
        let accepted = take_on(&edge, &request).await?;
        let keeping = request.store().then(|| Keeping {
            edge: edge.clone(),
            scope,
            input: request.input(),
            said: accepted.request.messages[accepted.fields.before..].to_vec(),
            before,
        });
        let caller = incoming.without_body();
        match keeping {
            None => answer(&edge, caller, accepted).await,
            Some(keeping) => answer(&edge, caller, kept(accepted, keeping)).await,
        }
    };
    answer.await.map_err(refusal)
}

/// `GET /v1/responses/{id}`.
pub(crate) async fn get(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    Id(id): Id,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let found = find(&edge, &client, &id).map_err(refusal)?;
    if read(asked).stream.as_deref() == Some("true") {
        let words = "stream: a response that is kept is not streamed again";
        return Err(refusal(Problem::new(ErrorReason::UnsupportedField, words).with_param("stream")));
    }
    Ok(json(found.body.clone()))
}

/// `DELETE /v1/responses/{id}`.
pub(crate) async fn delete(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    Id(id): Id,
) -> Result<Response, Refusal> {
    if !edge.kept().forget(&client.owner, &id, Instant::now()) {
        return Err(refusal(not_found(&id)));
    }
    let deleted = serde_json::json!({ "id": id, "object": "response", "deleted": true });
    Ok(json(deleted.to_string().into()))
}

/// `POST /v1/responses/{id}/cancel`: as OpenAI answers where a response was not asked for in the background. One that
/// is being made ends when its caller leaves.
pub(crate) async fn cancel(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    Id(id): Id,
) -> Result<Response, Refusal> {
    find(&edge, &client, &id).map_err(refusal)?;
    let words =
        "a response that was not made in the background cannot be cancelled; close its connection instead";
    Err(refusal(Problem::new(ErrorReason::InvalidField, words)))
}

/// `GET /v1/responses/{id}/input_items`.
pub(crate) async fn input_items(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    Id(id): Id,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let found = find(&edge, &client, &id).map_err(refusal)?;
    let Asked { limit, after, order, .. } = read(asked);
    let page = Page { limit, after, order };
    let list = item_list(&found.turn.turns(), &page).map_err(|rejection| refusal(rejection.into()))?;
    Ok(json(list.into()))
}

/// What a query may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    stream: Option<String>,
    limit: Option<String>,
    after: Option<String>,
    order: Option<String>,
}

/// A query that cannot be read asks for nothing.
fn read(asked: Result<Query<Asked>, QueryRejection>) -> Asked {
    asked.map(|Query(asked)| asked).unwrap_or_default()
}

fn find(edge: &Edge, client: &Client, id: &str) -> Result<Arc<Kept>, Problem> {
    edge.kept().find(&client.owner, id, Instant::now()).ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Problem {
    let words = format!("there is no response with the id '{}' for this key, or no longer", shortened(id));
    Problem::new(ErrorReason::ResponseNotFound, words)
}

fn no_previous(id: &str) -> Problem {
    let words = format!("Previous response with id '{}' not found.", shortened(id));
    Problem::new(ErrorReason::PreviousResponseNotFound, words).with_param("previous_response_id")
}

fn shortened(id: &str) -> String {
    id.chars().take(100).collect()
}

fn refusal(problem: Problem) -> Refusal {
    Refusal(problem, Responses::ERRORS)
}

fn json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// What it takes to keep a response when it is there.
#[derive(Debug)]
struct Keeping {
    edge: Edge,
    scope: String,
    input: Json,
    /// What the request adds to the conversation.
    said: Vec<Message>,
    before: Option<Arc<Turn>>,
}

impl Keeping {
    fn keep(self, answer: &Answer, body: Bytes) {
        let Self { edge, scope, input, mut said, before } = self;
        said.extend(answer.messages());
        let told = Told { id: answer.id().to_owned(), input, output: answer.output(), said };
        let turn = edge.kept().turn(before, told);
        edge.kept().keep(&scope, answer.id(), body, turn, Instant::now());
    }
}

fn kept(accepted: Accepted<Plan>, keeping: Keeping) -> Accepted<KeptPlan> {
    let Accepted { request, stream, ignored, fields, plan } = accepted;
    Accepted { request, stream, ignored, fields, plan: KeptPlan { plan, keeping } }
}

/// The plan of a response that is kept if it ends well.
#[derive(Debug)]
struct KeptPlan {
    plan: Plan,
    keeping: Keeping,
}

impl warp2api_dialects::Plan for KeptPlan {
    type Writer = KeptStream;
    type Fold = KeptWhole;

    fn writer(self, stamp: Stamp) -> KeptStream {
        KeptStream { events: self.plan.writer(stamp), keeping: Some(self.keeping) }
    }

    fn fold(self, stamp: Stamp) -> KeptWhole {
        KeptWhole { collector: self.plan.fold(stamp), keeping: self.keeping }
    }
}

#[derive(Debug)]
struct KeptStream {
    events: EventStream,
    keeping: Option<Keeping>,
}

impl Writer for KeptStream {
    fn step(&mut self, event: &StreamChatResponse, out: &mut BytesMut) -> Result<(), Problem> {
        self.events.step(event, out)
    }

    fn finish(&mut self, outcome: Result<(), &Problem>, out: &mut BytesMut) {
        // Kept before it is told: who reads of it may ask for it at once.
        if let Some(keeping) =
            self.keeping.take().filter(|_| outcome.is_ok() && self.events.answer().is_whole())
        {
            keeping.keep(self.events.answer(), self.events.answer().json().into());
        }
        self.events.finish(outcome, out);
    }

    fn keep_alive(&mut self, form: KeepAliveForm, out: &mut BytesMut) {
        self.events.keep_alive(form, out);
    }
}

#[derive(Debug)]
struct KeptWhole {
    collector: Collector,
    keeping: Keeping,
}

impl Fold for KeptWhole {
    fn step(&mut self, event: &StreamChatResponse) -> Result<(), Problem> {
        self.collector.step(event)
    }

    fn finish(self, outcome: Result<(), Problem>) -> Result<Vec<u8>, Problem> {
        let (answer, body) = self.collector.finish_answer(outcome)?;
        self.keeping.keep(&answer, body.clone().into());
        Ok(body)
    }
}
