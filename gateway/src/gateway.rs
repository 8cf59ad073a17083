//! The edge whose settings may change while it runs: each request meets one set of them from end to end, and what is
//! kept between requests outlives the change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use http::Request;
use tower::{ServiceExt as _, service_fn};
use warp2api_rpc::GrpcEndpoint;
use warp2api_rpc::live::Live;

use crate::config::GatewayConfig;
use crate::fetch::FetcherError;
use crate::path;
use crate::router::Edge;

/// The edge. Clones are the same edge.
#[derive(Debug, Clone)]
pub struct Gateway {
    edge: Edge,
    routes: Live<Router>,
    /// Whether the settings in use have keys.
    has_keys: Arc<AtomicBool>,
}

/// Why settings are not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// Images are to be fetched, and TLS cannot be set up.
    #[error(transparent)]
    Fetcher(#[from] FetcherError),
    /// They have no key for clients, and nobody would come in any more.
    #[error("there is no key for clients left, and a running edge does not open: keep one, or restart it")]
    NoKeys,
}

impl Gateway {
    /// An edge in front of `warp_chat`. `upstream` is where chats run, if that is known from the start.
    ///
    /// # Errors
    /// When images are to be fetched and TLS cannot be set up.
    pub fn new(
        config: GatewayConfig,
        warp_chat: GrpcEndpoint,
        upstream: Option<&str>,
    ) -> Result<Self, FetcherError> {
        let edge = Edge::new(config, warp_chat, upstream)?;
        let routes = Live::new(edge.clone().routes());
        let has_keys = Arc::new(AtomicBool::new(!edge.config().api_keys.is_empty()));
        Ok(Self { edge, routes, has_keys })
    }

    /// Goes on with other settings. Requests that have begun keep theirs. How many responses are kept is settled at the
    /// start.
    ///
    /// A file of settings that was emptied opens no edge: one that had a key goes on to want one.
    ///
    /// # Errors
    /// When they cannot be used; nothing has changed then.
    pub fn reconfigure(&self, config: GatewayConfig) -> Result<(), ReconfigureError> {
        let has_keys = !config.api_keys.is_empty();
        let kept = &self.edge.config().kept_keys;
        if self.has_keys.load(Ordering::Acquire) && !has_keys && kept.current().is_empty() {
            return Err(ReconfigureError::NoKeys);
        }
        self.routes.set(self.edge.with_config(config)?.routes());
        self.has_keys.store(has_keys, Ordering::Release);
        Ok(())
    }

    /// Takes note of where chats run, which every answer names.
    pub fn learn_upstream(&self, name: &str) {
        self.edge.learn_upstream(name);
    }

    /// What serves it.
    pub fn router(&self) -> Router {
        let routes = self.routes.clone();
        Router::new().fallback_service(service_fn(move |mut request: Request<Body>| {
            if let Some(uri) = path::merged(request.uri()) {
                *request.uri_mut() = uri;
            }
            let routes = Router::clone(&routes.get());
            routes.oneshot(request)
        }))
    }
}
