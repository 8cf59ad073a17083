//! The port of the services: gRPC, and over plain HTTP what says that they live.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;
use tonic::Status;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::{Failure, Guard};

/// The gRPC services in `grpc` behind their guard, with `/` and `/healthz` beside them. `services` are their names.
pub(crate) fn router(grpc: Router, services: &'static [&'static str], guard: Guard) -> Router {
    let health = move || async move {
        axum::Json(json!({
            "service": "Warp2Api",
            "version": env!("CARGO_PKG_VERSION"),
            "status": "ok",
            "grpc_services": services,
        }))
    };
    Router::new()
        .route("/", get(health))
        .route("/healthz", get(health))
        .merge(grpc.layer(guard))
        .fallback(nothing_here)
}

/// Answers in the language of the request.
async fn nothing_here(request: Request) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/grpc")) {
        let words = format!("{} is not served here", request.uri().path());
        return Status::from(Failure::new(ErrorReason::MethodNotFound, words)).into_http();
    }
    let words = format!("there is nothing at {} {}", request.method(), request.uri().path());
    let body = axum::Json(json!({ "error": { "code": 404, "message": words, "status": "NOT_FOUND" } }));
    (StatusCode::NOT_FOUND, body).into_response()
}
