//! The port of the services: gRPC, and over plain HTTP the same methods by REST and what says that they live.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use serde_json::json;
use tonic::Status;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rest::{Rest, RestConfig};
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::{Failure, GrpcEndpoint, Guard, request_id};

use crate::config::{Config, Role};

/// The gRPC services in `grpc` behind their guard, with `/`, `/healthz` and the routes of `rest` beside them. `services`
/// are their names.
pub(crate) fn router(grpc: Router, rest: Rest, services: &'static [&'static str], guard: Guard) -> Router {
    let health = move || async move {
        axum::Json(json!({
            "service": "Warp2Api",
            "version": env!("CARGO_PKG_VERSION"),
            "status": "ok",
            "grpc_services": services,
        }))
    };
    let settle = || middleware::from_fn(request_id::settle);
    let routes = Router::new().route("/", get(health)).route("/healthz", get(health)).layer(settle());
    let others = Router::new().fallback(answer).layer(settle()).with_state(rest);
    routes.merge(grpc.layer(guard)).fallback_service(others)
}

/// The methods of the contract over plain HTTP, behind the same guard: of the services that `grpc` serves, and in a
/// house that is all in one of those that it calls elsewhere.
pub(crate) fn rest(
    config: &Config,
    grpc: &Router,
    services: &[&'static str],
    guard: Guard,
) -> anyhow::Result<Rest> {
    let served = endpoint::served(grpc.clone());
    let mut endpoints: HashMap<String, GrpcEndpoint> =
        services.iter().map(|name| ((*name).to_owned(), served.clone())).collect();
    let places = &config.places;
    let elsewhere = [
        ("warp2api.token_pool.v1.TokenPool", &places.token_pool),
        ("warp2api.warp_chat.v1.WarpChat", &places.warp_chat),
    ];
    for (name, place) in elsewhere {
        if config.role == Role::All && *place != Place::Local {
            endpoints.insert(name.to_owned(), endpoint::remote(place)?);
        }
    }
    let routes = warp2api_rest::routes(warp2api_rest::contract())?;
    Ok(Rest::new(RestConfig::default(), guard, routes, endpoints))
}

/// Answers in the language of the request.
async fn answer(State(rest): State<Rest>, request: Request) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/grpc")) {
        let words = format!("{} is not served here", request.uri().path());
        return Status::from(Failure::new(ErrorReason::MethodNotFound, words)).into_http();
    }
    rest.answer(request).await
}
