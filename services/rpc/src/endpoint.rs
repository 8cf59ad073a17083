//! A service of ours, here or over there.
//!
//! [`GrpcEndpoint`] is one boxed type for three places: the service in this process, behind a unix socket, or behind
//! a TCP address. The generated clients take it as their transport and cannot tell. Messages are encoded in every
//! case, so what works in one process works in five.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, ServiceExt as _};

use crate::deadline::DeadlineLayer;
use crate::last_call::LastCallLayer;
use crate::link::{Link, Secured, Signed};
use crate::plain_status::PlainStatusLayer;
use crate::trace::{Side, TraceLayer, Traced};
use crate::transport_error::TransportError;

/// The transport of a generated client.
pub type GrpcEndpoint = BoxCloneSyncService<Request<Body>, Response<Body>, TransportError>;

/// Where a service of ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process: `local`.
    Local,
    /// Behind a unix socket: `unix:/run/warp2api/codec.sock`.
    Unix(String),
    /// Behind a TCP address: `http://10.0.0.5:28888`, or `https` with TLS.
    Tcp(String),
}

/// A place that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no place of a service: write `local`, `unix:/path/to.sock`, `http://host:port` or `https://host:port`"
)]
pub struct InvalidPlace(String);

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let invalid = || InvalidPlace(text.to_owned());
        if text == "local" {
            return Ok(Self::Local);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.to_owned())) };
        }
        let uri: http::Uri = text.parse().map_err(|_| invalid())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(_)) => Ok(Self::Tcp(text.to_owned())),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Tcp(uri) => f.write_str(uri),
        }
    }
}

/// A remote endpoint could not be made from its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an endpoint of {place}")]
pub struct EndpointError {
    place: Place,
    #[source]
    source: BoxError,
}

/// The services in `routes`, called in this process: a client stub over the generated server, no socket, no HTTP/2.
pub fn local(routes: Routes) -> GrpcEndpoint {
    let service =
        routes.prepare().map_request(|request: Request<Body>| request).map_err(|never| match never {});
    let served = DeadlineLayer.layer(traced(Side::Server, PlainStatusLayer.layer(service)));
    BoxCloneSyncService::new(traced(Side::Client, served))
}

/// What a router serves, called in this process through all its layers.
pub fn served(router: axum::Router) -> GrpcEndpoint {
    let service = router
        .into_service::<Body>()
        .map_response(|response: Response<axum::body::Body>| response.map(Body::new))
        .map_err(|never| match never {});
    BoxCloneSyncService::new(traced(Side::Client, service))
}

fn traced<S>(side: Side, service: S) -> Traced<S, Body> {
    TraceLayer::new(side, Body::new).layer(service)
}

/// The same service, whose calls end with a word when `last_call` is cancelled.
pub fn until(endpoint: GrpcEndpoint, last_call: CancellationToken) -> GrpcEndpoint {
    BoxCloneSyncService::new(LastCallLayer(last_call).layer(endpoint))
}

/// A service behind a socket. Connects at the first call and again whenever the connection is lost.
///
/// # Errors
/// When the address is not one, or names a unix socket on a platform that has none. [`Place::Local`] is no socket.
pub fn remote(place: &Place) -> Result<GrpcEndpoint, EndpointError> {
    linked(place, &Link::default())
}

/// The same, where services want to see something of each other.
///
/// # Errors
/// As [`remote`], and when the address is `https` and nobody said whom to trust.
pub fn linked(place: &Place, link: &Link) -> Result<GrpcEndpoint, EndpointError> {
    let channel = channel(place, link).map_err(|source| EndpointError { place: place.clone(), source })?;
    let (tokens, chat_tokens) = (link.tokens.clone(), link.chat_tokens.clone());
    let signed = Signed { inner: channel, tokens, chat_tokens };
    let called = DeadlineLayer.layer(signed).map_err(TransportError::new);
    Ok(BoxCloneSyncService::new(TraceLayer::calling(place, Body::new).layer(called)))
}

fn channel(place: &Place, link: &Link) -> Result<Channel, BoxError> {
    let uri = match place {
        Place::Tcp(uri) if uri.starts_with("https:") => {
            let tls = link
                .tls
                .clone()
                .ok_or("it is behind TLS: name the CA of its certificate in W2A_SERVICE_CA")?;
            // The connector does what the scheme says; the client itself knows no TLS.
            let plain = uri.replacen("https:", "http:", 1);
            let endpoint = Endpoint::from_shared(plain)?.origin(uri.parse()?);
            return Ok(tune(endpoint).connect_with_connector_lazy(Secured(tls)));
        }
        Place::Tcp(uri) => uri.clone(),
        Place::Unix(path) if cfg!(unix) => format!("unix:{path}"),
        Place::Unix(_) => return Err("this platform has no unix sockets".into()),
        Place::Local => return Err("a local service is not behind a socket".into()),
    };
    Ok(tune(Endpoint::from_shared(uri)?).connect_lazy())
}

/// One profile for every connection between services: dead peers are noticed within half a minute, also when idle,
/// and one slow stream cannot starve the others of window.
fn tune(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(Some(1024 * 1024))
        .initial_connection_window_size(Some(16 * 1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        for (text, place) in [
            ("local", Place::Local),
            ("unix:/run/a.sock", Place::Unix("/run/a.sock".into())),
            ("http://10.0.0.5:28888", Place::Tcp("http://10.0.0.5:28888".into())),
        ] {
            assert_eq!(text.parse(), Ok(place.clone()));
            assert_eq!(place.to_string(), text);
        }
        assert_eq!("unix:///run/a.sock".parse(), Ok(Place::Unix("/run/a.sock".into())));
    }

    #[test]
    fn what_is_no_place_is_refused_with_a_way_out() {
        for text in ["", "localhost:28888", "unix:", "ftp://a", "http://"] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains("http://host:port"), "{error}");
        }
    }
}
