//! The routes of the edge and what stands before them.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue};
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_rpc::trace;
use warp2api_rpc::{GrpcEndpoint, MAX_MESSAGE_BYTES};

use crate::access::{Doors, admit, answer_browsers};
use crate::config::GatewayConfig;
use crate::failure::Refusal;
use crate::fetch::{Fetcher, FetcherError};
use crate::kept::Shelf;
use crate::request_id;
use crate::routes::{TABLE, errors_at, health};

/// Names the upstream on every answer.
static UPSTREAM_HEADER: HeaderName = HeaderName::from_static("x-warp2api-upstream");

/// What the routes share.
#[derive(Debug, Clone)]
pub(crate) struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: GatewayConfig,
    doors: Doors,
    /// Fetches images, if the operator allows it.
    fetcher: Option<Fetcher>,
    warp_chat: WarpChatClient<GrpcEndpoint>,
    /// Responses that can be gone on after.
    kept: Arc<Shelf>,
    /// Where chats run, as far as it is known: told at the start, by the health of the chat service or by the first chat.
    upstream: Arc<RwLock<Option<HeaderValue>>>,
}

impl Edge {
    /// An edge in front of `warp_chat`. `upstream` is where chats run, if that is known from the start.
    pub(crate) fn new(
        config: GatewayConfig,
        warp_chat: GrpcEndpoint,
        upstream: Option<&str>,
    ) -> Result<Self, FetcherError> {
        let fetcher = Fetcher::new(&config)?;
        if !config.api_keys.is_empty() {
            config.kept_keys.close();
        }
        let warp_chat = WarpChatClient::new(warp_chat)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let upstream = upstream.and_then(|name| HeaderValue::from_str(name).ok());
        let doors = Doors::new(config.limits.max_in_flight);
        let (kept, upstream) = (Arc::new(Shelf::new(config.responses)), Arc::new(RwLock::new(upstream)));
        Ok(Self(Arc::new(Shared { config, doors, fetcher, warp_chat, kept, upstream })))
    }

    /// The same edge with other settings: what it keeps is shared.
    pub(crate) fn with_config(&self, mut config: GatewayConfig) -> Result<Self, FetcherError> {
        let fetcher = Fetcher::new(&config)?;
        let Shared { doors, warp_chat, kept, upstream, .. } = &*self.0;
        // Whoever watches the file of keys goes on to tell these.
        config.kept_keys = self.config().kept_keys.clone();
        if !config.api_keys.is_empty() {
            config.kept_keys.close();
        }
        let doors = doors.clone();
        doors.set_most(config.limits.max_in_flight);
        let (warp_chat, kept, upstream) = (warp_chat.clone(), kept.clone(), upstream.clone());
        Ok(Self(Arc::new(Shared { config, doors, fetcher, warp_chat, kept, upstream })))
    }

    /// The routes of the edge.
    pub(crate) fn routes(self) -> Router {
        let edge = self;
        // With and without `/v1`, with and without a slash at the end: clients disagree on what a base URL is.
        let mut api = Router::new();
        for row in TABLE {
            for root in ["/v1", ""] {
                let before = middleware::from_fn_with_state((edge.clone(), row.need), admit);
                let methods = (row.methods)().route_layer(before);
                if !row.path.contains("{*") {
                    api = api.route(&format!("{root}{}/", row.path), methods.clone());
                }
                api = api.route(&format!("{root}{}", row.path), methods);
            }
        }
        Router::new()
            .route("/", get(health::health))
            .route("/healthz", get(health::health))
            .merge(api)
            .fallback(no_such_route)
            .method_not_allowed_fallback(no_such_method)
            .layer(middleware::from_fn_with_state(edge.clone(), name_upstream))
            .layer(middleware::from_fn_with_state(edge.clone(), answer_browsers))
            .with_state(edge)
            .layer(middleware::from_fn(trace::watch))
            // Outermost, so that every answer has one, errors included.
            .layer(middleware::from_fn(request_id::settle))
    }

    pub(crate) fn config(&self) -> &GatewayConfig {
        &self.0.config
    }

    pub(crate) fn doors(&self) -> &Doors {
        &self.0.doors
    }

    pub(crate) fn fetcher(&self) -> Option<&Fetcher> {
        self.0.fetcher.as_ref()
    }

    pub(crate) fn kept(&self) -> &Shelf {
        &self.0.kept
    }

    pub(crate) fn warp_chat(&self) -> WarpChatClient<GrpcEndpoint> {
        self.0.warp_chat.clone()
    }

    /// Where chats run.
    pub(crate) fn upstream(&self) -> Option<String> {
        self.known_upstream().and_then(|value| value.to_str().ok().map(str::to_owned))
    }

    pub(crate) fn learn_upstream(&self, name: &str) {
        if self.known_upstream().is_some_and(|known| known == name) {
            return;
        }
        if let (Ok(value), Ok(mut upstream)) = (HeaderValue::from_str(name), self.0.upstream.write()) {
            *upstream = Some(value);
        }
    }

    fn known_upstream(&self) -> Option<HeaderValue> {
        self.0.upstream.read().ok().and_then(|upstream| upstream.clone())
    }
}

/// Says on every answer where chats run: the embedded upstream is never mistaken for the real one.
async fn name_upstream(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(upstream) = edge.known_upstream() {
        response.headers_mut().insert(&UPSTREAM_HEADER, upstream);
    }
    response
}

async fn no_such_route(request: Request) -> Response {
    let words = format!("there is nothing at {} {}", request.method(), request.uri().path());
    refuse(&request, ErrorReason::RouteNotFound, words)
}

async fn no_such_method(request: Request) -> Response {
    let words = format!("{} does not take {}", request.uri().path(), request.method());
    refuse(&request, ErrorReason::MethodNotAllowed, words)
}

fn refuse(request: &Request, reason: ErrorReason, words: impl Into<String>) -> Response {
    let style = errors_at(request.uri().path(), request.headers());
    Refusal(Problem::new(reason, words), style).into_response()
}
