//! `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI lists models and as Anthropic does: who asks decides.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::time::Instant;
use warp2api_dialects::error::Problem;
use warp2api_dialects::messages::models::{self as anthropic, Page};
use warp2api_dialects::{ErrorStyle, FieldNames, models};
use warp2api_proto::warp_chat::v1::{ChatModel, GetChatModelRequest, ListChatModelsRequest};
use warp2api_rpc::CallContext;

use crate::failure::{Refusal, problem_of};
use crate::router::Edge;
use crate::routes::errors_for;
use crate::routes::id::Id;

/// The query of a list. OpenAI's has none, so what is there is tolerated.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    limit: Option<String>,
    after_id: Option<String>,
    before_id: Option<String>,
}

/// All models, or those of a page.
pub(crate) async fn list(
    State(edge): State<Edge>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let style = errors_for(&headers);
    let answer = async {
        let found = all(&edge, &headers).await?;
        Ok(match style {
            ErrorStyle::OpenAi => models::list(&found),
            ErrorStyle::Anthropic => {
                let Asked { limit, after_id, before_id } =
                    asked.map(|Query(asked)| asked).unwrap_or_default();
                anthropic::list(&found, &Page { limit, after_id, before_id })?
            }
        })
    };
    answer.await.map(json).map_err(|problem| Refusal(problem, style))
}

/// One model by id or alias. Ids may hold slashes, spaces and brackets.
pub(crate) async fn get(
    State(edge): State<Edge>,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Refusal> {
    let style = errors_for(&headers);
    let context = CallContext::from_headers(&headers, Instant::now());
    let request = context.request(GetChatModelRequest { name: models::resource_name(&id) });
    let found = edge.warp_chat().get_chat_model(request).await;
    let found = found.map_err(|status| Refusal(problem_of(&status, &FieldNames::CONTRACT), style))?;
    let model = found.into_inner().chat_model.unwrap_or_default();
    Ok(json(match style {
        ErrorStyle::OpenAi => models::one(&model),
        ErrorStyle::Anthropic => anthropic::one(&model),
    }))
}

async fn all(edge: &Edge, headers: &HeaderMap) -> Result<Vec<ChatModel>, Problem> {
    let context = CallContext::from_headers(headers, Instant::now());
    let mut found = Vec::new();
    let mut page_token = String::new();
    // The pages of a list end; the bound is for a service that gets it wrong.
    for _ in 0..100 {
        let request = context.request(ListChatModelsRequest { page_size: 0, page_token });
        let page = edge.warp_chat().list_chat_models(request).await;
        let page = page.map_err(|status| problem_of(&status, &FieldNames::CONTRACT))?.into_inner();
        found.extend(page.chat_models);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
