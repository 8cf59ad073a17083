//! Where the status page is: on the port of the services, beside the data it shows. The edge only points there.

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use warp2api_rpc::listener::Address;
use warp2api_ui::PageSettings;

use crate::config::Config;

/// The page, for the port of the services.
pub(crate) fn router(config: &Config) -> Router {
    warp2api_ui::router(PageSettings {
        upstream: config.chat.upstream_label.clone(),
        trace_url: config.trace_url.clone().unwrap_or_default(),
    })
}

/// `/ui` at the edge: the page's own address, under the name by which the edge was called. A page behind a unix socket
/// is in no browser's reach.
pub(crate) fn signpost(scheme: &'static str, services: &Address) -> Router {
    let Address::Tcp(address) = services else { return Router::new() };
    let Some(port) = address.parse::<Authority>().ok().and_then(|authority| authority.port_u16()) else {
        return Router::new();
    };
    let point = move |headers: HeaderMap| async move { signpost_to(scheme, port, &headers) };
    Router::new().route("/ui", get(point))
}

fn signpost_to(scheme: &str, port: u16, headers: &HeaderMap) -> Response {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    match named {
        Some(host) => Redirect::temporary(&format!("{scheme}://{}:{port}/ui", host.host())).into_response(),
        None => (StatusCode::BAD_REQUEST, "the request names no host").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::LOCATION;

    use super::*;

    #[test]
    fn the_signpost_keeps_the_name_of_the_host() {
        for (host, there) in [
            ("localhost:28889", "http://localhost:28888/ui"),
            ("[::1]:28889", "http://[::1]:28888/ui"),
            ("warp.example", "http://warp.example:28888/ui"),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(signpost_to("http", 28888, &headers).headers()[LOCATION], there);
        }
        assert_eq!(signpost_to("http", 28888, &HeaderMap::new()).status(), StatusCode::BAD_REQUEST);
    }
}
