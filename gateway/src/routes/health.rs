//! What the edge says of itself.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::router::Edge;

/// `GET /` and `GET /healthz`: that the process lives, and on which upstream chats run.
pub(crate) async fn health(State(edge): State<Edge>) -> Json<Value> {
    Json(json!({
        "service": "Warp2Api",
        "version": env!("CARGO_PKG_VERSION"),
        "status": "ok",
        "upstream": edge.upstream(),
        "endpoints": ["/v1/chat/completions", "/v1/models", "/healthz"],
    }))
}
