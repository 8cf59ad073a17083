//! The way to a house of ours: never through a proxy, over TLS as `trust` has it.

use warp2api_rpc::HttpEndpoint;
use warp2api_rpc::http_endpoint::{RemoteHttp, remote};

use super::Port;
use crate::config::Config;
use crate::trust;

pub(super) fn client(config: &Config, port: &Port) -> Result<HttpEndpoint, String> {
    let tls = if port.url.starts_with("https:") {
        trust::tool(config, port.certificate.as_deref())
    } else {
        // Nothing of it is used; it keeps the client from looking for CAs.
        trust::none()
    };
    let tls = tls.map_err(|error| super::chain(&error))?;
    remote(&RemoteHttp { tls: Some(tls), ..RemoteHttp::default() }).map_err(|error| error.to_string())
}
