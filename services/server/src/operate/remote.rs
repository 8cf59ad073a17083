//! The way to a house of ours: never through a proxy, over TLS as `trust` has it, or through a unix socket.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use warp2api_rpc::HttpEndpoint;
use warp2api_rpc::http_endpoint::{RemoteHttp, remote};
use warp2api_rpc::tls::ClientTls;

use super::ask::{Answer, ask};
use super::port::Port;
use crate::config::Config;
use crate::trust;

pub(super) fn client(config: &Config, port: &Port) -> Result<HttpEndpoint, String> {
    let tls = if port.url.starts_with("https:") {
        trust::tool(config, port.certificate.as_deref())
    } else {
        // Nothing of it is used; it keeps the client from looking for CAs.
        trust::none()
    };
    with(tls.map_err(|error| super::chain(&error))?, port.socket())
}

/// A client with this TLS, through `socket` if there is one.
pub(super) fn with(tls: ClientTls, socket: Option<PathBuf>) -> Result<HttpEndpoint, String> {
    remote(&RemoteHttp { tls: Some(tls), socket, ..RemoteHttp::default() }).map_err(|error| error.to_string())
}

/// Asks for `path` at `port` without a key.
pub(super) async fn get(
    config: &Config,
    port: &Port,
    path: &str,
    patience: Duration,
) -> Result<Answer, String> {
    let client = client(config, port)?;
    ask(&client, Method::GET, &port.at(path), None, None, patience).await
}
