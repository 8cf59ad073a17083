//! The paths of the Python bridge: what it promised, without what it got wrong. Failures have a true HTTP status and an
//! object with the original's `detail` beside our `error`; nothing of the inside is in either.

mod event;
mod failure;
mod packet;
mod send;
mod text;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use warp2api_rpc::MAX_MESSAGE_BYTES;

use crate::Services;

/// The paths that run a packet against the upstream, if both services they need are there.
pub fn router(services: &Services) -> Router {
    let Some(sender) = send::Sender::new(services) else { return Router::new() };
    Router::new()
        .route("/api/warp/send", post(send::whole))
        .route("/api/warp/send_stream", post(send::whole_with_events))
        .route("/api/warp/send_stream_sse", post(send::streamed))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE_BYTES))
        .with_state(sender)
}
