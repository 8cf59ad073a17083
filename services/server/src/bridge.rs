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
use tonic::service::Routes;
use warp2api_bridge::monitor::{self, MonitorConfig, PacketLog};
use warp2api_bridge::{Services, original};
use warp2api_codec::CodecService;
use warp2api_proto::codec::v1::codec_server::CodecServer;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rest::{Rest, RestConfig};
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::serve::Shutdown;
use warp2api_rpc::trace::CallLines;
use warp2api_rpc::{Failure, GrpcEndpoint, Guard, Link, MAX_MESSAGE_BYTES, request_id, trace};

use crate::config::{Config, Role};
use crate::metrics;

/// The services that the bridge is in front of, by name.
pub(crate) type Endpoints = HashMap<String, GrpcEndpoint>;

/// The gRPC services in `grpc` behind their guard, and over plain HTTP `/`, `/healthz`, the original's paths, the `page`
/// and, for whatever else, the routes of the contract. `services` are the names of the services in `grpc`.
pub(crate) fn router(
    grpc: Router,
    services: &'static [&'static str],
    endpoints: Endpoints,
    guard: Guard,
    page: Router,
    watching: MonitorConfig,
) -> anyhow::Result<Router> {
    let named = |name: &str| endpoints.get(name).cloned();
    let mut services_here = Services {
        codec: named("warp2api.codec.v1.Codec"),
        token_pool: named("warp2api.token_pool.v1.TokenPool"),
        warp_chat: named("warp2api.warp_chat.v1.WarpChat"),
        guard: guard.clone(),
    };
    let original = monitor::around(original::router(&services_here), &watching);
    // Where Codec is elsewhere the monitor has one of its own to read contents with: it holds no state.
    services_here.codec.get_or_insert_with(|| {
        endpoint::local(Routes::new(
            CodecServer::new(CodecService::new())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        ))
    });
    let monitor = monitor::router(&services_here, watching);
    let routes = warp2api_rest::routes(warp2api_proto::descriptors::pool())?;
    let rest = Rest::new(RestConfig::default(), guard.clone(), routes, endpoints);
    let health = move || async move {
        axum::Json(json!({
            "service": "Warp2Api",
            "message": "Warp2Api: the services, over gRPC and plain HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "status": "ok",
            "timestamp": prost_types::Timestamp::from(std::time::SystemTime::now()).to_string(),
            "grpc_services": services,
            "endpoints": ["/healthz", "/openapi.json", "/docs"],
        }))
    };
    let settle = || middleware::from_fn(request_id::settle);
    let routes = Router::new()
        .route("/", get(health))
        .route("/healthz", get(health))
        .merge(metrics::routes())
        .merge(original)
        .merge(monitor)
        .merge(page)
        .layer(middleware::from_fn(trace::watch))
        .layer(settle());
    let others = Router::new()
        .fallback(answer)
        .layer(middleware::from_fn(trace::watch))
        .layer(settle())
        .with_state(rest);
    Ok(routes.merge(grpc.layer(guard).layer(CallLines)).fallback_service(others))
}

/// How the monitor behaves. What is kept of the codec's paths is a part of what is kept for operators.
pub(crate) fn watching(config: &Config, shutdown: &Shutdown) -> MonitorConfig {
    let feed = &config.chat.feed;
    MonitorConfig {
        origins: config.monitor_origins.clone(),
        packets: PacketLog::new(feed.bytes / 8, feed.capture),
        shutdown: shutdown.clone(),
        ..MonitorConfig::default()
    }
}

/// The services behind plain HTTP: those that `grpc` serves, and in a house that is all in one those that it calls
/// elsewhere.
pub(crate) fn endpoints(
    config: &Config,
    link: &Link,
    grpc: &Router,
    services: &[&'static str],
) -> anyhow::Result<Endpoints> {
    let served = endpoint::served(grpc.clone());
    let mut endpoints: Endpoints = services.iter().map(|name| ((*name).to_owned(), served.clone())).collect();
    let places = &config.places;
    let elsewhere = [
        ("warp2api.token_pool.v1.TokenPool", &places.token_pool),
        ("warp2api.warp_chat.v1.WarpChat", &places.warp_chat),
    ];
    for (name, place) in elsewhere {
        if config.role == Role::All && *place != Place::Local {
            endpoints.insert(name.to_owned(), endpoint::linked(place, link)?);
        }
    }
    Ok(endpoints)
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
