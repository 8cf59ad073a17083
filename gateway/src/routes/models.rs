//! `GET /v1/models` and `GET /v1/models/{id}`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tokio::time::Instant;
use tonic::Status;
use warp2api_dialects::{ErrorStyle, FieldNames, models};
use warp2api_proto::warp_chat::v1::{GetChatModelRequest, ListChatModelsRequest};
use warp2api_rpc::CallContext;

use crate::failure::{Refusal, problem_of};
use crate::router::Edge;

/// All models.
pub(crate) async fn list(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Refusal> {
    let context = CallContext::from_headers(&headers, Instant::now());
    let mut found = Vec::new();
    let mut page_token = String::new();
    // The pages of a list end; the bound is for a service that gets it wrong.
    for _ in 0..100 {
        let request = context.request(ListChatModelsRequest { page_size: 0, page_token });
        let page = edge.warp_chat().list_chat_models(request).await.map_err(refusal)?;
        let page = page.into_inner();
        found.extend(page.chat_models);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(json(models::list(&found)))
}

/// One model by id or alias. Ids may hold slashes, spaces and brackets.
pub(crate) async fn get(
    State(edge): State<Edge>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let context = CallContext::from_headers(&headers, Instant::now());
    let request = context.request(GetChatModelRequest { name: models::resource_name(&id) });
    let found = edge.warp_chat().get_chat_model(request).await.map_err(refusal)?;
    let model = found.into_inner().chat_model.unwrap_or_default();
    Ok(json(models::one(&model)))
}

fn refusal(status: Status) -> Refusal {
    Refusal(problem_of(&status, &FieldNames::CONTRACT), ErrorStyle::OpenAi)
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
