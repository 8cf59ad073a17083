//! The paths of the Python bridge: what it promised, without what it got wrong. Failures have a true HTTP status and an
//! object with the original's `detail` beside our `error`; nothing of the inside is in either.

mod auth;
mod base64;
mod caller;
mod codec;
mod event;
pub(crate) mod failure;
mod models;
mod packet;
mod schemas;
mod send;
pub(crate) mod text;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use failure::Refusal;

use crate::Services;

/// The paths of those services that are there.
pub fn router(services: &Services) -> Router {
    let mut router = sending(services);
    if let Some(translator) = codec::Translator::new(services) {
        let paths = Router::new()
            .route("/encode", post(codec::encode))
            .route("/api/encode", post(codec::encode))
            .route("/decode", post(codec::decode))
            .route("/api/decode", post(codec::decode))
            .route("/api/stream-decode", post(codec::stream_decode))
            .route("/api/warp/encode_raw", post(codec::encode_raw))
            .route("/api/schemas", get(schemas::list));
        router = router.merge(paths.with_state(translator));
    }
    if let Some(keeper) = auth::Keeper::new(services) {
        let paths = Router::new()
            .route("/api/auth/status", get(auth::status))
            .route("/api/auth/refresh", post(auth::refresh));
        router = router.merge(paths.with_state(keeper));
    }
    if let Some(lister) = models::Lister::new(services) {
        router = router.merge(Router::new().route("/v1/models", get(models::list)).with_state(lister));
    }
    router.method_not_allowed_fallback(no_such_method)
}

async fn no_such_method(request: Request) -> Refusal {
    let words = format!("{} does not take {}", request.uri().path(), request.method());
    Failure::new(ErrorReason::MethodNotAllowed, words).into()
}

/// The paths that run a packet against the upstream, if both services they need are there.
fn sending(services: &Services) -> Router {
    let Some(sender) = send::Sender::new(services) else { return Router::new() };
    Router::new()
        .route("/api/warp/send", post(send::whole))
        .route("/api/warp/send_stream", post(send::whole_with_events))
        .route("/api/warp/send_stream_sse", post(send::streamed))
        .with_state(sender)
}
