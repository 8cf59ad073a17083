//! The id of a request stands in the answer under two names: the one that OpenAI's SDKs read, and the one that
//! Anthropic's do.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderName;
use warp2api_rpc::context::REQUEST_ID;
use warp2api_rpc::request_id;

/// What Anthropic's SDKs call it.
static ANTHROPICS_NAME: HeaderName = HeaderName::from_static("request-id");

/// Settles the id of a request before anything else sees it, and puts it on the answer.
pub(crate) async fn settle(request: Request, next: Next) -> Response {
    let mut response = request_id::settle(request, next).await;
    if let Some(id) = response.headers().get(&REQUEST_ID).cloned() {
        response.headers_mut().insert(&ANTHROPICS_NAME, id);
    }
    response
}
