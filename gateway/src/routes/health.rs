//! What the edge says of itself.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::router::Edge;
use crate::routes::TABLE;

/// `GET /` and `GET /healthz`: that the process lives, and on which upstream chats run.
pub(crate) async fn health(State(edge): State<Edge>) -> Json<Value> {
    // Not those below others.
    let paths = TABLE.iter().map(|row| row.path).filter(|path| !path.contains('{'));
    let endpoints: Vec<String> = paths
        .map(|path| format!("/v1{path}"))
        .chain(["/healthz", "/openapi.json", "/docs"].map(str::to_owned))
        .collect();
    Json(json!({
        "service": "Warp2Api",
        "version": env!("CARGO_PKG_VERSION"),
        "status": "ok",
        "upstream": edge.upstream(),
        "endpoints": endpoints,
    }))
}
