//! `GET /v1/models` on the bridge's port, as the edge lists them.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use warp2api_dialects::models;
use warp2api_proto::warp_chat::v1::ListChatModelsRequest;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_rpc::{Failure, GrpcEndpoint, Guard};

use super::caller::Admitted;
use super::failure::Refusal;
use crate::Services;

const METHOD: &str = "/warp2api.warp_chat.v1.WarpChat/ListChatModels";
/// More pages than there are: the bound is for a service that gets its tokens wrong.
const MAX_PAGES: usize = 100;

/// A client of WarpChat.
#[derive(Debug, Clone)]
pub(crate) struct Lister {
    warp_chat: WarpChatClient<GrpcEndpoint>,
    guard: Guard,
}

impl Lister {
    pub(crate) fn new(services: &Services) -> Option<Self> {
        Some(Self {
            warp_chat: WarpChatClient::new(services.warp_chat.clone()?),
            guard: services.guard.clone(),
        })
    }
}

/// The list.
pub(crate) async fn list(State(lister): State<Lister>, request: Request) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&lister.guard, METHOD, request).await?;
    let mut found = Vec::new();
    let mut page_token = String::new();
    for _ in 0..MAX_PAGES {
        let request = admitted.call(ListChatModelsRequest { page_size: 0, page_token });
        let page = lister.warp_chat.clone().list_chat_models(request).await;
        let page = page.map_err(|status| Failure::from(&status))?.into_inner();
        found.extend(page.chat_models);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(([(CONTENT_TYPE, "application/json")], models::list(&found)).into_response())
}
