//! The edge whose settings may change while it runs: each request meets one set of them from end to end, and what is
//! kept between requests outlives the change.

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
        Ok(Self { edge, routes })
    }

    /// Goes on with other settings. Requests that have begun keep theirs. How many responses are kept is settled at the
    /// start.
    ///
    /// # Errors
    /// When images are to be fetched and TLS cannot be set up; nothing has changed then.
    pub fn reconfigure(&self, config: GatewayConfig) -> Result<(), FetcherError> {
        self.routes.set(self.edge.with_config(config)?.routes());
        Ok(())
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
