//! `/metrics`: what is counted, for whoever scrapes; on the port of the services, and on a port of its own where the
//! operator wants one.
//!
//! There is no secret in it, and no content: that port has nothing else but `/livez` and `/readyz`, and asks nobody who
//! they are.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use warp2api_rpc::Readiness;

use crate::telemetry;

/// `/metrics`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/metrics", get(metrics))
}

/// Everything on the port that is for this only.
pub(crate) fn port(readiness: &Readiness) -> Router {
    routes().merge(readiness.routes())
}

async fn metrics() -> Response {
    match telemetry::prometheus_text() {
        Some(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
