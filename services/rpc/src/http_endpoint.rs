//! The upstream, embedded or a URL, as one boxed service ([`HttpEndpoint`]).
//!
//! Whoever sends a request cannot tell which it is. Requests carry absolute URIs; an embedded upstream looks at the
//! path only. Proxies apply here and nowhere else: calls between services are never proxied.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::tls::ClientTls;
use crate::transport_error::TransportError;

/// The body of an answer of the upstream, read as it comes.
pub type HttpBody = UnsyncBoxBody<Bytes, TransportError>;
/// The upstream as a service.
pub type HttpEndpoint = BoxCloneSyncService<Request<Bytes>, Response<HttpBody>, TransportError>;

/// How to reach an upstream over the network.
#[derive(Clone)]
pub struct RemoteHttp {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// The proxy for `http://` addresses. A URL, perhaps with user and password: never shown.
    pub http_proxy: Option<String>,
    /// The proxy for `https://` addresses.
    pub https_proxy: Option<String>,
    /// Hosts that are reached directly, as in the variable `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// Whom to trust and what to show over TLS. Without it, the system's CAs are trusted.
    pub tls: Option<ClientTls>,
    /// The unix socket that every request goes to, whatever its address says. Not on platforms that have none.
    pub socket: Option<PathBuf>,
}

impl Default for RemoteHttp {
    /// Ten seconds to connect, no proxy.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            tls: None,
            socket: None,
        }
    }
}

impl std::fmt::Debug for RemoteHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteHttp")
            .field("connect_timeout", &self.connect_timeout)
            .field("http_proxy", &self.http_proxy.is_some())
            .field("https_proxy", &self.https_proxy.is_some())
            .field("no_proxy", &self.no_proxy)
            .field("tls", &self.tls)
            .field("socket", &self.socket)
            .finish()
    }
}

/// The client for the upstream could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpEndpointError {
    /// A proxy setting is not a URL. The value may hold a password and is not shown.
    #[error("{0} is not a URL a proxy can have")]
    InvalidProxy(&'static str),
    /// TLS could not be set up.
    #[error("cannot set up the client for the upstream")]
    Client(#[source] reqwest::Error),
}

/// The embedded upstream: called in this process, no socket.
pub fn local(router: axum::Router) -> HttpEndpoint {
    let service = router
        .into_service::<axum::body::Body>()
        .map_request(|request: Request<Bytes>| request.map(axum::body::Body::from))
        .map_response(|response| response.map(|body| body.map_err(TransportError::new).boxed_unsync()))
        .map_err(|never| match never {});
    BoxCloneSyncService::new(service)
}

/// An upstream behind an address: pooled connections, HTTP/2 where it is offered, TLS verified, no redirects.
///
/// # Errors
/// When a proxy setting is no URL or TLS cannot be set up.
pub fn remote(config: &RemoteHttp) -> Result<HttpEndpoint, HttpEndpointError> {
    // The first one in the process wins; whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(config.connect_timeout)
        // Below the idle time of usual front ends, so that a connection is not reused after its peer closed it.
        .pool_idle_timeout(Duration::from_secs(50))
        .http2_keep_alive_interval(Duration::from_secs(60))
        .http2_keep_alive_timeout(Duration::from_secs(15))
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(1024 * 1024)
        .http2_initial_connection_window_size(16 * 1024 * 1024);
    if let Some(tls) = &config.tls {
        builder = builder.tls_backend_preconfigured(rustls::ClientConfig::clone(&tls.get()));
    }
    #[cfg(unix)]
    if let Some(socket) = &config.socket {
        builder = builder.unix_socket(socket.as_path());
    }
    let direct = || config.no_proxy.as_deref().and_then(NoProxy::from_string);
    if let Some(url) = &config.http_proxy {
        let proxy = Proxy::http(url).map_err(|_| HttpEndpointError::InvalidProxy("HTTP_PROXY"))?;
        builder = builder.proxy(proxy.no_proxy(direct()));
    }
    if let Some(url) = &config.https_proxy {
        let proxy = Proxy::https(url).map_err(|_| HttpEndpointError::InvalidProxy("HTTPS_PROXY"))?;
        builder = builder.proxy(proxy.no_proxy(direct()));
    }
    let client = builder.build().map_err(HttpEndpointError::Client)?;
    Ok(BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let client = client.clone();
        async move {
            let request = reqwest::Request::try_from(request).map_err(strip_url)?;
            let response = client.execute(request).await.map_err(strip_url)?;
            let response = Response::<reqwest::Body>::from(response);
            Ok(response.map(|body| body.map_err(strip_url).boxed_unsync()))
        }
    })))
}

/// An error without the URL: the token exchange has a key in its query.
fn strip_url(error: reqwest::Error) -> TransportError {
    TransportError::new(error.without_url())
}
